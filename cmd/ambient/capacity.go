package main

import (
	"bufio"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"

	"github.com/ambient-ci/ambient/stages"
)

// memoryReserve is left to the machine when its memory is given to stages.
const memoryReserve = 256 << 20

// machineCapacity is what this machine can give to stages now.
func machineCapacity() stages.Capacity {
	return capacity(os.DirFS("/"), runtime.GOMAXPROCS(0))
}

// capacity reads MemAvailable (proc_meminfo(5)) and the limit of the control
// group in which this process sees itself as the root (a container's). Memory 0
// means that nothing is known. CPUs are the caller's: Go's GOMAXPROCS knows the
// affinity and the group's quota.
func capacity(fsys fs.FS, cpus int) stages.Capacity {
	free := memAvailable(fsys)
	if group, ok := groupFree(fsys); ok && (free == 0 || group < free) {
		free = group
	}
	if free > 0 {
		free = max(free-memoryReserve, 1)
	}
	return stages.Capacity{Memory: free, CPUs: cpus}
}

func memAvailable(fsys fs.FS) int64 {
	data, err := fs.ReadFile(fsys, "proc/meminfo")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(strings.NewReader(string(data))); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "MemAvailable:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// groupFree is memory.max less memory.current (cgroup-v2); page cache that could
// be reclaimed counts as free.
func groupFree(fsys fs.FS) (int64, bool) {
	const dir = "sys/fs/cgroup"
	most, ok1 := number(fsys, path.Join(dir, "memory.max"))
	used, ok2 := number(fsys, path.Join(dir, "memory.current"))
	if !ok1 || !ok2 {
		return 0, false
	}
	if stat, err := fs.ReadFile(fsys, path.Join(dir, "memory.stat")); err == nil {
		for line := range strings.Lines(string(stat)) {
			if value, ok := strings.CutPrefix(line, "inactive_file "); ok {
				n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
				used -= n
			}
		}
	}
	return max(most-used, 1), true
}

func number(fsys fs.FS, name string) (int64, bool) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

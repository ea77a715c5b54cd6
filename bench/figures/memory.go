package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// idle is the memory, in MiB, that a machine has for itself while it and seven
// others wait: the largest of them.
func (b *bench) idle() (float64, error) {
	cmd := exec.Command(b.program, "-chdir="+b.dir("idle"), "apply", "-force", "-parallelism=8")
	cmd.Env = append(os.Environ(), "AMBIENT_HOME="+b.home, "AMBIENT_TEMPLATES=on")
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	most, err := whileIdle(cmd.Process.Pid)
	return most, errors.Join(err, cmd.Wait())
}

// whileIdle looks once all eight machines are there and have had time to start.
func whileIdle(parent int) (most float64, err error) {
	var machines []int
	for end := time.Now().Add(20 * time.Second); len(machines) < 8; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			return 0, fmt.Errorf("only %d machines at once", len(machines))
		}
		machines = children(parent)
	}
	time.Sleep(3 * time.Second)
	for _, pid := range machines {
		own, err := ownMemory(pid)
		if err != nil {
			return 0, err
		}
		most = max(most, float64(own)/(1<<20))
	}
	return most, nil
}

// children are the processes that a process has started (proc_pid_stat(5)).
func children(parent int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, _ := os.ReadFile(path)
		_, rest, ok := strings.Cut(string(data), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(path, "/")[2]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// ownMemory is a process's proportional share of memory (proc_pid_smaps(5)),
// without the pages of a template's memory that it has not written, in bytes.
func ownMemory(pid int) (own int64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	key := "Pss:"
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		if !strings.HasSuffix(fields[0], ":") { // a mapping begins
			key = "Pss:"
			if path := fields[len(fields)-1]; strings.Contains(path, "/templates/") && filepath.Base(path) == "memory" {
				key = "Anonymous:"
			}
		}
		if fields[0] == key {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			own += kib << 10
		}
	}
	return own, lines.Err()
}

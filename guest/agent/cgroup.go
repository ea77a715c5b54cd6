package agent

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	cgroupRoot     = "/sys/fs/cgroup"
	defaultReserve = 64 << 20 // bytes, when the plan names none
	spareTasks     = 128      // tasks that the actions can not have
	killLimit      = 5 * time.Second
)

// cgroup is the control group (cgroup v2) that holds all processes of a
// stage's actions. It is used by descriptor only: an action may unmount what is
// mounted.
type cgroup struct {
	dir  int  // its descriptor
	used bool // something may have run in it

	// What the machine had when it was ready; to ask again in each that goes on
	// from there would cost 2% of the time of a short stage.
	tasks  int64
	memory int64 // bytes
}

// makeCgroup makes the group and sets what does not depend on the plan.
func makeCgroup() (*cgroup, error) {
	if err := write(filepath.Join(cgroupRoot, "cgroup.subtree_control"), "+memory +pids"); err != nil {
		return nil, err
	}
	dir := filepath.Join(cgroupRoot, "stage")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if err := write(filepath.Join(dir, "memory.oom.group"), "0"); err != nil {
		return nil, err
	}
	_ = write(filepath.Join(dir, "memory.swap.max"), "0") // absent in a kernel without swap
	g, err := openCgroup(dir)
	if err != nil {
		return nil, err
	}
	g.tasks, g.memory = mostTasks(), meminfo("MemAvailable")
	return g, nil
}

// bound sets the limits of the plan.
func (g *cgroup) bound(reserve, pids int64) error {
	limits := [][2]string{
		{"pids.max", strconv.FormatInt(taskLimit(pids, g.tasks), 10)},
		{"memory.max", strconv.FormatInt(memoryLimit(reserve, g.memory), 10)},
	}
	for _, l := range limits {
		if err := g.write(l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}

func (g *cgroup) write(name, text string) error { return writeAt(g.dir, name, text) }

func openCgroup(dir string) (*cgroup, error) {
	fd, err := syscall.Open(dir, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return &cgroup{dir: fd}, nil
}

// mostTasks is what the kernel itself can hold, less some, so that this program
// can always start a thread.
func mostTasks() int64 { return number("/proc/sys/kernel/threads-max") - spareTasks }

// taskLimit keeps the plan's limit below the most that there can be.
func taskLimit(pids, most int64) int64 {
	if pids <= 0 || pids > most {
		return max(most, 16)
	}
	return pids
}

// memoryLimit is what actions may have: what was available before the first of
// them, less the reserve. The kernel never picks PID 1 when memory is short,
// and the actions inherit nothing that would protect them.
func memoryLimit(reserve, available int64) int64 {
	if reserve <= 0 {
		reserve = defaultReserve
	}
	return available - min(reserve, available/2)
}

// meminfo returns a line of /proc/meminfo in bytes (proc(5)).
func meminfo(name string) int64 {
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			var kib int64
			fmt.Sscanf(rest, "%d kB", &kib)
			return kib << 10
		}
	}
	return 0
}

// number returns the number in a file of /proc or /sys, 0 if there is none.
func number(path string) int64 {
	b, _ := os.ReadFile(path)
	n, _ := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	return n
}

// events counts how often the group ran into its limits.
type events struct {
	oomKills int64
	pidsMax  int64
}

func (g *cgroup) events() events {
	if !g.used {
		return events{}
	}
	return events{
		oomKills: g.counter("memory.events", "oom_kill"),
		pidsMax:  g.counter("pids.events", "max"),
	}
}

// counter returns the value of key in a flat-keyed file of the group.
func (g *cgroup) counter(file, key string) int64 {
	b, _ := readAt(g.dir, file)
	for line := range strings.Lines(string(b)) {
		if k, v, _ := strings.Cut(strings.TrimSpace(line), " "); k == key {
			n, _ := strconv.ParseInt(v, 10, 64)
			return n
		}
	}
	return 0
}

// kill ends every process of the group and waits, within a bound, until they
// are gone.
func (g *cgroup) kill() error {
	if err := g.write("cgroup.kill", "1"); err != nil {
		return err
	}
	for end := time.Now().Add(killLimit); g.counter("cgroup.events", "populated") > 0; {
		if time.Now().After(end) {
			return fmt.Errorf("processes survive after %s", killLimit)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return nil
}

// write writes to a file of /proc or /sys, which must exist.
func write(path, text string) error { return writeAt(atCwd, path, text) }

// attr makes a new process a member of the group and leader of a session.
func (g *cgroup) attr() *syscall.SysProcAttr {
	g.used = true
	return &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: g.dir}
}

//go:build vm

package runner

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/stages"
)

// idleMemory is what an idle restored machine may have for itself, in bytes.
const idleMemory = 70 << 20

// Eight idle machines of one template share most of their memory.
func TestVMTemplateMemory(t *testing.T) {
	r := ownTemplates(t, false)
	job := testJob(t, config.DefaultLimits(), "true")
	startedAs(t, r, job, "kept as a template")
	u, err := r.templates.Use(r.templates.List()[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	var vms []*qemuvm.VM
	for range 8 {
		x := &execution{runner: r, job: job, obs: stages.ObserverFunc(func(stages.Event) {})}
		if err := x.prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(x.release)
		vm, err := x.goOn(t.Context(), x.machineOptions(), u.Files, u.Info.QEMU)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { vm.Close() })
		vms = append(vms, vm)
	}
	for _, vm := range vms {
		if own := ownMemory(t, vm.PID(), u.Memory); own > idleMemory {
			t.Errorf("a machine has %d MiB for itself", own>>20)
		} else {
			t.Logf("%d MiB", own>>20)
		}
	}
}

// ownMemory is a process's proportional share of memory (proc_pid_smaps(5)),
// without the pages of a file that it has not written, in bytes.
func ownMemory(t *testing.T, pid int, template string) (own int64) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	key := "Pss:"
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 0 && !strings.HasSuffix(fields[0], ":") { // a mapping begins
			key = "Pss:"
			if strings.HasSuffix(lines.Text(), " "+template) {
				key = "Anonymous:"
			}
		}
		if len(fields) > 1 && fields[0] == key {
			var kib int64
			fmt.Sscan(fields[1], &kib)
			own += kib << 10
		}
	}
	return own
}

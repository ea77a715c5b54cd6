package agent

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// rehearsalLimit bounds an action that takes no time: whatever is wrong with the
// image, the stage's own action shows it.
const rehearsalLimit = 10 * time.Second

// rehearse runs an action that does nothing, before the machine is Ready, by the
// code that runs those of a stage. What is done once in the life of a machine is
// then behind it when it is saved: threads are there, stacks and heaps have grown,
// the kernel knows where the shell is and where not, and has read it from the disk.
func (m *machine) rehearse() {
	w := m.newWorker(&guest.Plan{Actions: []guest.Action{{Steps: []guest.Step{{Exec: &guest.Exec{Script: ":", Dir: "/"}}}}}})
	w.send, w.log = func(guest.Message) {}, newLogger(io.Discard)
	ctx, cancel := context.WithTimeout(context.Background(), rehearsalLimit)
	defer cancel()
	w.runActions(ctx)
	w.endProcesses()
	_ = os.RemoveAll(filepath.Join(scriptDir, "script-1"))
	m.group.used = false
}

package agent

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/ambient-ci/ambient/guest"
)

// rehearse runs an action that does nothing, before the machine is Ready, by the
// code that runs those of a stage. What is done once in the life of a machine is
// then behind it when it is saved: threads are there, stacks and heaps have grown,
// the kernel knows where the shell is and where not, and has read it from the disk.
func (m *machine) rehearse() {
	guest.Warm()
	w := m.newWorker(&guest.Plan{Actions: []guest.Action{{Steps: []guest.Step{{Exec: &guest.Exec{Script: ":", Dir: "/"}}}}}})
	w.send, w.log = func(guest.Message) {}, newLogger(io.Discard)
	w.runActions(context.Background())
	_ = m.group.kill()
	w.pumps.Wait()
	_ = os.RemoveAll(filepath.Join(scriptDir, "script-1"))
	m.group.used = false
}

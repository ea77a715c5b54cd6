package source

import (
	"os/exec"
	"runtime"
	"syscall"
)

// endWithGroup makes the end of cmd's context end its children, too: git leaves
// transfers to other programs. The end of this process ends cmd (prctl(2),
// PR_SET_PDEATHSIG), for which the caller has a thread for itself until it calls
// done, after cmd's end.
func endWithGroup(cmd *exec.Cmd) (done func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

package agent

import (
	"os"
	"syscall"
	"time"
)

// powerOff ends the machine. It does not sync: the outputs were, one by one,
// and everything else goes with the machine.
func powerOff() {
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	// A machine without a way to power off restarts, and the host's QEMU ends
	// instead (-no-reboot).
	time.Sleep(time.Second)
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)
	os.Exit(1)
}

package agent

// Numbers of system calls that package syscall does not name
// (arch/x86/entry/syscalls/syscall_64.tbl of Linux).
const (
	sysFinitModule = 313
	sysMemfdCreate = 319
)

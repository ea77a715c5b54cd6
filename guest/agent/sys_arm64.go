package agent

// Numbers of system calls that package syscall does not name
// (include/uapi/asm-generic/unistd.h of Linux).
const (
	sysFinitModule = 273
	sysMemfdCreate = 279
)

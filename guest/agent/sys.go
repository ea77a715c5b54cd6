package agent

import (
	"os"
	"syscall"
	"unsafe"
)

// memfd returns a file that lives in memory only (memfd_create(2)).
func memfd(name string) (*os.File, error) {
	const cloexec = 1
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return nil, err
	}
	fd, _, errno := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(p)), cloexec, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("memfd_create", errno)
	}
	return os.NewFile(fd, name), nil
}

// loadModule loads an open kernel module (finit_module(2)). One that is there
// already is fine.
func loadModule(f *os.File) error {
	params := []byte{0}
	_, _, errno := syscall.Syscall(sysFinitModule, f.Fd(), uintptr(unsafe.Pointer(&params[0])), 0)
	if errno != 0 && errno != syscall.EEXIST {
		return os.NewSyscallError("finit_module", errno)
	}
	return nil
}

// ioctl calls ioctl(2) with a pointer.
func ioctl(fd uintptr, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
		return os.NewSyscallError("ioctl", errno)
	}
	return nil
}

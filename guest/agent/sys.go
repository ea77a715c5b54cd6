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

// Files of the kernel's are read and written by plain system calls: os.File would
// first offer each to the poller, which asks more of the machine than the file does.

const atCwd = -100 // AT_FDCWD of openat(2)

// writeAt writes text to a file that exists, whose name is relative to the
// directory with that descriptor.
func writeAt(dir int, name, text string) error {
	return withFile(dir, name, syscall.O_WRONLY, func(fd int) error {
		n, err := syscall.Write(fd, []byte(text))
		if err == nil && n != len(text) {
			err = syscall.ENOSPC
		}
		return err
	})
}

// readAt reads a small file: at most a page.
func readAt(dir int, name string) (text []byte, err error) {
	err = withFile(dir, name, syscall.O_RDONLY, func(fd int) error {
		buf := make([]byte, 4096)
		n, err := syscall.Read(fd, buf)
		text = buf[:max(n, 0)]
		return err
	})
	return text, err
}

func withFile(dir int, name string, flags int, use func(fd int) error) error {
	fd, err := syscall.Openat(dir, name, flags|syscall.O_CLOEXEC, 0)
	if err == nil {
		defer syscall.Close(fd)
		err = use(fd)
	}
	if err != nil {
		return &os.PathError{Op: "use", Path: name, Err: err}
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

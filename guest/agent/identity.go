package agent

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/ambient-ci/ambient/guest"
)

// Requests of random(4).
const (
	rndAddEntropy = 0x40085203
	rndReseedCRNG = 0x5207
)

// setClock sets the wall clock.
func setClock(s *guest.Start) error {
	if s.Time.IsZero() {
		return nil
	}
	tv := syscall.NsecToTimeval(s.Time.UnixNano())
	if err := syscall.Settimeofday(&tv); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	return nil
}

// addEntropy mixes seed into the kernel's generator, counted in full, and makes
// it start from there: machines restored from one template must differ.
func addEntropy(seed []byte) error {
	if len(seed) == 0 {
		return nil
	}
	var pool struct { // struct rand_pool_info
		bits, size int32
		buf        [4096]byte
	}
	n := copy(pool.buf[:], seed)
	pool.bits, pool.size = int32(n*8), int32(n)
	return withFile(atCwd, "/dev/urandom", syscall.O_WRONLY, func(fd int) error {
		if err := ioctl(uintptr(fd), rndAddEntropy, unsafe.Pointer(&pool)); err != nil {
			return fmt.Errorf("add entropy: %w", err)
		}
		if err := ioctl(uintptr(fd), rndReseedCRNG, nil); err != nil {
			return fmt.Errorf("reseed: %w", err)
		}
		return nil
	})
}

// identityFiles are made while the machine boots, whatever the image has there,
// so that they only have to be filled later. They have an empty line: a file that
// has its place on the disk is written to in half the time of one that has none.
var identityFiles = []string{hostnameFile, hostsFile, machineIDFile, resolverFile}

const (
	hostnameFile  = "/etc/hostname"
	hostsFile     = "/etc/hosts"
	machineIDFile = "/etc/machine-id"
	resolverFile  = "/etc/resolv.conf"
)

func makeIdentityFiles() error {
	for _, path := range identityFiles {
		if err := replaceFile(path, []byte("\n")); err != nil {
			return err
		}
	}
	return nil
}

// setNames gives the machine its name and id.
func setNames(s *guest.Start) error {
	hosts := "127.0.0.1 localhost\n::1 localhost\n"
	if s.Hostname != "" {
		if err := syscall.Sethostname([]byte(s.Hostname)); err != nil {
			return fmt.Errorf("set the host name: %w", err)
		}
		if err := fill(hostnameFile, s.Hostname+"\n"); err != nil {
			return err
		}
		hosts = "127.0.0.1 localhost " + s.Hostname + "\n::1 localhost\n"
	}
	if err := fill(hostsFile, hosts); err != nil {
		return err
	}
	if s.MachineID == "" {
		return nil
	}
	return fill(machineIDFile, s.MachineID+"\n")
}

// fill writes the content of a file that has an empty line.
func fill(path, text string) error { return writeAt(atCwd, path, text) }

package qemuvm

import (
	"cmp"
	"runtime"
)

// Arch is the architecture of a guest, as QEMU names it.
type Arch string

// The architectures that CommandLine knows.
const (
	X86_64  Arch = "x86_64"
	AArch64 Arch = "aarch64"
)

// platform is what differs between architectures.
type platform struct {
	goarch  string   // the host architecture on which KVM can run it
	machine string   // value of -machine, before the memory backend
	serial  []string // how the chardev "console" becomes the first serial port
	console string   // name of that port in the guest
	kernel  []string // kernel arguments
	pkg     string   // Debian's package, for remedies
}

var platforms = map[Arch]platform{
	X86_64: {
		goarch: "amd64",
		// Everything that a virtio guest has no use for is off: less to attack
		// and less for the kernel to probe.
		machine: "q35,graphics=off,sata=off,smbus=off,usb=off,vmport=off,i8042=off," +
			"dump-guest-core=off,mem-merge=off",
		serial:  []string{"-device", `{"driver":"isa-serial","chardev":"console"}`},
		console: "ttyS0",
		// reboot=t: a triple fault is the quickest way out, and -no-reboot makes
		// it QEMU's end. The rest saves probing and self-tests at boot.
		kernel: []string{"reboot=t", "8250.nr_uarts=1", "no_timer_check", "tsc=reliable"},
		pkg:    "qemu-system-x86",
	},
	AArch64: {
		goarch:  "arm64",
		machine: "virt,dump-guest-core=off,mem-merge=off",
		serial:  []string{"-serial", "chardev:console"},
		console: "ttyAMA0",
		pkg:     "qemu-system-arm",
	},
}

// Package is Debian's package with QEMU for the architecture, "qemu-system" when
// it is not one that can run guests.
func (a Arch) Package() string { return cmp.Or(platforms[a].pkg, "qemu-system") }

// HostArch is the architecture of this machine, or "" when it is not one that
// can run guests.
func HostArch() Arch {
	for arch, p := range platforms {
		if p.goarch == runtime.GOARCH {
			return arch
		}
	}
	return ""
}

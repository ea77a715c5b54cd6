package qemuvm

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Names of accelerators for Options.Accel.
const (
	KVM = "kvm"
	TCG = "tcg"
)

// Limits of what Options may ask for.
const (
	// MinMemory is the least memory of a machine, in bytes.
	MinMemory = 32 << 20
	// MaxDisks keeps devices within the 30 free slots of the root bus.
	MaxDisks = 24
	// maxAppend is what the kernel keeps of its command line
	// (COMMAND_LINE_SIZE on x86, with room for its own end).
	maxAppend = 2047
)

// Options describes one machine. It is plain data; Start and CommandLine do not
// change it. Paths are absolute.
type Options struct {
	Binary string // QEMU, absolute or looked up in PATH
	Arch   Arch
	Accel  string // KVM or TCG
	CPU    string // QEMU's CPU model with its properties, such as "max"; empty: "max" for TCG and "host" for KVM
	CPUs   int
	Memory int64 // bytes; what does not fill a MiB is left out

	Kernel string   // empty: the firmware boots the first disk
	Initrd string   // only with Kernel
	Append []string // further kernel arguments, one each, without blanks; only with Kernel

	Disks   []Disk
	Ports   []string // names of virtio-serial ports
	Console bool     // the guest's first serial port is VM.Console
	Network *UserNet // at most one of the two; both nil: no network device
	Frames  *FrameNet
	Name    string // for process listings

	// MemoryFile, when set, is a file of Memory bytes (whole MiB) that holds the
	// guest's memory while the machine runs, so that VM.Save can keep it. It must
	// exist and belong to this machine alone.
	MemoryFile string
	// Restore, when set, makes the machine go on from a template instead of
	// booting. All other options but Name, Disk.Path and the MAC of the network must be
	// those of the machine that was saved; QEMU notices most differences, not
	// all. Excludes MemoryFile.
	Restore *Template

	// StartLimit is how long QEMU may take to answer on QMP; 0: 30 s. It takes
	// 50 ms on an idle machine.
	StartLimit time.Duration
}

// Disk is a virtio-blk device backed by a raw file. The file's size is the
// device's size and should be a multiple of 512 bytes.
type Disk struct {
	Serial string // at most 20 of A-Z a-z 0-9 . _ -, starting with a letter; unique
	Path   string
	// ReadOnly files are opened read-only and without a lock, so that any number
	// of machines may read one. Others are locked by QEMU, and are written
	// without flushes (cache=unsafe): after a crash of the host they are void,
	// after QEMU's end they are whole.
	ReadOnly bool
}

// Template is a machine that VM.Save saved. Its files are only read: any number
// of machines may go on from it at once.
type Template struct {
	Memory string // the file that was MemoryFile; each machine sees its own private copy
	State  string // what VM.Save wrote
}

// UserNet is QEMU's user-mode network: the guest is 10.0.2.15/24, its gateway
// 10.0.2.2 and its name server 10.0.2.3. IPv4 only. Unless Restrict is set the
// guest reaches whatever this host reaches, services on the host's loopback
// included (as 10.0.2.2).
type UserNet struct {
	MAC      string // empty: QEMU's default
	Restrict bool   // nothing is routed out
}

// FrameNet is a network whose other end is this process: VM.Frames.
type FrameNet struct {
	MAC string // empty: QEMU's default
	MTU int    // the largest IP packet, which the guest is told; 0: 1500
}

// OptionsError says which option can not be used.
type OptionsError struct {
	Option string // the field of Options
	Reason string
}

// Error names the option and the reason.
func (e *OptionsError) Error() string {
	return fmt.Sprintf("virtual machine option %s: %s", e.Option, e.Reason)
}

func bad(option, format string, args ...any) error {
	return &OptionsError{option, fmt.Sprintf(format, args...)}
}

var (
	serialRule = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,19}$`)
	portRule   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// Validate says what CommandLine could not express or QEMU would misread. It
// does not look at the file system. Its error is an *OptionsError.
func (o *Options) Validate() error {
	if _, ok := platforms[o.Arch]; !ok {
		return bad("Arch", "%q is not known", o.Arch)
	}
	if o.Binary == "" {
		return bad("Binary", "is empty")
	}
	if o.Accel != KVM && o.Accel != TCG {
		return bad("Accel", "%q is neither kvm nor tcg", o.Accel)
	}
	if o.CPUs < 1 || o.CPUs > 255 {
		return bad("CPUs", "%d is not between 1 and 255", o.CPUs)
	}
	if o.Memory < MinMemory {
		return bad("Memory", "%d bytes are less than the least, %d", o.Memory, MinMemory)
	}
	if err := checkText("Name", o.Name); err != nil {
		return err
	}
	if err := checkText("CPU", o.CPU); err != nil {
		return err
	}
	for _, check := range []func() error{o.checkKernel, o.checkDisks, o.checkPorts, o.checkNetwork, o.checkTemplate} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) startLimit() time.Duration {
	if o.StartLimit > 0 {
		return o.StartLimit
	}
	return 30 * time.Second
}

func (o *Options) checkKernel() error {
	if o.Kernel == "" && (o.Initrd != "" || len(o.Append) > 0) {
		return bad("Kernel", "is empty, but Initrd or Append is not")
	}
	for _, p := range []struct{ option, path string }{{"Kernel", o.Kernel}, {"Initrd", o.Initrd}} {
		if p.path == "" {
			continue
		}
		if err := checkPath(p.option, p.path); err != nil {
			return err
		}
	}
	for _, arg := range o.Append {
		if arg == "" || strings.ContainsFunc(arg, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || r == '"'
		}) {
			return bad("Append", "%q is empty or has a blank, a quote or a character that is not ASCII", arg)
		}
	}
	if n := len(o.kernelArguments()); n > maxAppend {
		return bad("Append", "the kernel's command line has %d bytes, at most %d fit", n, maxAppend)
	}
	return nil
}

func (o *Options) checkDisks() error {
	if len(o.Disks) > MaxDisks {
		return bad("Disks", "%d are more than %d", len(o.Disks), MaxDisks)
	}
	seen := map[string]bool{}
	for _, d := range o.Disks {
		switch {
		case !serialRule.MatchString(d.Serial):
			return bad("Disks", "serial %q is not a letter and up to 19 of A-Z a-z 0-9 . _ -", d.Serial)
		case seen[d.Serial]:
			return bad("Disks", "serial %q occurs twice", d.Serial)
		}
		seen[d.Serial] = true
		if err := checkPath("Disks", d.Path); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) checkPorts() error {
	if len(o.Ports) > 16 {
		return bad("Ports", "%d are more than 16", len(o.Ports))
	}
	seen := map[string]bool{}
	for _, name := range o.Ports {
		if !portRule.MatchString(name) {
			return bad("Ports", "%q is not up to 64 of A-Z a-z 0-9 . _ -", name)
		}
		if seen[name] {
			return bad("Ports", "%q occurs twice", name)
		}
		seen[name] = true
	}
	return nil
}

func (o *Options) checkNetwork() error {
	mac := ""
	switch {
	case o.Network != nil && o.Frames != nil:
		return bad("Frames", "can not be used with Network")
	case o.Network != nil:
		mac = o.Network.MAC
	case o.Frames != nil:
		mac = o.Frames.MAC
		if mtu := o.Frames.MTU; mtu != 0 && (mtu < 1280 || mtu > 65535) {
			return bad("Frames", "an MTU of %d is not between 1280 and 65535", mtu)
		}
	}
	if mac == "" {
		return nil
	}
	parsed, err := net.ParseMAC(mac)
	if err != nil || len(parsed) != 6 || parsed[0]&1 != 0 {
		return bad("Network", "%q is not the MAC address of one device", mac)
	}
	return nil
}

func (o *Options) checkTemplate() error {
	if o.MemoryFile != "" && o.Restore != nil {
		return bad("Restore", "can not be used with MemoryFile")
	}
	if o.MemoryFile != "" {
		return checkPath("MemoryFile", o.MemoryFile)
	}
	if t := o.Restore; t != nil {
		return errors.Join(checkPath("Restore", t.Memory), checkPath("Restore", t.State))
	}
	return nil
}

// checkPath refuses what JSON can not carry (text that is not UTF-8) and what
// would depend on a working directory.
func checkPath(option, path string) error {
	if !filepath.IsAbs(path) {
		return bad(option, "path %q is not absolute", path)
	}
	if !utf8.ValidString(path) || strings.ContainsRune(path, 0) {
		return bad(option, "path %q is not UTF-8 text", path)
	}
	return nil
}

func checkText(option, text string) error {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return bad(option, "%q is not one line of UTF-8 text", text)
	}
	return nil
}

package qemuvm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"
)

// Time limits of a probe, from QEMU's start to Try's end. KVM boots in about a
// second where it works at all; emulation on a loaded machine is slow.
const (
	kvmProbeLimit = 6 * time.Second
	tcgProbeLimit = 120 * time.Second
)

// ProbeOptions say how Choose tries an accelerator.
type ProbeOptions struct {
	// Machine is what boots, with Accel and CPU left empty. It must boot the
	// kernel that real machines boot: a broken KVM may well run simpler code. Its
	// console is read by Choose and explains a failure; Try must leave it alone.
	Machine Options
	// Try judges a machine that has started: nil when its guest works. It must
	// return when ctx ends or the machine does.
	Try func(ctx context.Context, vm *VM) error
	// Trying, if not nil, is told of each accelerator that is about to be tried.
	Trying func(accel string)
	// CacheFile remembers the choice; empty: it is not remembered.
	CacheFile string
	// RequireKVM refuses emulation.
	RequireKVM bool
	// Again ignores what is remembered.
	Again bool
}

// Choice is an accelerator that works, for Options.Accel and Options.CPU.
type Choice struct {
	Accel   string
	CPU     string
	Reasons []Rejected // why the better ones were not chosen, best first
	// Remembered says that nothing was tried this time.
	Remembered bool
	// CacheError says why the choice could not be remembered; nil: it was.
	CacheError error
}

// Rejected is an accelerator that does not work here.
type Rejected struct {
	Accel string `json:"accel"`
	CPU   string `json:"cpu"`
	Why   string `json:"why"`
}

// NoAcceleratorError says that no machine can be run here.
type NoAcceleratorError struct {
	RequireKVM bool // emulation was not allowed
	Reasons    []Rejected
}

// Error lists what was tried and why it failed.
func (e *NoAcceleratorError) Error() string {
	var b strings.Builder
	b.WriteString("no accelerator can run a virtual machine here")
	if e.RequireKVM {
		b.Reset()
		b.WriteString("KVM is required and does not work here")
	}
	for _, r := range e.Reasons {
		fmt.Fprintf(&b, "\n  %s with CPU %s: %s", r.Accel, r.CPU, r.Why)
	}
	return b.String()
}

// candidate is what may be tried, best first.
type candidate struct {
	accel, cpu string
	limit      time.Duration
	variant    bool // that it does not work says nothing of the accelerator
}

// tcgCPU is all that QEMU can emulate but what emulation makes worse. With
// cmpxchg16b, Linux 6.12 (Debian trixie) faults at random under QEMU 7.2's
// emulation, and without it does not. A processor whose string instructions are
// fast with single bytes (ERMS, FSRM) makes kernel and libc copy and clear memory
// that way, and emulated, each byte takes as long as eight bytes would: without
// them, writing to a file in memory takes a third of the time. Five levels of page
// tables, a switch around each access to a program's memory (SMAP: the program is
// root of the machine anyway) and registers that hardly anything uses (MPX, PKU)
// are work that real processors do on the side: 5% of a short stage.
const (
	tcgCPU     = safeTCGCPU + ",erms=off,fsrm=off,la57=off,smap=off,mpx=off,pku=off"
	safeTCGCPU = "max,cx16=off"
	// From QEMU 8 on there are three more fast string instructions, which Linux 6.4
	// and later choose by; older QEMUs refuse their names.
	newTCGCPU = tcgCPU + ",fzrm=off,fsrs=off,fsrc=off"
)

// Some nested hypervisors offer IA32_ARCH_CAPABILITIES and refuse to set it:
// QEMU then aborts, hence the second.
var candidates = []candidate{
	{KVM, "host", kvmProbeLimit, false},
	{KVM, "host,arch-capabilities=off", kvmProbeLimit, false},
	{TCG, newTCGCPU, tcgProbeLimit, true},
	{TCG, tcgCPU, tcgProbeLimit, true},
	{TCG, safeTCGCPU, tcgProbeLimit, true},
	{TCG, "max", tcgProbeLimit, false}, // a machine without that feature, such as aarch64
}

// Choose finds the best accelerator that really boots Machine. The first time
// it takes as long as the probes; afterwards it reads CacheFile, until QEMU, the
// kernel, the host's boot or the state of /dev/kvm changes. Several processes
// may use one CacheFile.
//
// Errors: *NoAcceleratorError; and at once, since no accelerator is to blame,
// *OptionsError, *MissingError, *TooOldError and ctx's.
func Choose(ctx context.Context, p ProbeOptions) (Choice, error) {
	kvmErr := openKVM(p.Machine.Arch)
	memory, err := newMemory(p, kvmErr)
	if err != nil {
		return Choice{}, err
	}
	if !p.Again {
		if c, ok := memory.recall(); ok {
			return c.allowed(p.RequireKVM)
		}
	}
	c, err := p.search(ctx, kvmErr)
	if err != nil {
		return Choice{}, err
	}
	c.CacheError = memory.keep(c)
	return c, nil
}

// allowed applies RequireKVM to a remembered choice.
func (c Choice) allowed(requireKVM bool) (Choice, error) {
	if requireKVM && c.Accel != KVM {
		return Choice{}, &NoAcceleratorError{RequireKVM: true, Reasons: c.Reasons}
	}
	return c, nil
}

func (p *ProbeOptions) search(ctx context.Context, kvmErr error) (Choice, error) {
	var reasons []Rejected
	trying := ""
	for _, c := range candidates {
		if c.accel != KVM && p.RequireKVM {
			continue
		}
		err := kvmErr
		if err == nil || c.accel != KVM {
			if p.Trying != nil && trying != c.accel {
				trying = c.accel
				p.Trying(trying)
			}
			err = p.try(ctx, c)
		}
		switch {
		case err == nil:
			return Choice{Accel: c.accel, CPU: c.cpu, Reasons: reasons}, nil
		case ctx.Err() != nil:
			return Choice{}, context.Cause(ctx)
		case blameless(err):
			return Choice{}, err
		}
		if !c.variant {
			reasons = append(reasons, Rejected{c.accel, c.cpu, err.Error()})
		}
	}
	return Choice{}, &NoAcceleratorError{RequireKVM: p.RequireKVM, Reasons: reasons}
}

// blameless says that a failure has nothing to do with the accelerator.
func blameless(err error) bool {
	var options *OptionsError
	var missing *MissingError
	var old *TooOldError
	return errors.As(err, &options) || errors.As(err, &missing) || errors.As(err, &old)
}

// try boots one probe.
func (p *ProbeOptions) try(ctx context.Context, c candidate) error {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	o := p.Machine
	o.Accel, o.CPU, o.Console = c.accel, c.cpu, true
	vm, err := Start(ctx, o)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("QEMU did not start within %v", c.limit)
	} else if err != nil {
		return err
	}
	defer vm.Close()
	var console tail
	read := make(chan struct{})
	go func() {
		console.readFrom(vm.Console(), nil)
		close(read)
	}()
	defer context.AfterFunc(ctx, vm.Kill)() // a guest that hangs must not hang Try
	if err = p.Try(ctx, vm); err == nil {
		return nil
	}
	vm.Kill()
	exit := vm.Wait()
	<-read
	var missing *MissingError
	if errors.As(exit, &missing) {
		return missing
	}
	return probeError(ctx, c, err, exit, console.String())
}

// probeError says the most telling thing about a guest that did not work.
func probeError(ctx context.Context, c candidate, err, exit error, console string) error {
	why := fmt.Sprintf("the guest does not work: %v", err)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		why = fmt.Sprintf("the guest did not answer within %v", c.limit)
	} else if exit != nil && !errors.Is(exit, ErrKilled) {
		why = exit.Error()
	}
	if last := lastLines(console, 3); last != "" {
		why += "; its console ended with: " + last
	}
	return errors.New(why)
}

// lastLines gives the last lines of a hostile text, joined.
func lastLines(text string, n int) string {
	lines := strings.FieldsFunc(printable(text), func(r rune) bool { return r == '\n' })
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}

// openKVM says why KVM need not be tried for guests of that architecture.
func openKVM(arch Arch) error {
	if platforms[arch].goarch != runtime.GOARCH {
		return fmt.Errorf("a %s host can not run %s guests with it", runtime.GOARCH, arch)
	}
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no /dev/kvm: virtualization is switched off, or not offered to this machine")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("/dev/kvm can not be opened: permission denied; add your user to its group (usually kvm)")
	}
	return err
}

package runner

import (
	"context"
	"fmt"
	"sync"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/guest/program"
	"github.com/ambient-ci/ambient/images"
	"github.com/ambient-ci/ambient/qemuvm"
)

// machine is what all stages of a run share: QEMU, the accelerator that works
// here, and the guest program. It is found out at the first stage. The zero
// value is ready for use.
type machine struct {
	mu      sync.Mutex
	found   bool
	binary  string
	choice  qemuvm.Choice
	program program.Program
}

// base is the part of a machine that an image decides.
type base struct {
	binary, kernel, initrd, root string
	accel, cpu                   string
	digest                       string // of the guest program
}

// guestRuntime goes from the kernel's arguments into the environment of its init
// program, which hands on nothing of it. Signals that preempt goroutines are of no
// use in the guest program, which waits more than it computes, and their first
// ones cost 3% of a short stage under emulation; nor does it need to ask every
// second how many processors there are.
const guestRuntime = "GODEBUG=asyncpreemptoff=1,updatemaxprocs=0,containermaxprocs=0"

func (b *base) options() qemuvm.Options {
	return qemuvm.Options{
		Binary: b.binary, Arch: qemuvm.HostArch(), Accel: b.accel, CPU: b.cpu,
		Kernel: b.kernel, Initrd: b.initrd, Console: true,
		Append: []string{"ambient.program=" + b.digest, guestRuntime},
	}
}

func imageSpec(img *config.Image) images.Spec {
	if img == nil || !img.Debian {
		return images.Spec{}
	}
	return images.Spec{Debian: true, Suite: img.Suite, Packages: img.Packages, Mirror: img.Mirror}
}

// ready makes what a stage with this image boots from, and finds out once what
// this machine can do.
func (m *machine) ready(ctx context.Context, r *Runner, img *config.Image, progress func(string)) (*base, error) {
	if err := m.find(ctx, r, progress); err != nil {
		return nil, err
	}
	image, err := r.store.Ensure(ctx, imageSpec(img), progress)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", imageName(img), err)
	}
	return m.on(ctx, r, image)
}

// on is the base that boots from an image.
func (m *machine) on(ctx context.Context, r *Runner, image *images.Image) (*base, error) {
	initrd, err := r.store.Initrd(ctx, image, m.program.Data, m.program.Digest)
	if err != nil {
		return nil, err
	}
	return &base{
		binary: m.binary, kernel: image.Kernel, initrd: initrd, root: image.Root,
		accel: m.choice.Accel, cpu: m.choice.CPU,
		digest: m.program.Digest,
	}, nil
}

func imageName(img *config.Image) string {
	if img == nil || img.Name == "" {
		return "built-in"
	}
	return img.Name
}

// find looks for QEMU, builds the built-in image, and boots it to choose the
// accelerator. Errors are not remembered: the next stage tries again.
func (m *machine) find(ctx context.Context, r *Runner, progress func(string)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.found {
		return nil
	}
	var err error
	if m.binary, err = qemuvm.FindBinary(qemuvm.HostArch()); err != nil {
		return err
	}
	if m.program, err = program.Load(ctx, goArch(), r.home.Programs()); err != nil {
		return err
	}
	builtin, err := r.store.Ensure(ctx, images.Spec{}, progress)
	if err != nil {
		return fmt.Errorf("the built-in image: %w", err)
	}
	if m.choice, err = m.probe(ctx, r, builtin, progress); err != nil {
		return err
	}
	m.found = true
	if m.choice.Accel == qemuvm.TCG && r.opts.Note != nil {
		r.opts.Note(emulationNote)
	}
	return nil
}

const emulationNote = "KVM does not work here (ambient doctor says why), so QEMU emulates the processor: slower, and by QEMU's own word no security boundary"

// probe boots the built-in image with each accelerator until one works, or
// remembers what worked since the host booted.
func (m *machine) probe(ctx context.Context, r *Runner, img *images.Image, progress func(string)) (qemuvm.Choice, error) {
	b, err := m.on(ctx, r, img)
	if err != nil {
		return qemuvm.Choice{}, err
	}
	o := b.options()
	o.CPUs, o.Memory, o.Name = 1, 256<<20, "ambient probe"
	o.Disks = []qemuvm.Disk{{Serial: guest.SerialRoot, Path: b.root, ReadOnly: true}}
	o.Ports = []string{guest.PortControl, guest.PortLog}
	return qemuvm.Choose(ctx, qemuvm.ProbeOptions{
		Machine: o, Try: tryGuest, Trying: func(accel string) { progress("finding out whether " + accelNames[accel] + " works here") },
		CacheFile: r.home.AccelFile(), RequireKVM: r.opts.RequireKVM,
	})
}

var accelNames = map[string]string{qemuvm.KVM: "KVM", qemuvm.TCG: "emulation"}

// tryGuest is satisfied once the guest program has booted and answered.
func tryGuest(ctx context.Context, vm *qemuvm.VM) error {
	port := vm.Port(guest.PortControl)
	if deadline, ok := ctx.Deadline(); ok {
		port.SetReadDeadline(deadline)
	}
	if _, err := guest.ReadMessage(port); err != nil {
		return fmt.Errorf("the guest did not come up: %w", err)
	}
	start, err := newStart("probe")
	if err != nil {
		return err
	}
	start.Probe = true
	if err := guest.WriteMessage(port, guest.Message{Start: start}); err != nil {
		return err
	}
	m, err := guest.ReadMessage(port)
	if err == nil && m.Done == nil {
		err = fmt.Errorf("an unexpected answer")
	}
	return err
}

package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/egress"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/templates"
)

// A machine is saved once its guest is Ready, with placeholders for devices: it
// has touched none but the root and the scratch disk, whose file is saved too, and
// knows of some the size and the root that every image has. The first machine of a
// shape is booted to be saved (maketemplate.go) and goes on from there as all later
// ones do, so that making a template costs a fraction of a second, and the first use
// is its test.

// Limits of what templates may cost.
const (
	wakeLimit    = 20 * time.Second // from starting QEMU to Ready; it takes 0.2 s on an idle machine
	leastForSave = 1 << 30          // free bytes of the disk that a template is made on
	// largestEarly is the size, in bytes, that the guest of a template takes every
	// early disk to have. It reads nothing behind the end of the image that it
	// mounts; QEMU answers who does, by hand, with an error.
	largestEarly = 1 << 40
)

// enterAndBoot starts the machine once few enough others start.
func (x *execution) enterAndBoot(ctx context.Context) error {
	var err error
	if x.started, err = x.runner.gate.enter(ctx); err != nil {
		return err
	}
	if err = x.boot(ctx); err != nil {
		x.started()
	}
	return err
}

// boot starts the machine, the fastest way that works.
func (x *execution) boot(ctx context.Context) error {
	x.booting = time.Now()
	o := x.machineOptions()
	why := ""
	if !x.runner.opts.NoTemplates {
		err := x.fast(ctx, o)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		why = ": " + brief(err)
	}
	scratch := x.device(guest.SerialScratch)
	os.Remove(scratch) // of a template
	if err := blockdev.MakeScratch(ctx, scratch, x.job.Stage.Limits.Disk); err != nil {
		return err
	}
	vm, err := qemuvm.Start(ctx, o)
	if err != nil {
		return err
	}
	x.own(vm, fmt.Sprintf("cold boot, %s%s", x.base.accel, why))
	return nil
}

// brief is the first line of an error, for a line of its own.
func brief(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	text, _, _ = strings.Cut(text, "; it was called as:")
	return clip(text)
}

// own makes a machine this stage's.
func (x *execution) own(vm *qemuvm.VM, how string) {
	x.vm, x.how = vm, how
	x.close = append(x.close, func() { vm.Close() })
}

// machineOptions is the machine of the stage.
func (x *execution) machineOptions() qemuvm.Options {
	limits := x.job.Stage.Limits
	o := x.base.options()
	o.CPUs, o.Memory = limits.CPUs, limits.Memory
	o.Disks = x.disks
	o.Ports = []string{guest.PortControl, guest.PortLog, guest.PortAgent}
	o.Name = "ambient " + x.job.Stage.ID.String()
	if networked(x.job.Stage) {
		x.mac = newMAC()
		o.Frames = &qemuvm.FrameNet{MAC: x.mac, MTU: egress.MTU}
	}
	if change := x.runner.machines; change != nil {
		change(&o)
	}
	return o
}

// newMAC is an address of one's own choice (IEEE 802, locally administered),
// with the prefix that QEMU's machines have.
func newMAC() string {
	mac := net.HardwareAddr{0x52, 0x54, 0, 0, 0, 0}
	_, _ = rand.Read(mac[3:]) // it never fails
	return mac.String()
}

// placeholder is what a machine has in place of a run's device when it is
// saved.
func placeholder(serial string) string { return "/" + serial }

// shape is a machine without what is a run's own.
func shape(o qemuvm.Options) qemuvm.Options {
	o.Name = ""
	if o.Frames != nil {
		frames := *o.Frames
		frames.MAC = ""
		o.Frames = &frames
	}
	o.Disks = slices.Clone(o.Disks)
	for i, d := range o.Disks {
		if d.Serial != guest.SerialRoot {
			o.Disks[i].Path = placeholder(d.Serial)
		}
	}
	return o
}

// templateKey tells the shapes of machines apart. QEMU's command line has all
// that it can be told: machine, accelerator, processor, memory, CPUs, devices,
// kernel arguments with the guest program's digest. The files and the size of the
// writable layer follow, and the image without files, whose root the saved kernel
// takes to be that of every image.
func templateKey(o qemuvm.Options, disk int64, empty string) (string, error) {
	o = shape(o)
	fields := qemuvm.CommandLine(o)
	paths := []string{o.Binary, o.Kernel, o.Initrd}
	for _, d := range o.Disks {
		if d.Serial == guest.SerialRoot {
			paths = append(paths, d.Path)
		}
	}
	for _, path := range paths {
		fields = append(fields, path, templates.Identity(path))
	}
	root, err := os.ReadFile(empty)
	if err != nil {
		return "", err
	}
	fields = append(fields, fmt.Sprint(guest.ProtocolVersion), fmt.Sprint(disk), fmt.Sprint(largestEarly), string(root))
	return templates.Key(fields...)
}

// fast starts the machine from a template, and makes that first if need be.
// After an error there is no machine, and none of the run's devices has been
// touched.
func (x *execution) fast(ctx context.Context, o qemuvm.Options) error {
	for _, d := range o.Disks[:guest.EarlyDisks] {
		if info, err := os.Stat(d.Path); err == nil && info.Size() > largestEarly {
			return fmt.Errorf("the disk %s is larger than %s", d.Serial, size(largestEarly))
		}
	}
	empty, err := x.runner.empty()
	if err != nil {
		return err
	}
	key, err := templateKey(o, x.job.Stage.Limits.Disk, empty)
	if err != nil {
		return err
	}
	err = x.restored(ctx, o, key)
	if !errors.Is(err, templates.ErrNone) {
		return err
	}
	if err := x.first(ctx, o, key); err != nil || x.vm != nil {
		return err
	}
	return x.restored(ctx, o, key) // another stage made it meanwhile
}

// restored starts the machine from the template of a key. One that does not
// work is removed.
func (x *execution) restored(ctx context.Context, o qemuvm.Options, key string) error {
	t, err := x.runner.templates.Use(key)
	if err != nil {
		return err
	}
	x.close = append(x.close, t.Close)
	began := time.Now()
	vm, err := x.goOn(ctx, o, t.Files, t.Info.QEMU)
	if err != nil {
		why := "the template did not work"
		if ctx.Err() == nil && t.Remove() {
			why += " and was removed"
		}
		t.Close()
		return fmt.Errorf("%s: %w", why, err)
	}
	x.blame = func() { t.Remove() }
	x.own(vm, fmt.Sprintf("restored in %s, %s", took(began), x.base.accel))
	return nil
}

func took(began time.Time) time.Duration { return time.Since(began).Round(time.Millisecond) }

// goOn starts a machine from a template and sees that its guest is awake.
func (x *execution) goOn(ctx context.Context, o qemuvm.Options, f templates.Files, version string) (*qemuvm.VM, error) {
	if err := blockdev.CopySparse(x.device(guest.SerialScratch), f.Scratch); err != nil {
		return nil, err
	}
	o.Restore = &qemuvm.Template{Memory: f.Memory, State: f.State}
	vm, err := qemuvm.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	err = x.wake(ctx, vm, version)
	if err != nil {
		vm.Kill()
		if end := vm.Wait(); end != nil && !errors.Is(end, qemuvm.ErrKilled) {
			err = end // why the guest did not answer
		}
		vm.Close()
		return nil, err
	}
	return vm, nil
}

func (x *execution) wake(ctx context.Context, vm *qemuvm.VM, version string) error {
	if got := vm.Version().String(); got != version {
		return fmt.Errorf("QEMU %s made it, this is %s", version, got)
	}
	if err := guest.WriteMessage(deadlined{vm.Port(guest.PortControl)}, guest.Message{Wake: &guest.Wake{}}); err != nil {
		return err
	}
	ready, err := awaitReady(ctx, vm, wakeLimit)
	if err != nil {
		return err
	}
	if ready.Program != x.base.digest || ready.Protocol != guest.ProtocolVersion {
		return errors.New("its guest program is another")
	}
	x.ready = ready
	return nil
}

// awaitReady waits for the guest to say that it is ready.
func awaitReady(ctx context.Context, vm *qemuvm.VM, limit time.Duration) (*guest.Ready, error) {
	port := vm.Port(guest.PortControl)
	port.SetReadDeadline(time.Now().Add(limit))
	stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Now()) })
	m, err := guest.ReadMessage(port)
	if !stop() {
		return nil, context.Cause(ctx)
	}
	port.SetReadDeadline(time.Time{})
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the guest ended before it answered")
	case err != nil:
		return nil, fmt.Errorf("the guest did not answer within %s: %w", limit, err)
	case m.Ready == nil:
		return nil, errors.New("the guest said something else than that it is ready")
	}
	return m.Ready, nil
}

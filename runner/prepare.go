package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/inputs"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/stages"
)

// prepare makes everything that the machine needs. What it makes is registered
// for removal first.
func (x *execution) prepare(ctx context.Context) error {
	dir, err := x.runner.newDir()
	if err != nil {
		return err
	}
	x.dir = dir
	os.Remove(filepath.Join(x.job.Dir, ArtifactsFile)) // of an earlier attempt
	x.close = append(x.close, func() { os.RemoveAll(dir) })
	if x.base, err = x.runner.machine.ready(ctx, x.runner, x.job.Stage.Image, x.preparing); err != nil {
		return err
	}
	if x.plan, err = guestPlan(x.job, x.runner.host); err != nil {
		return err
	}
	if err = planSecrets(x.plan, x.job.Stage); err != nil {
		return err
	}
	if err = x.preparePolicy(ctx); err != nil {
		return err
	}
	return x.devices(ctx)
}

func (x *execution) preparing(text string) {
	x.emit(stages.Event{Type: stages.StagePreparing, Text: text})
}

func (x *execution) release() {
	for i := len(x.close) - 1; i >= 0; i-- {
		x.close[i]()
	}
	x.close = nil
}

func (x *execution) device(serial string) string { return filepath.Join(x.dir, serial+".img") }

// devices makes the devices in the order in which the machine gets them, but the
// scratch device, which depends on how the machine starts. The list is the same
// for every stage.
func (x *execution) devices(ctx context.Context) error {
	src, err := x.runner.source(ctx, x.job.Project)
	if err != nil {
		return err
	}
	siblings, err := x.runner.siblings(ctx, x.job.Project)
	if err != nil {
		return err
	}
	deps, err := x.union(ctx, guest.SerialDeps, append(x.job.Deps[:len(x.job.Deps):len(x.job.Deps)], x.job.Union...))
	if err != nil {
		return err
	}
	artifacts, err := x.artifacts(ctx)
	if err != nil {
		return err
	}
	limits := x.job.Stage.Limits
	var total int64
	paths := map[string]string{}
	for serial, image := range map[string]*inputs.Image{
		guest.SerialSource: src, guest.SerialSources: siblings, guest.SerialDeps: deps, guest.SerialInputs: artifacts,
	} {
		if image != nil {
			paths[serial] = image.Path
			total += image.Size
			continue
		}
		if paths[serial], err = x.runner.empty(); err != nil {
			return err
		}
		x.leave(serial)
	}
	if total > limits.Disk {
		return &blockdev.TooLargeError{What: "what the stage reads", Limit: limits.Disk, Size: total}
	}
	cache := x.cacheIn()
	if !delivers(x.job.Stage) {
		x.leave(guest.SerialSecrets)
	}
	if cache == x.device(guest.SerialCache) {
		x.leave(guest.SerialCache)
	}
	exec, err := x.exec(ctx)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return blockdev.Empty(x.device(guest.SerialSecrets)) },
		func() error { return blockdev.CreateSparse(x.device(guest.SerialArtifacts), x.outputSize()) },
		func() error { return blockdev.CreateSparse(x.device(guest.SerialCacheOut), deviceSize(limits.Cache)) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	paths[guest.SerialRoot], paths[guest.SerialExec], paths[guest.SerialCache] = x.base.root, exec.Path, cache
	x.disks = nil
	for _, serial := range guest.Disks {
		d := qemuvm.Disk{Serial: serial, Path: paths[serial], ReadOnly: !writable[serial]}
		if d.Path == "" {
			d.Path = x.device(serial)
		}
		x.disks = append(x.disks, d)
	}
	return nil
}

// writable are the disks that a guest writes.
var writable = map[string]bool{guest.SerialScratch: true, guest.SerialCacheOut: true, guest.SerialArtifacts: true}

// leave tells the guest not to look at an empty device: each costs time.
func (x *execution) leave(serial string) {
	for i := range x.plan.Inputs {
		if x.plan.Inputs[i].Serial == serial {
			x.plan.Inputs[i].Serial = ""
		}
	}
}

// outputSize is the size of the device for artifacts, or for the deps of a pre
// stage: the guest packs one or the other.
func (x *execution) outputSize() int64 {
	for _, o := range x.plan.Outputs {
		if o.Serial == guest.SerialArtifacts {
			return deviceSize(o.Limit)
		}
	}
	return blockdev.MinSize
}

// deviceSize is a device that holds a limit of bytes, in whole sectors.
func deviceSize(limit int64) int64 {
	const sector = 512
	return max((limit+sector-1)/sector*sector, blockdev.MinSize)
}

// union is one image of several archives, at their own paths, nil for none.
func (x *execution) union(ctx context.Context, serial string, data []stages.Data) (*inputs.Image, error) {
	parts := make([]inputs.Part, len(data))
	for i, d := range data {
		parts[i] = part(d, "")
	}
	return x.merge(ctx, serial, parts)
}

// artifacts is one image of the artifacts of other stages, each below its name.
func (x *execution) artifacts(ctx context.Context) (*inputs.Image, error) {
	parts := make([]inputs.Part, len(x.job.Inputs))
	for i, d := range x.job.Inputs {
		parts[i] = part(d, inputPrefix(d.From))
	}
	return x.merge(ctx, guest.SerialInputs, parts)
}

func part(d stages.Data, prefix string) inputs.Part {
	return inputs.Part{Part: blockdev.Part{Name: d.From.String(), Prefix: prefix, Path: d.Path}, Digest: d.Digest}
}

func (x *execution) merge(ctx context.Context, serial string, parts []inputs.Part) (*inputs.Image, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	image, err := x.runner.inputs.Union(ctx, parts, x.job.Stage.Limits.Disk)
	if err != nil {
		return nil, fmt.Errorf("its %s: %w", serial, err)
	}
	x.close = append(x.close, func() { image.Close() })
	return image, nil
}

// maxStartPlan is the size in bytes up to which a plan goes into a message.
const maxStartPlan = 64 << 10

// exec packs the runnable plan and what goes with it, or keeps a small plan for
// the first message.
func (x *execution) exec(ctx context.Context) (blockdev.Archive, error) {
	var ca []byte
	if x.plan.Trust {
		var err error
		if ca, err = authorities(hostCA(), x.job.Stage.Trust); err != nil {
			return blockdev.Archive{}, err
		}
		if ca = x.trusted(ca); len(ca) == 0 {
			x.plan.Trust = false
			x.warn("this host trusts no certificate authority, so the stage can not either: install the package ca-certificates")
		}
	}
	content, err := execFiles(x.plan, ca)
	if err != nil {
		return blockdev.Archive{}, err
	}
	if data := content[guest.PlanFile]; len(content) == 1 && len(data) <= maxStartPlan {
		x.startPlan = data
		path := x.device(guest.SerialExec)
		return blockdev.Archive{Path: path}, blockdev.Empty(path)
	}
	var files []blockdev.File
	for name, data := range content {
		files = append(files, blockdev.File{Name: name, Mode: 0o600, Data: data})
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Name < files[j].Name })
	return blockdev.PackFiles(ctx, x.device(guest.SerialExec), files)
}

package runner

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/templates"
)

// first makes the template of a key, and starts the machine from it. It leaves
// no machine and no error when another stage or process has made it.
func (x *execution) first(ctx context.Context, o qemuvm.Options, key string) error {
	store := x.runner.templates
	limited, cancel := context.WithTimeoutCause(ctx, bootLimit, fmt.Errorf("no template within %s", bootLimit))
	defer cancel()
	tried := false
	err := store.Make(limited, key, func(f templates.Files) (string, error) {
		if err := enoughFor(f.Memory); err != nil {
			return "", err
		}
		tried = true
		return x.make(limited, o, f)
	})
	if err != nil && x.vm != nil { // it works but could not be published
		x.how += "; the template was not kept: " + brief(err)
		err = nil
	}
	if err != nil && ctx.Err() == nil && tried {
		store.Refuse(key, brief(err))
	}
	if err != nil {
		return fmt.Errorf("no template could be made: %w", err)
	}
	if x.vm != nil {
		x.blames(key)
	}
	store.Evict(templates.DefaultLimit)
	return nil
}

// blames claims the template that was made for this machine, so that it can be
// removed should the machine not get anywhere.
func (x *execution) blames(key string) {
	t, err := x.runner.templates.Use(key)
	if err != nil {
		return // it is gone already
	}
	x.close = append(x.close, t.Close)
	x.blame = func() { t.Remove() }
}

func enoughFor(memory string) error {
	free, err := blockdev.FreeSpace(filepath.Dir(memory))
	if err == nil && free < leastForSave {
		err = fmt.Errorf("%s are free on the disk for templates, less than %s", size(free), size(leastForSave))
	}
	return err
}

// make boots a machine with placeholders, saves it and starts the stage's own
// machine from it. It gives QEMU's version.
func (x *execution) make(ctx context.Context, o qemuvm.Options, f templates.Files) (string, error) {
	began := time.Now()
	memory, err := memoryFile(o.Memory)
	if err != nil {
		return "", err
	}
	defer memory.Close()
	image, err := x.earlyPlaceholder()
	if err != nil {
		return "", err
	}
	defer image.Close()
	blank := shape(o)
	blank.Name, blank.MemoryFile = o.Name, fdPath(memory)
	if err := blockdev.MakeScratch(ctx, f.Scratch, x.job.Stage.Limits.Disk); err != nil {
		return "", err
	}
	for i, d := range blank.Disks {
		switch d.Serial {
		case guest.SerialRoot:
			continue
		case guest.SerialScratch:
			blank.Disks[i].Path = f.Scratch
			continue
		}
		if i < guest.EarlyDisks { // all are read-only
			blank.Disks[i].Path = fdPath(image)
			continue
		}
		blank.Disks[i].Path = x.device("template-" + d.Serial)
		if err := blockdev.Empty(blank.Disks[i].Path); err != nil {
			return "", err
		}
	}
	version, err := saveReady(ctx, blank, f.State)
	if err == nil {
		err = blockdev.CopySparse(f.Memory, blank.MemoryFile)
	}
	memory.Close() // it is as large as what the machine has used
	if err != nil {
		return "", err
	}
	booted := took(began)
	vm, err := x.goOn(ctx, o, f, version)
	if err != nil {
		return "", err
	}
	x.own(vm, fmt.Sprintf("booted in %s and kept as a template, %s", booted, x.base.accel))
	return version, nil
}

// memoryFile is where a machine has its memory while it boots. A page of a file on
// a disk takes the host several times as long to make: a boot touches 30,000.
func memoryFile(size int64) (*os.File, error) { return memfd("template", nil, size>>20<<20) }

// memfd makes a file that is in memory alone (memfd_create(2)): it begins with data
// and has zeros up to a size, in bytes.
func memfd(name string, data []byte, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err = f.Write(data); err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// fdPath is a path by which programs of the same user open a file of this process
// (proc(5)).
func fdPath(f *os.File) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()) }

// earlyPlaceholder is an image without files on a disk that is larger than any of a
// run. It is in memory: nobody meets it who reads all files of a disk, and a file
// system need not be able to hold it.
func (x *execution) earlyPlaceholder() (*os.File, error) {
	empty, err := x.runner.empty()
	if err != nil {
		return nil, err
	}
	image, err := os.ReadFile(empty)
	if err != nil {
		return nil, err
	}
	return memfd("placeholder", image, largestEarly)
}

// saveReady boots a machine and saves it when its guest is ready.
func saveReady(ctx context.Context, o qemuvm.Options, state string) (string, error) {
	vm, err := qemuvm.Start(ctx, o)
	if err != nil {
		return "", err
	}
	defer vm.Close()
	go io.Copy(io.Discard, vm.Console())
	ready, err := awaitReady(ctx, vm, bootLimit)
	if err != nil {
		return "", err
	}
	for serial, why := range ready.Unmounted { // all machines from this one would be without
		return "", fmt.Errorf("the disk %s was not mounted: %s", serial, why)
	}
	return vm.Version().String(), vm.Save(ctx, state)
}

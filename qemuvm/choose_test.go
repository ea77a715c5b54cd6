package qemuvm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// probeMachine boots the tests' guest.
func probeMachine(t *testing.T, hang bool) Options {
	t.Helper()
	o := realMachine(t)
	path := filepath.Join(t.TempDir(), "disk")
	if err := bootDisk(path, 0, hang); err != nil {
		t.Fatal(err)
	}
	o.Accel, o.Disks = "", []Disk{{Serial: "boot", Path: path, ReadOnly: true}}
	return o
}

// resets judges a guest by whether it resets its machine.
func resets(ctx context.Context, vm *VM) error {
	select {
	case <-vm.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	if s, _ := vm.Shutdown(); s.Reason != ReasonReset {
		return fmt.Errorf("it ended by %q", s.Reason)
	}
	return nil
}

// Something works, whatever this host is like; it is remembered, and a damaged
// memory is forgotten.
func TestChoose(t *testing.T) {
	t.Parallel()
	tries := 0
	p := ProbeOptions{
		Machine:   probeMachine(t, false),
		CacheFile: filepath.Join(t.TempDir(), "state", "accel.json"),
		Try: func(ctx context.Context, vm *VM) error {
			tries++
			return resets(ctx, vm)
		},
	}
	first, err := Choose(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if first.Remembered || first.CacheError != nil || tries == 0 || first.Accel != candidates[len(first.Reasons)].accel {
		t.Errorf("got %+v after %d tries", first, tries)
	}
	damages := []struct {
		do   func()
		want bool // remembered
	}{
		{func() {}, true},
		{func() { p.Again = true }, false},
		{func() { p.Again = false }, true},
		{func() { damage(t, p.CacheFile, "") }, false},
		{func() { damage(t, p.CacheFile, "{") }, false},
		{func() { damage(t, p.CacheFile, strings.Repeat(" ", maxMemory)+"{}") }, false},
	}
	p.Try = func(context.Context, *VM) error { tries++; return nil }
	for i, d := range damages {
		d.do()
		before := tries
		c, err := Choose(t.Context(), p)
		if err != nil || c.Remembered != d.want || (tries == before) != d.want {
			t.Errorf("%d: got %+v, %v after %d tries", i, c, err, tries-before)
		}
	}
	if !recalls(t, p) {
		t.Error("nothing is remembered")
	}
	if p.Machine.Kernel = "/dev/null"; recalls(t, p) {
		t.Error("another kernel is remembered")
	}
	p.Machine.Kernel = ""
	if p.Machine.Binary = "/bin/sh"; recalls(t, p) {
		t.Error("another QEMU is remembered")
	}
}

func recalls(t *testing.T, p ProbeOptions) bool {
	t.Helper()
	m, err := newMemory(p, openKVM(p.Machine.Arch))
	if err != nil {
		t.Fatal(err)
	}
	_, ok := m.recall()
	return ok
}

func damage(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Processes that choose at once leave one whole memory and nothing else.
func TestChooseAtOnce(t *testing.T) {
	t.Parallel()
	m := &memory{file: filepath.Join(t.TempDir(), "accel.json"), key: "k"}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				if err := m.keep(Choice{Accel: TCG, CPU: tcgCPU}); err != nil {
					t.Error(err)
				}
				if c, ok := m.recall(); !ok || c.Accel != TCG {
					t.Errorf("got %+v", c)
				}
			}
		})
	}
	group.Wait()
	if entries, _ := os.ReadDir(filepath.Dir(m.file)); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	blocked := &memory{file: "/dev/null/accel.json"}
	if blocked.keep(Choice{}) == nil {
		t.Error("a memory that can not be kept is silent")
	}
}

func TestChooseNothing(t *testing.T) {
	t.Parallel()
	p := ProbeOptions{Machine: probeMachine(t, true), Try: func(context.Context, *VM) error { return errors.New("no answer") }}
	var none *NoAcceleratorError
	if _, err := Choose(t.Context(), p); !errors.As(err, &none) || len(none.Reasons) != 3 { // variants of one CPU count once
		t.Fatalf("got %v", err)
	}
	if last := none.Reasons[2]; last.Accel != TCG || !strings.Contains(last.Why, "the guest does not work: no answer") {
		t.Errorf("got %+v", last)
	}
	p.RequireKVM = true
	if _, err := Choose(t.Context(), p); !errors.As(err, &none) || len(none.Reasons) != 2 || !strings.Contains(err.Error(), "KVM is required") {
		t.Errorf("with RequireKVM: %v", err)
	}
}

// What is no accelerator's fault is told as it is.
func TestChooseBlameless(t *testing.T) {
	t.Parallel()
	ready := func(context.Context, *VM) error { return nil }
	var missing *MissingError
	if _, err := Choose(t.Context(), ProbeOptions{Machine: withBinary("/nonexistent"), Try: ready}); !errors.As(err, &missing) {
		t.Errorf("missing: %v", err)
	}
	var old *TooOldError
	if _, err := Choose(t.Context(), ProbeOptions{Machine: withBinary(script("old")), Try: ready}); !errors.As(err, &old) {
		t.Errorf("old: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupt := errors.New("interrupt")
	_, err := Choose(ctx, ProbeOptions{Machine: fakeMachine("waits"), Try: func(ctx context.Context, vm *VM) error {
		cancel(interrupt)
		return vm.Wait() // deaf to ctx, but not to the machine's end
	}})
	if !errors.Is(err, interrupt) {
		t.Errorf("cancelled: %v", err)
	}
}

// A guest that hangs is given up in time, and what it said last is told.
func TestTryHangs(t *testing.T) {
	t.Parallel()
	p := ProbeOptions{Machine: probeMachine(t, true), Try: resets}
	err := p.try(t.Context(), candidate{TCG, tcgCPU, 2 * time.Second, true})
	for _, text := range []string{"did not answer within 2s", "guest: here"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in: %v", text, err)
		}
	}
	p.Machine = fakeMachine("silent")
	err = p.try(t.Context(), candidate{TCG, tcgCPU, 50 * time.Millisecond, true})
	if err == nil || !strings.Contains(err.Error(), "QEMU did not start within 50ms") {
		t.Errorf("a silent QEMU: %v", err)
	}
	p.Machine = fakeMachine("fails")
	err = p.try(t.Context(), candidate{TCG, tcgCPU, 10 * time.Second, true})
	if err == nil || !strings.Contains(err.Error(), "status 4; it said: some device broke") {
		t.Errorf("a QEMU that breaks: %v", err)
	}
}

func TestRecordValid(t *testing.T) {
	now := time.Now()
	good := record{Format: memoryFormat, Key: "k", Time: now.Add(-time.Hour), Accel: TCG, CPU: tcgCPU}
	tests := []struct {
		name   string
		change func(*record)
		want   bool
	}{
		{"good", func(*record) {}, true},
		{"other format", func(r *record) { r.Format++ }, false},
		{"other key", func(r *record) { r.Key = "l" }, false},
		{"from the future", func(r *record) { r.Time = now.Add(time.Hour) }, false},
		{"old emulation", func(r *record) { r.Time = now.Add(-25 * time.Hour) }, false},
		{"old KVM", func(r *record) { r.Time, r.Accel, r.CPU = now.Add(-999*time.Hour), KVM, "host" }, true},
		{"unknown accelerator", func(r *record) { r.Accel = "xen" }, false},
		{"unknown CPU", func(r *record) { r.CPU = "max,-smap" }, false},
	}
	for _, tt := range tests {
		r := good
		tt.change(&r)
		if got := r.valid("k", now); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
	emulated := Choice{Accel: TCG, Reasons: []Rejected{{KVM, "host", "no"}}}
	var none *NoAcceleratorError
	if _, err := emulated.allowed(true); !errors.As(err, &none) || len(none.Reasons) != 1 {
		t.Errorf("emulation although KVM is required: %v", err)
	}
	if c, err := emulated.allowed(false); err != nil || c.Accel != TCG {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestForeignArch(t *testing.T) {
	foreign := AArch64
	if HostArch() == AArch64 {
		foreign = X86_64
	}
	if err := openKVM(foreign); err == nil || !strings.Contains(err.Error(), "can not run "+string(foreign)) {
		t.Errorf("got %v", err)
	}
}

// Whatever the file holds, a choice that comes out of it is one that may be
// made.
func FuzzRecall(f *testing.F) {
	whole, err := json.Marshal(record{Format: memoryFormat, Key: "k", Time: time.Unix(1, 0), Accel: KVM, CPU: "host"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"format":1,"key":"k","accel":"tcg","cpu":"max,foo"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := memory{file: filepath.Join(t.TempDir(), "f"), key: "k"}
		if err := os.WriteFile(m.file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, ok := m.recall()
		if ok && !slices.ContainsFunc(candidates, func(k candidate) bool { return k.accel == c.Accel && k.cpu == c.CPU }) {
			t.Errorf("%q gives %+v", data, c)
		}
	})
}

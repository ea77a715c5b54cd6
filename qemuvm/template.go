package qemuvm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// TemplateError says that QEMU did not save a machine, or did not go on from one.
type TemplateError struct {
	What string // "saved", "restored"
	Err  error
}

// Error says what was refused and why.
func (e *TemplateError) Error() string {
	return fmt.Sprintf("the machine can not be %s: %v", e.What, e.Err)
}

// Unwrap gives the reason.
func (e *TemplateError) Unwrap() error { return e.Err }

// Time limits of what a template takes: the state of the devices is half a MiB,
// and memory is not copied.
const (
	saveLimit    = 60 * time.Second
	restoreLimit = 30 * time.Second
)

// fdName is how QEMU knows the file of the state.
const fdName = "state"

// migrationFiles is the first QEMU that reads and writes files by their name;
// later ones may cease to do so by descriptor.
var migrationFiles = Version{8, 2, 0}

// checkMemory makes sure that the file of a template's memory is whole: QEMU
// would make one that is missing.
func (o *Options) checkMemory() error {
	if o.Restore == nil {
		return nil
	}
	st, err := os.Stat(o.Restore.Memory)
	if want := o.Memory >> 20 << 20; err == nil && (st.Size() != want || !st.Mode().IsRegular()) {
		err = fmt.Errorf("its memory has %d bytes, want %d", st.Size(), want)
	}
	if err != nil {
		return &TemplateError{"restored", err}
	}
	return nil
}

// withMigration keeps memory that is a shared file out of the state, and has QEMU
// tell how far it is. To ask it costs more: it reads commands byte by byte, at some
// 25 microseconds of processor time each.
var withMigration = map[string]any{"capabilities": []any{
	map[string]any{"capability": "x-ignore-shared", "state": true},
	map[string]any{"capability": "events", "state": true},
}}

// Save stops the guest for good, writes the state of its devices to a new file
// at path, and ends QEMU. Together with Options.MemoryFile, which must have been
// set, that file is a Template. The machine is over, whether Save succeeds or
// fails; Close it. Its error is a *TemplateError or ctx's.
func (v *VM) Save(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, saveLimit, fmt.Errorf("it took longer than %v", saveLimit))
	defer cancel()
	err := v.save(ctx, path)
	if err != nil {
		v.Kill()
		<-v.Done()
		return &TemplateError{"saved", err}
	}
	return nil
}

func (v *VM) save(ctx context.Context, path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, command := range []struct {
		name string
		args any
	}{{"stop", nil}, {"migrate-set-capabilities", withMigration}} {
		if err := v.qmp.Execute(ctx, command.name, command.args, nil); err != nil {
			return err
		}
	}
	if err := v.migrate(ctx, "migrate", path, file); err != nil {
		return err
	}
	if err := v.migrated(ctx); err != nil {
		return err
	}
	if err := v.qmp.Execute(ctx, "quit", nil, nil); err != nil && !errors.Is(err, ErrQMPEnded) {
		return err
	}
	select {
	case <-v.Done():
		return v.Wait()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// migrate runs a command that writes or reads the state.
func (v *VM) migrate(ctx context.Context, command, path string, file *os.File) error {
	uri := "file:" + path
	if v.version.Less(migrationFiles) || strings.Contains(path, ",") { // ",offset=" may follow a name
		if err := v.qmp.executeWith(ctx, file, "getfd", map[string]any{"fdname": fdName}, nil); err != nil {
			return err
		}
		uri = "fd:" + fdName
	}
	return v.qmp.Execute(ctx, command, map[string]any{"uri": uri}, nil)
}

// migrated waits until the state is written or read.
func (v *VM) migrated(ctx context.Context) error {
	state, err := v.qmp.migration(ctx)
	if err != nil || state == "completed" {
		return err
	}
	var got struct {
		Reason string `json:"error-desc"`
	}
	if err := v.qmp.Execute(ctx, "query-migrate", nil, &got); err != nil {
		return err // it ends when it can not read a state, and has said why elsewhere
	}
	return fmt.Errorf("QEMU says %s: %s", printable(state), printable(got.Reason))
}

// restore makes QEMU read the template and lets the guest go on. The guest was
// stopped when it was saved, and would stay so.
func (v *VM) restore(ctx context.Context, o *Options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, restoreLimit, fmt.Errorf("it took longer than %v", restoreLimit))
	defer cancel()
	file, err := os.Open(o.Restore.State)
	if err != nil {
		return &TemplateError{"restored", err}
	}
	defer file.Close()
	if err = v.qmp.Execute(ctx, "migrate-set-capabilities", withMigration, nil); err == nil {
		err = v.migrate(ctx, "migrate-incoming", o.Restore.State, file)
	}
	if err == nil {
		err = v.migrated(ctx)
	}
	if err == nil {
		err = v.qmp.Execute(ctx, "cont", nil, nil)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrQMPEnded) { // it says why on standard error
		wait(v.proc.done, exitLimit)
		if reason := printable(v.proc.stderr.String()); reason != "" {
			err = fmt.Errorf("QEMU says: %s", reason)
		}
	}
	return &TemplateError{"restored", err}
}

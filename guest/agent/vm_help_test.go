//go:build vm

package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/guest/program"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/images"
	"github.com/ambient-ci/ambient/qemuvm"
)

// machines is what every test boots from, made once.
var machines = sync.OnceValues(func() (qemuvm.Options, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return qemuvm.Options{}, err
	}
	return prepare(home.At(filepath.Join(cache, "ambient-test")))
})

func prepare(h *home.Home) (o qemuvm.Options, err error) {
	ctx := context.Background()
	if o.Binary, err = qemuvm.FindBinary(qemuvm.HostArch()); err != nil {
		return o, err
	}
	p, err := program.Load(ctx, runtime.GOARCH, h.Programs())
	if err != nil {
		return o, err
	}
	store := images.Open(h)
	img, err := store.Ensure(ctx, images.Spec{}, func(string) {})
	if err != nil {
		return o, err
	}
	if o.Initrd, err = store.Initrd(ctx, img, p.Data, p.Digest); err != nil {
		return o, err
	}
	o.Arch, o.CPUs, o.Memory, o.Kernel, o.Console = qemuvm.HostArch(), 1, 256<<20, img.Kernel, true
	o.Append = []string{guest.ProgramParameter + "=" + p.Digest}
	o.Ports = []string{guest.PortControl, guest.PortLog}
	o.Disks = []qemuvm.Disk{{Serial: guest.SerialRoot, Path: img.Root, ReadOnly: true}}
	probe := o
	probe.Name = "ambient guest probe"
	c, err := qemuvm.Choose(ctx, qemuvm.ProbeOptions{Machine: probe, CacheFile: h.AccelFile(),
		Try: func(ctx context.Context, vm *qemuvm.VM) error {
			stop := context.AfterFunc(ctx, vm.Kill)
			defer stop()
			_, err := guest.ReadMessage(vm.Port(guest.PortControl))
			return err
		}})
	o.Accel, o.CPU = c.Accel, c.CPU
	return o, err
}

// stage is a machine that runs a plan, and what it said.
type stage struct {
	t       *testing.T
	dir     string
	vm      *qemuvm.VM
	console bytes.Buffer
	ended   sync.WaitGroup // readers of console and log
	slow    time.Duration  // pause between two log frames
	log     bytes.Buffer   // output of actions and of the program itself
}

// option changes a machine before it starts.
type option func(*qemuvm.Options, *guest.Plan)

func networked(o *qemuvm.Options, p *guest.Plan) {
	o.Network = &qemuvm.UserNet{}
	p.Network = &guest.Network{Address: "10.0.2.15/24", Gateway: "10.0.2.2", DNS: []string{"10.0.2.3"}}
}

func without(serial string) option {
	return func(o *qemuvm.Options, _ *guest.Plan) {
		kept := o.Disks[:0:0]
		for _, d := range o.Disks {
			if d.Serial != serial {
				kept = append(kept, d)
			}
		}
		o.Disks = kept
	}
}

// boot starts a machine for a plan with 200 MiB of disk, whose artifacts are
// its only output, and lets it work.
func boot(t *testing.T, plan guest.Plan, files []blockdev.File, options ...option) *stage {
	t.Helper()
	o, err := machines()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, dir: t.TempDir()}
	plan.Version, plan.MemoryReserve = guest.ProtocolVersion, 32<<20
	plan.Outputs = []guest.Output{{Name: "artifacts", Dir: guest.DirArtifacts, Serial: guest.SerialArtifacts, Limit: 1 << 20}}
	plan.Inputs = append(plan.Inputs, guest.Input{Serial: guest.SerialSource, Dir: guest.DirSource})
	o.Name = t.Name()
	o.Disks = append(o.Disks[:1:1], s.disk(guest.SerialScratch, false), s.disk(guest.SerialExec, true),
		s.disk(guest.SerialSource, true), s.disk(guest.SerialCache, true), s.disk(guest.SerialArtifacts, false))
	for _, change := range options {
		change(&o, &plan)
	}
	s.fill(&plan, files)
	if s.vm, err = qemuvm.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.vm.Close() })
	s.ended.Go(func() { io.Copy(&s.console, s.vm.Console()) })
	if m := s.message(); m.Ready == nil || m.Ready.Protocol != guest.ProtocolVersion || "ambient.program="+m.Ready.Program != o.Append[0] {
		t.Fatalf("not ready: %+v", m)
	}
	s.say(guest.Message{Start: &guest.Start{Time: time.Now(), Entropy: make([]byte, 256), Hostname: "greet", MachineID: strings.Repeat("ab", 16)}})
	return s
}

func (s *stage) disk(serial string, readOnly bool) qemuvm.Disk {
	return qemuvm.Disk{Serial: serial, Path: filepath.Join(s.dir, serial), ReadOnly: readOnly}
}

// fill makes the files of the devices.
func (s *stage) fill(plan *guest.Plan, files []blockdev.File) {
	s.t.Helper()
	ctx := s.t.Context()
	text, err := json.Marshal(plan)
	if err != nil {
		s.t.Fatal(err)
	}
	exec := append(files, blockdev.File{Name: guest.PlanFile, Data: text})
	source := []blockdev.File{{Name: "hello", Mode: 0o755, Data: []byte("#!/bin/sh\necho hello from the source\n")}}
	_, err1 := blockdev.PackFiles(ctx, filepath.Join(s.dir, guest.SerialExec), exec)
	_, err2 := blockdev.PackFiles(ctx, filepath.Join(s.dir, guest.SerialSource), source)
	err3 := os.WriteFile(filepath.Join(s.dir, guest.SerialCache), bytes.Repeat([]byte("damage! "), 512), 0o600)
	err4 := blockdev.CreateSparse(filepath.Join(s.dir, guest.SerialArtifacts), 2<<20)
	err5 := blockdev.MakeScratch(ctx, filepath.Join(s.dir, guest.SerialScratch), 200<<20)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *stage) message() guest.Message {
	s.t.Helper()
	port := s.vm.Port(guest.PortControl)
	port.SetReadDeadline(time.Now().Add(3 * time.Minute))
	m, err := guest.ReadMessage(port)
	if err != nil {
		s.vm.Close()
		s.ended.Wait()
		s.t.Fatalf("%v\nlog: %s\nconsole: %s", err, s.log.String(), s.console.String())
	}
	return m
}

func (s *stage) say(m guest.Message) {
	s.t.Helper()
	if err := guest.WriteMessage(s.vm.Port(guest.PortControl), m); err != nil {
		s.t.Fatal(err)
	}
}

// readLog keeps what arrives on the log port.
func (s *stage) readLog() {
	for {
		f, err := guest.ReadLogFrame(s.vm.Port(guest.PortLog))
		if err != nil {
			return
		}
		s.log.Write(f.Data)
		if s.slow > 0 {
			time.Sleep(s.slow)
		}
	}
}

// outcome is how a stage ended.
type outcome struct {
	actions  []guest.Finished
	warnings []string
	done     guest.Done
}

// finish follows a stage to its last message and to the machine's end, which
// must come by itself.
func (s *stage) finish() outcome {
	s.t.Helper()
	s.ended.Go(s.readLog)
	var o outcome
	for {
		m := s.message()
		switch {
		case m.Finished != nil:
			o.actions = append(o.actions, *m.Finished)
		case m.Warning != nil:
			o.warnings = append(o.warnings, m.Warning.Text)
		case m.Done != nil:
			o.done = *m.Done
			s.end()
			return o
		}
	}
}

// end waits for the machine to power off.
func (s *stage) end() {
	s.t.Helper()
	select {
	case <-s.vm.Done():
	case <-time.After(3 * time.Minute):
		s.t.Error("the machine does not power off")
		s.vm.Kill()
	}
	if err := s.vm.Wait(); err != nil {
		s.t.Errorf("QEMU ended with %v", err)
	}
	s.ended.Wait()
	if s.t.Failed() || testing.Verbose() {
		s.t.Logf("log: %.4000s\nconsole: %s", s.log.String(), s.console.String())
	}
}

// artifacts returns the names in the artifacts.
func (s *stage) artifacts() string {
	s.t.Helper()
	dest := filepath.Join(s.dir, "out")
	limits := blockdev.Limits{Bytes: 1 << 20}
	if _, _, err := blockdev.ReadOutput(s.t.Context(), filepath.Join(s.dir, guest.SerialArtifacts), dest, limits); err != nil {
		s.t.Fatal(err)
	}
	into := s.t.TempDir()
	if _, err := blockdev.Extract(s.t.Context(), dest, into, blockdev.ExtractOptions{}); err != nil {
		s.t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(into, "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	return strings.Join(names, " ")
}

//go:build vm

package runner

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/stages"
	"github.com/ambient-ci/ambient/stages/runnertest"
	"github.com/ambient-ci/ambient/templates"
)

// ownTemplates is a runner that shares all but its templates with other tests.
func ownTemplates(t *testing.T, noTemplates bool) *Runner {
	t.Helper()
	shared, own := testHome(t), t.TempDir()
	for _, path := range []string{shared.Images(), shared.Programs()} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(own, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(shared.AccelFile())
	if err == nil {
		err = os.WriteFile(filepath.Join(own, filepath.Base(shared.AccelFile())), data, 0o600)
	}
	if err != nil {
		t.Log(err) // it will be found out again
	}
	r, err := New(Options{Home: home.At(own), NoTemplates: noTemplates})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// how gives how the machine was started.
func (r *recorder) how() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Type == stages.StageStarted {
			return e.Text
		}
	}
	return "not at all"
}

// startedAs runs a stage that must succeed with a machine that was started so.
func startedAs(t *testing.T, r *Runner, job *stages.Job, how string) string {
	t.Helper()
	got, rec := runJob(t, r, job)
	if got.Outcome != stages.Succeeded || !strings.Contains(rec.how(), how) {
		t.Fatalf("%s, want %s: %+v\n%s", rec.how(), how, got, rec.log())
	}
	return rec.log()
}

// The suite passes with machines that boot, as it does with restored ones.
func TestVMSuiteBooted(t *testing.T) {
	r := ownTemplates(t, true)
	runnertest.Suite(t, runnertest.Harness{
		New:     func(t *testing.T) stages.Runner { return r },
		Unknown: &config.Image{Name: "unknown", Debian: true, Suite: "no-such-suite"},
		Boot:    30 * time.Second,
	})
	if kept := r.templates.List(); len(kept) > 0 {
		t.Errorf("templates: %v", kept)
	}
}

// Fifty machines from one template have nothing alike that ought to be random,
// and know the time.
func TestVMTemplateFreshness(t *testing.T) {
	for _, c := range []struct {
		name     string
		phase    config.Phase
		image    *config.Image
		cpus     int
		machines int
		script   string
		lines    int // of a machine
	}{
		{"plan", config.Plan, nil, 1, 50, randomness, 11},
		{"network, 2 CPUs", config.Pre, nil, 2, 5, randomness + hwrng, 13},
		{"Debian", config.Plan, &config.Image{Name: "python", Debian: true, Suite: "bookworm", Packages: []string{"python3", "uuid-runtime"}},
			1, 12, randomness + pythonRandom, 18},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := ownTemplates(t, false)
			job := testJob(t, config.DefaultLimits(), c.script)
			job.Stage.ID.Phase, job.Stage.Limits.CPUs, job.Stage.Image = c.phase, c.cpus, c.image
			if c.phase == config.Pre {
				job.Stage.Network = config.NetworkOpen
			}
			buildRandom(t, job.Project.Source.Address)
			logs := []string{startedAs(t, r, job, "kept as a template")}
			var mu sync.Mutex
			var group sync.WaitGroup
			slots := make(chan bool, 4)
			for range c.machines - 1 {
				one := *job
				one.Dir = t.TempDir()
				group.Go(func() {
					slots <- true
					defer func() { <-slots }()
					rec := &recorder{}
					x, err := r.Start(t.Context(), &one, rec)
					if err != nil {
						t.Error(err)
						return
					}
					defer x.Close()
					if got := x.Wait(); got.Outcome != stages.Succeeded || !strings.Contains(rec.how(), "restored") {
						t.Errorf("%s: %+v", rec.how(), got)
					}
					mu.Lock()
					logs = append(logs, rec.log())
					mu.Unlock()
				})
			}
			group.Wait()
			noneAlike(t, logs, c.lines)
		})
	}
}

var clock = regexp.MustCompile(`^\d{10}$`)

// noneAlike fails the test when two logs have a line in common, or one has not
// that many, or another time than ours.
func noneAlike(t *testing.T, logs []string, lines int) {
	t.Helper()
	seen := map[string]bool{}
	for _, log := range logs {
		n := 0
		for line := range strings.Lines(log) {
			line = strings.TrimSpace(line)
			if n++; clock.MatchString(line) {
				var seconds int64
				fmt.Sscan(line, &seconds)
				if off := time.Since(time.Unix(seconds, 0)); off.Abs() > 5*time.Minute {
					t.Errorf("the clock is wrong by %s", off)
				}
				continue
			}
			if seen[line] {
				t.Errorf("twice: %s", line)
			}
			seen[line] = true
		}
		if n != lines {
			t.Fatalf("%d lines, want %d:\n%s", n, lines, log)
		}
	}
}

// A restored machine reads its own devices, from their first byte to the last of
// what they hold, whatever their sizes, also below mounts that were there before;
// and the template stays as it was.
func TestVMTemplateDevices(t *testing.T) {
	r := ownTemplates(t, false)
	const look = `for d in /sys/block/vd*; do
  s=$(cat $d/serial); [ $s = src ] && echo "$s $(cat $d/size) $(dd if=/dev/${d##*/} bs=4096 count=%d | sha256sum)"
done
sha256sum < /ci/src/data
dd if=/dev/zero of=$AMBIENT_ARTIFACTS/a bs=1k count=%d`
	var memory, kept string
	for i, size := range []int{10, 5000, 3_000_000, 0} {
		limits := config.DefaultLimits()
		limits.Artifacts = int64(1+i) << 20
		job := testJob(t, limits, "")
		content := []byte(strings.Repeat("d", size))
		if err := os.WriteFile(filepath.Join(job.Project.Source.Address, "data"), content, 0o644); err != nil {
			t.Fatal(err)
		}
		job.Project.Name = fmt.Sprint("p", i) // a source of its own
		archive, err := r.source(t.Context(), job.Project)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(archive.Path)
		if err != nil {
			t.Fatal(err)
		}
		job.Stage.Actions[0].Args.Values["script"] = fmt.Sprintf(look, len(data)/4096, limits.Artifacts>>10-32)
		how := "restored"
		if i == 0 {
			how = "kept as a template"
		}
		log := startedAs(t, r, job, how)
		for _, want := range []string{fmt.Sprintf("src %d %x", largestEarly/512, sha256.Sum256(data)), fmt.Sprintf("%x", sha256.Sum256(content))} {
			if !strings.Contains(log, want) {
				t.Errorf("%d bytes: no %q in\n%s", size, want, log)
			}
		}
		files, _ := filepath.Glob(filepath.Join(r.home.Templates(), "*", "memory"))
		if len(files) != 1 {
			t.Fatalf("templates: %v", files)
		}
		if now := fileSum(t, files[0]); memory != "" && now != memory {
			t.Error("the template has changed")
		} else {
			memory, kept = now, files[0]
		}
	}
	st, err := os.Stat(filepath.Dir(kept))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", st.Mode(), err)
	}
}

func fileSum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// Whatever is wrong with a template, the stage runs, says why it was booted,
// and the next one has a template again.
func TestVMTemplateDamaged(t *testing.T) {
	r := ownTemplates(t, false)
	job := testJob(t, config.DefaultLimits(), "true")
	startedAs(t, r, job, "kept as a template")
	kept := r.templates.List()
	if len(kept) != 1 {
		t.Fatalf("%+v", kept)
	}
	dir := filepath.Join(r.home.Templates(), kept[0].Key)
	for _, c := range []struct {
		name   string
		damage func() error
		want   string
	}{
		{"memory cut short", func() error { return os.Truncate(filepath.Join(dir, "memory"), 4096) }, "memory has been changed"},
		{"state", func() error { return flip(filepath.Join(dir, "state")) }, "state has been changed"},
		{"no state", func() error { return os.Remove(filepath.Join(dir, "state")) }, "no such file"},
		{"no marker", func() error { return os.Remove(filepath.Join(dir, "template.json")) }, "no marker"},
		{"a state that QEMU refuses", func() error { return forge(t, r, kept[0].Key, cutState) }, "did not work and was removed"},
		{"a memory without a guest", func() error { return forge(t, r, kept[0].Key, noMemory) }, "did not work and was removed"},
		{"another QEMU", func() error { return forge(t, r, kept[0].Key, otherQEMU) }, "QEMU 9.9.9 made it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.damage(); err != nil {
				t.Fatal(err)
			}
			one := *job
			one.Dir = t.TempDir()
			startedAs(t, r, &one, c.want)
			if left := r.templates.List(); len(left) > 0 {
				t.Errorf("it is still there: %v", left)
			}
			one.Dir = t.TempDir()
			startedAs(t, r, &one, "kept as a template")
		})
	}
}

// A stage that errs before its first action may have the template to blame, the one
// that made it included.
func TestVMTemplateBlamed(t *testing.T) {
	r := ownTemplates(t, false)
	nothing := filepath.Join(t.TempDir(), "nothing")
	if err := os.WriteFile(nothing, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	r.machines = func(o *qemuvm.Options) {
		for i, d := range o.Disks {
			if d.Serial == guest.SerialSource {
				o.Disks[i].Path = nothing
			}
		}
	}
	got, rec := runJob(t, r, testJob(t, config.DefaultLimits(), "true"))
	if left := r.templates.List(); got.Outcome != stages.Errored || len(left) > 0 {
		t.Errorf("%+v\n%s\ntemplates: %v", got, rec.log(), left)
	}
	r.machines = nil
	startedAs(t, r, testJob(t, config.DefaultLimits(), "true"), "kept as a template")
}

func flip(path string) error {
	data, err := os.ReadFile(path)
	if err == nil {
		data[len(data)/2] ^= 0xff
		err = os.WriteFile(path, data, 0o600)
	}
	return err
}

// What is wrong with a forged template.
type forgery int

const (
	cutState forgery = iota
	noMemory
	otherQEMU
)

// forge publishes a template that looks whole and is not.
func forge(t *testing.T, r *Runner, key string, how forgery) error {
	u, err := r.templates.Use(key)
	if err != nil {
		return err
	}
	state, err := os.ReadFile(u.State)
	memory := filepath.Join(t.TempDir(), "memory")
	if how == otherQEMU {
		err = errors.Join(err, blockdev.CopySparse(memory, u.Memory))
	}
	u.Close()
	if err != nil {
		return err
	}
	r.templates.Remove(key)
	version := u.Info.QEMU
	switch how {
	case cutState:
		state = state[:len(state)/2]
	case otherQEMU:
		version = "9.9.9"
	}
	return r.templates.Make(t.Context(), key, func(f templates.Files) (string, error) {
		var err error
		if how == otherQEMU {
			err = blockdev.CopySparse(f.Memory, memory)
		} else {
			err = blockdev.CreateSparse(f.Memory, config.DefaultLimits().Memory)
		}
		if err != nil {
			return "", err
		}
		if err := blockdev.MakeScratch(t.Context(), f.Scratch, config.DefaultLimits().Disk); err != nil {
			return "", err
		}
		return version, os.WriteFile(f.State, state, 0o600)
	})
}

// A template that failed is not made again and again; another shape has its own.
func TestVMTemplateRefused(t *testing.T) {
	r := ownTemplates(t, false)
	job := testJob(t, config.DefaultLimits(), "true")
	startedAs(t, r, job, "kept as a template")
	r.templates.Refuse(r.templates.List()[0].Key, "a test says so")
	job.Dir = t.TempDir()
	startedAs(t, r, job, ": a template failed at")
	job.Stage.Limits.Memory += 64 << 20
	job.Dir = t.TempDir()
	startedAs(t, r, job, "kept as a template")
}

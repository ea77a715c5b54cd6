package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bench is one measurement: directories, and what was found out of the machine.
type bench struct {
	options
	work  string // removed at the end
	image imageInfo
	round int
}

// absentError says that a program to compare with is not here.
type absentError struct{ what string }

func (e *absentError) Error() string { return "not installed: " + e.what }

func newBench(o options) (*bench, error) {
	b := &bench{options: o}
	var err error
	if b.work, err = os.MkdirTemp("", "ambient-figures-"); err != nil {
		return nil, err
	}
	if err = os.MkdirAll(o.home, 0o700); err == nil {
		err = b.writeInputs()
	}
	if err == nil { // builds the image and finds the accelerator
		_, _, err = b.apply("hello")
	}
	if err == nil {
		b.image, err = findImage(b.home)
	}
	if err == nil {
		err = errors.Join(b.makeFloor(), b.makeLostHome(), b.unpackKernel())
	}
	if err != nil {
		b.close()
	}
	return b, err
}

func (b *bench) close() { os.RemoveAll(b.work) }

func (b *bench) dir(name string) string { return filepath.Join(b.work, name) }

// makeLostHome is a home with the same images and never a template.
func (b *bench) makeLostHome() error {
	lost := b.dir("lost-home")
	if err := os.Mkdir(lost, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"images", "programs"} {
		if err := os.Symlink(filepath.Join(b.home, name), filepath.Join(lost, name)); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(filepath.Join(b.home, "accel.json"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(lost, "accel.json"), data, 0o600)
}

// apply runs the program on a directory of inputs: from exec to exit.
func (b *bench) apply(dir string, args ...string) (time.Duration, string, error) {
	return b.applyIn(b.home, dir, args...)
}

func (b *bench) applyIn(home, dir string, args ...string) (time.Duration, string, error) {
	cmd := exec.Command(b.program, append([]string{"-chdir=" + b.dir(dir), "apply"}, args...)...)
	cmd.Env = append(os.Environ(), "AMBIENT_HOME="+home, "AMBIENT_TEMPLATES=on", "NO_COLOR=1")
	return timed(cmd)
}

// timed runs a command and gives its wall time and both its streams.
func timed(cmd *exec.Cmd) (time.Duration, string, error) {
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, tail(string(out)))
	}
	return took, string(out), err
}

func tail(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return text[max(0, len(text)-400):]
}

// measure runs every case that the chosen rows need, in rounds.
func (b *bench) measure() (table, error) {
	var chosen []row
	var names []string
	for _, r := range rows {
		if b.only.MatchString(r.name) {
			chosen = append(chosen, r)
			for _, name := range r.cases { // in the order of the rows: those that are compared are near each other
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	failed, before := map[string]string{}, load()
	for _, name := range names {
		if err := b.prepare(name); err != nil {
			failed[name] = brief(err)
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		}
	}
	var samples []sample
	for b.round = range b.rounds {
		samples = append(samples, b.sampleAll(names, failed))
		fmt.Fprintf(os.Stderr, "round %d: %v\n", b.round+1, samples[b.round])
	}
	return fill(chosen, samples, failed, about(before, load())), nil
}

func (b *bench) sampleAll(names []string, failed map[string]string) sample {
	s := sample{}
	for _, name := range names {
		if failed[name] != "" {
			continue
		}
		value, err := b.run(name, s)
		if err != nil {
			failed[name] = brief(err)
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			continue
		}
		s[name] = value
	}
	return s
}

// brief is an error for the table.
func brief(err error) string {
	var absent *absentError
	if errors.As(err, &absent) {
		return absent.Error()
	}
	return "failed"
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/runner"
	"github.com/ambient-ci/ambient/stages"
	"github.com/ambient-ci/ambient/stages/fakerunner"
)

// The scripts in testdata are the contract of the command line. They run this
// program with a runner that has no machines; only the test binary can.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ambient":   func() { os.Exit(ambientWithFakes()) },
		"status":    func() { os.Exit(expectStatus(os.Args[1:])) },
		"pty":       func() { os.Exit(onTerminal(os.Args[1:])) },
		"bad-input": func() { os.Exit(badInput()) },
		"editor":    func() { os.Exit(editor(os.Args[1:])) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("AMBIENT_HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each program waits a second at its end
			e.Setenv("TZ", "UTC")
			e.Setenv("TERM", "xterm")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"waitfor": waitFor},
	})
}

// waitFor waits until a file that matches a glob has a line that matches a
// pattern.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor pattern glob")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		files, _ := filepath.Glob(ts.MkAbs(args[1]))
		for _, f := range files {
			if data, err := os.ReadFile(f); err == nil && pattern.Match(data) {
				return
			}
		}
	}
	ts.Fatalf("%s never matched %s", args[1], args[0])
}

// fakeTB is what the fake runner reports to.
type fakeTB struct {
	failed   bool
	cleanups []func()
}

func (t *fakeTB) Errorf(format string, args ...any) {
	t.failed = true
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (t *fakeTB) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func ambientWithFakes() int {
	tb := &fakeTB{}
	code := ambient(context.Background(), os.Args[1:], parts{
		newRunner: func(opts runner.Options) (stages.Runner, func() error, error) {
			if os.Getenv("TEST_NO_RUNNER") != "" {
				return nil, nil, errors.New("no place for devices")
			}
			r := fakerunner.New(tb)
			r.IgnoreStop = os.Getenv("TEST_IGNORE_STOP") != ""
			if opts.RequireKVM {
				r.OnStart = func(*stages.Job) error { return errors.New("this machine has no KVM") }
			}
			return r, func() error { return nil }, nil
		},
		identifier: fakeIdentifier,
		diagnose: func(context.Context, *home.Home, int64) []runner.Check {
			status := runner.CheckOK
			if os.Getenv("TEST_UNFIT") != "" {
				status = runner.CheckFail
			}
			return []runner.Check{
				{Name: "qemu", Status: status, Detail: "QEMU version\n\x1b[2J7.2", Remedy: "install QEMU"},
				{Name: "memory", Status: runner.CheckWarn, Detail: "not known", Remedy: "buy some"},
			}
		},
		capacity: func() stages.Capacity { return stages.Capacity{Memory: 8 << 30, CPUs: 4} },
	})
	for _, f := range tb.cleanups {
		f()
	}
	if tb.failed {
		return 99
	}
	return code
}

// fakeIdentifier knows an image and a guest program that $TEST_IMAGE and
// $TEST_PROGRAM change; "none" is not built.
func fakeIdentifier(h *home.Home) *runner.Identifier {
	id := runner.NewIdentifier(h)
	id.Image = func(*config.Image) (string, bool, error) {
		return "sha256:image" + os.Getenv("TEST_IMAGE"), os.Getenv("TEST_IMAGE") != "none", nil
	}
	id.Program = func() (string, bool, error) {
		return "sha256:program" + os.Getenv("TEST_PROGRAM"), os.Getenv("TEST_PROGRAM") != "none", nil
	}
	id.Host = actions.FixedHost{}
	return id
}

// expectStatus runs a command, passes interrupts on to it, and succeeds if its
// exit status is the first argument. Its output also goes to $STATUS_OUT.
func expectStatus(args []string) int {
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if name := os.Getenv("STATUS_OUT"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			return fail(err)
		}
		defer f.Close()
		cmd.Stdout = io.MultiWriter(os.Stdout, f)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt)
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended
		}
	}()
	_ = cmd.Wait() // its status is looked at below
	if got := cmd.ProcessState.ExitCode(); strconv.Itoa(got) != args[0] {
		return fail(fmt.Errorf("%s: exit status %d, want %s", strings.Join(args[1:], " "), got, args[0]))
	}
	return 0
}

// onTerminal runs a command whose standard output is a terminal of 60 columns,
// and copies what it writes.
func onTerminal(args []string) int {
	master, slave, err := openTerminal()
	if err != nil {
		return fail(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = slave, os.Stderr
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	slave.Close()
	_, err = io.Copy(os.Stdout, master)
	if err != nil && !errors.Is(err, syscall.EIO) { // EIO: the other side is closed
		return fail(err)
	}
	_ = cmd.Wait() // its status is what counts
	return cmd.ProcessState.ExitCode()
}

// openTerminal makes a pair of pseudo-terminals (pty(7)).
func openTerminal() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 20, Col: 60}); err != nil {
		return nil, nil, err
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	return master, slave, err
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 99
}

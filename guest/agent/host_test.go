package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// The tests run workers on the host: below a temporary directory, with files
// for devices, without mounts and control groups. This process becomes the
// parent of orphans, as PID 1 is.
var hostProcs = sync.OnceValue(func() *procs {
	const setChildSubreaper = 36
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		panic(errno)
	}
	return newProcs()
})

// hostGroup kills what this process started.
type hostGroup struct{ now events }

func (g *hostGroup) events() events             { return g.now }
func (g *hostGroup) attr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func (g *hostGroup) kill() error {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		alive := childrenOf(os.Getpid())
		if len(alive) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("alive: %v", alive)
		}
		for _, pid := range alive {
			syscall.Kill(-pid, syscall.SIGKILL)
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// childrenOf returns the children of a process, dead ones included.
func childrenOf(parent int) []int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var pids []int
	for _, f := range files {
		b, _ := os.ReadFile(f)
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// host is a worker and what it said.
type host struct {
	*worker
	t        *testing.T
	dir      string // of the devices
	mu       sync.Mutex
	messages []guest.Message
	pauses   []time.Duration
	out      bytes.Buffer // log frames
}

// newHost returns a worker for a plan. Its pauses take no time.
func newHost(t *testing.T, plan guest.Plan) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir()}
	h.worker = &worker{root: t.TempDir(), plan: &plan, devices: h.device, send: h.keep, log: newLogger(&h.out),
		procs: hostProcs(), group: &hostGroup{}, sweep: func() {}, client: newClient(nil), sleep: h.pause,
		guard: func(f func()) { go f() }, now: time.Now}
	if err := os.MkdirAll(h.path(guest.DirSource), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.group.kill() })
	return h
}

func (h *host) keep(m guest.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := m.Check(); err != nil {
		h.t.Errorf("%+v: %v", m, err)
	}
	h.messages = append(h.messages, m)
}

func (h *host) pause(ctx context.Context, d time.Duration) error {
	h.pauses = append(h.pauses, d)
	return context.Cause(ctx)
}

func (h *host) device(serial string, write bool) (*os.File, error) {
	if serial == "full" {
		return os.OpenFile("/dev/full", os.O_WRONLY, 0)
	}
	path := filepath.Join(h.dir, serial)
	if write {
		return os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the machine has no disk %s", serial)
	}
	return f, err
}

// give fills a device.
func (h *host) give(serial string, data []byte) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, serial), data, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// logged returns what reached the log, by stream.
func (h *host) logged(streams ...guest.Stream) string {
	h.t.Helper()
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	var text strings.Builder
	for r := bytes.NewReader(h.out.Bytes()); r.Len() > 0; {
		f, err := guest.ReadLogFrame(r)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, s := range streams {
			if f.Stream == s {
				text.Write(f.Data)
			}
		}
	}
	return text.String()
}

// said returns the messages as short words.
func (h *host) said() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var words []string
	for _, m := range h.messages {
		switch {
		case m.Started != nil:
			words = append(words, fmt.Sprintf("started %d", m.Started.Action))
		case m.Finished != nil:
			words = append(words, fmt.Sprintf("finished %d %s", m.Finished.Action, short(m.Finished)))
		case m.Warning != nil:
			words = append(words, "warning")
		}
	}
	return strings.Join(words, ", ")
}

func short(f *guest.Finished) string {
	switch {
	case f.Stopped:
		return "stopped"
	case f.Limit != "":
		return f.Limit
	case f.Signal != "":
		return f.Signal
	case f.Error != "":
		return "error"
	}
	return strconv.Itoa(f.Exit)
}

// script makes a plan of one action for each script.
func script(texts ...string) guest.Plan {
	var p guest.Plan
	for _, s := range texts {
		p.Actions = append(p.Actions, guest.Action{Name: "shell", Steps: []guest.Step{{Exec: &guest.Exec{Script: s}}}})
	}
	return p
}

package home

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	user := t.TempDir()
	t.Setenv("HOME", user)
	for _, c := range []struct {
		name                  string
		ambient, state, cache string
		runs, images          string
	}{
		{"defaults", "", "", "", user + "/.local/state/ambient/runs", user + "/.cache/ambient/images"},
		{"xdg", "", "/s", "/c", "/s/ambient/runs", "/c/ambient/images"},
		{"a relative xdg directory is ignored", "", "s", "c", user + "/.local/state/ambient/runs", user + "/.cache/ambient/images"},
		{"own", "/a", "/s", "/c", "/a/runs", "/a/images"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("AMBIENT_HOME", c.ambient)
			t.Setenv("XDG_STATE_HOME", c.state)
			t.Setenv("XDG_CACHE_HOME", c.cache)
			h, err := Find()
			if err != nil {
				t.Fatal(err)
			}
			if h.Runs() != c.runs || h.Images() != c.images {
				t.Errorf("got %s and %s, want %s and %s", h.Runs(), h.Images(), c.runs, c.images)
			}
		})
	}
}

func TestLockWaitsForRelease(t *testing.T) {
	h := At(t.TempDir())
	release, err := h.Lock(context.Background(), "image/x")
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(context.Background(), 120*time.Millisecond)
	defer cancel()
	if _, err := h.Lock(short, "image/x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a held lock gave %v", err)
	}
	release()
	again, err := h.Lock(context.Background(), "image/x")
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, want := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := WriteFile(filepath.Join(dir, "none", "f"), nil, 0o600); err == nil {
		t.Error("a missing directory gave no error")
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestWorkIsSweptOnceItsOwnerIsGone(t *testing.T) {
	h := At(t.TempDir())
	alive, release, err := h.NewWork()
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(h.Work(), "dead")
	if err := os.MkdirAll(filepath.Join(dead, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, held), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	second, releaseSecond, err := h.NewWork()
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{alive: true, second: true, dead: false} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", dir, err == nil, want)
		}
	}
	release()
	releaseSecond()
	left, _ := os.ReadDir(h.Work())
	if len(left) != 0 || !strings.HasPrefix(alive, h.Work()) {
		t.Errorf("left behind: %v", left)
	}
}

// A process that dies while it makes or removes its directory leaves one
// without a lock.
func TestWorkWithoutALockIsSwept(t *testing.T) {
	h := At(t.TempDir())
	dead := filepath.Join(h.Work(), "w1")
	if err := os.MkdirAll(filepath.Join(dead, "devices"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, release, err := h.NewWork()
	if err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dead, err)
	}
}

func TestWorkOfManyAtOnce(t *testing.T) {
	h := At(t.TempDir())
	failed := make(chan error, 8)
	for range cap(failed) {
		go func() { failed <- makeWork(h, 100) }()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// makeWork makes and releases directories, and fails when one does not last.
func makeWork(h *Home, n int) error {
	for range n {
		dir, release, err := h.NewWork()
		if err != nil {
			return err
		}
		err = os.Mkdir(filepath.Join(dir, "device"), 0o700)
		release()
		if err != nil {
			return err
		}
	}
	return nil
}

// What has no lock of its own is touched only while nobody works.
func TestQuiet(t *testing.T) {
	h := At(t.TempDir())
	ran := 0
	quiet := func() bool {
		was, err := h.Quiet(func() error { ran++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		return was
	}
	if !quiet() {
		t.Error("nobody works")
	}
	_, release, err := h.NewWork()
	if err != nil {
		t.Fatal(err)
	}
	if quiet() {
		t.Error("somebody works")
	}
	release()
	if !quiet() || ran != 2 {
		t.Errorf("it ran %d times", ran)
	}
}

// A lock that was released is free, also while this process starts programs, which
// have the file open for a moment.
func TestReleasedWhileForking(t *testing.T) {
	path := filepath.Join(t.TempDir(), "held")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = exec.Command("/bin/true").Run()
				}
			}
		})
	}
	for range 2000 {
		release, err := Hold(path)
		if err != nil {
			t.Error(err)
			break
		}
		release()
	}
	close(stop)
	wg.Wait()
}

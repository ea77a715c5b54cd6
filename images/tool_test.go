package images

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func discard(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }

func TestToolOutput(t *testing.T) {
	var got bytes.Buffer
	t.Setenv("SECRET", "x")
	tl := &tool{argv: []string{"sh", "-c", "echo out; env; exec cat /proc/self/cmdline"}, env: []string{"A=b"}}
	err := tl.run(context.Background(), func(r io.Reader) error { _, err := io.Copy(&got, r); return err })
	if err != nil || !strings.HasPrefix(got.String(), "out\n") || !strings.Contains(got.String(), "A=b\n") {
		t.Errorf("%v: %q", err, got.String())
	}
	if strings.Contains(got.String(), "SECRET") {
		t.Error("the environment was inherited")
	}
}

func TestToolErrors(t *testing.T) {
	mine := errors.New("mine")
	cases := []struct {
		name, script string
		read         func(io.Reader) error
		want         error // nil: a *ToolError
		has          string
	}{
		{"fails", "echo one >&2; echo two >&2; exit 3", discard, nil, "exit status 3\n  one\n  two"},
		{"fails in the middle", "echo x; echo why >&2; exit 1", func(r io.Reader) error {
			_, err := io.ReadFull(r, make([]byte, 100))
			return err
		}, nil, "why"},
		{"killed", "sh -c 'kill -9 $$'", discard, nil, "exit status 137"},
		{"reader gives up", "trap 'exit 1' TERM PIPE; while :; do echo x; done", func(io.Reader) error { return mine }, mine, ""},
	}
	for _, tc := range cases {
		err := (&tool{argv: []string{"sh", "-c", tc.script}}).run(context.Background(), tc.read)
		var te *ToolError
		if tc.want != nil && err != tc.want || tc.want == nil && !errors.As(err, &te) {
			t.Errorf("%s: %T %v", tc.name, err, err)
		} else if !strings.Contains(err.Error(), tc.has) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestToolMissing(t *testing.T) {
	err := (&tool{argv: []string{"no-such-tool-here"}}).run(context.Background(), discard)
	var te *ToolError
	if !errors.As(err, &te) || !te.Missing || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("got %v", err)
	}
}

// TestToolStopped cancels a tool that has started another, which ignores
// signals and holds the output open.
func TestToolStopped(t *testing.T) {
	alive := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(alive, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	script := `trap 'exit 1' TERM; sh -c "trap '' TERM; exec 3> $0; echo x >&3; exec sleep 1000" & wait`
	done := make(chan error, 1)
	go func() { done <- (&tool{argv: []string{"sh", "-c", script, alive}}).run(ctx, discard) }()
	opened := make(chan *os.File, 1)
	go func() {
		f, _ := os.Open(alive) // returns when the inner program has opened it
		opened <- f
	}()
	var f *os.File
	select {
	case f = <-opened:
	case err := <-done:
		t.Fatalf("the tool did not start: %v", err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF { // until the inner program is gone
		t.Errorf("got %d, %v", n, err)
	}
	if d := time.Since(start); d > toolGrace/2 {
		t.Errorf("it took %v", d)
	}
}

func TestTail(t *testing.T) {
	w := &tailWriter{}
	for i := range 30 {
		io.WriteString(w, strings.Repeat("x", i)+"\x1b[31m\r\nhalf")
		io.WriteString(w, " line\n\n")
	}
	io.WriteString(w, strings.Repeat("y", 1<<20)+"\n")
	if len(w.lines) != tailLines || len(w.lines[tailLines-1]) != maxLine {
		t.Errorf("%d lines", len(w.lines))
	}
	if got := w.lines[tailLines-2]; got != "half line" {
		t.Errorf("got %q", got)
	}
	if strings.Contains(strings.Join(w.lines, ""), "\x1b") {
		t.Error("control characters")
	}
}

func TestBoundedBuffer(t *testing.T) {
	b := &boundedBuffer{left: 5}
	for _, s := range []string{"abc", "def", "ghi"} {
		if n, err := io.WriteString(b, s); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if string(b.data) != "abcde" {
		t.Errorf("got %q", b.data)
	}
}

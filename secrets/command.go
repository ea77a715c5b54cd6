package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Limits of a command that gives a secret. MaxValue bounds, in bytes, a value
// from anywhere.
const (
	MaxValue     = 64 << 10
	commandLimit = time.Minute
	killPause    = 2 * time.Second
)

// Output runs a program of the host's with the host's environment, in dir, and
// returns what it prints, at most MaxValue bytes. It and all it started are
// killed after a minute or when ctx ends. Errors have the last line of what it
// complained of, but nothing of its output.
func Output(ctx context.Context, argv []string, dir string, stdin []byte) ([]byte, error) {
	if len(argv) == 0 {
		return nil, errors.New("no command")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, commandLimit, fmt.Errorf("it ran longer than %s", commandLimit))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killPause
	out, complaint := &bounded{most: MaxValue, full: cancel}, &bounded{most: MaxValue}
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, bytes.NewReader(stdin), out, complaint
	err := cmd.Run()
	switch {
	case out.over:
		return nil, fmt.Errorf("command %s: it printed more than %d bytes", argv[0], MaxValue)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("command %s: %w", argv[0], context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("command %s: %w%s", argv[0], err, lastLine(complaint.b.String()))
	}
	return out.b.Bytes(), nil
}

// bounded keeps the first bytes that are written to it.
type bounded struct {
	b    bytes.Buffer
	most int
	over bool
	full func()
}

func (w *bounded) Write(p []byte) (int, error) {
	if room := w.most - w.b.Len(); len(p) > room {
		w.b.Write(p[:room])
		if w.over = true; w.full != nil {
			w.full()
		}
		return len(p), nil
	}
	return w.b.Write(p)
}

// lastLine is the last line of a complaint, short and printable.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	line := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text[strings.LastIndexByte(text, '\n')+1:])
	if len(line) > 300 {
		line = strings.ToValidUTF8(line[:300], "") + "…"
	}
	if line == "" {
		return ""
	}
	return ": " + line
}

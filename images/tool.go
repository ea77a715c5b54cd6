package images

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tool is one run of a program of the host whose output is a stream.
type tool struct {
	argv []string
	env  []string // besides what toolEnv lets through
	log  tailWriter
}

// tailLines is how many lines of a failed tool an error shows.
const tailLines = 20

// toolGrace is how long a tool may take to clean up when it is stopped, and to
// have its last output read.
const toolGrace = 10 * time.Second

// run starts the tool and calls read with its output. When ctx ends, or read
// fails, the tool is stopped with everything it started. The error is ctx's,
// read's or a *ToolError.
func (t *tool) run(ctx context.Context, read func(io.Reader) error) error {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	// The death signal is that of the thread that starts the tool, so keep it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := t.start(inner, in)
	in.Close()
	if err != nil {
		return &ToolError{Tool: t.argv[0], Missing: errors.Is(err, exec.ErrNotFound), Err: err}
	}
	done := make(chan error, 1)
	go func() {
		err := read(out)
		if err == nil {
			_, err = io.Copy(io.Discard, out) // what follows the end of an archive
		}
		if err != nil {
			stop()
		}
		done <- err
	}()
	werr := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
	_ = out.SetReadDeadline(time.Now().Add(toolGrace))
	return t.result(ctx, werr, <-done)
}

// result chooses the error that tells most.
func (t *tool) result(ctx context.Context, werr, rerr error) error {
	short := errors.Is(rerr, io.ErrUnexpectedEOF)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case rerr != nil && (werr == nil || !short):
		return rerr
	case werr != nil:
		return &ToolError{Tool: t.argv[0], Err: werr, Lines: t.log.lines}
	}
	return nil
}

// start runs the tool in a process group of its own. As root it gets a process
// namespace and a mount namespace too, where the host allows that: then nothing
// it starts or mounts can outlive it.
func (t *tool) start(ctx context.Context, out *os.File) (*exec.Cmd, error) {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		jail := *attr
		jail.Cloneflags, jail.Unshareflags = syscall.CLONE_NEWPID, syscall.CLONE_NEWNS
		cmd := t.command(ctx, out, &jail)
		err := cmd.Start()
		if !errors.Is(err, syscall.EPERM) {
			return cmd, err
		}
	}
	cmd := t.command(ctx, out, attr)
	return cmd, cmd.Start()
}

func (t *tool) command(ctx context.Context, out *os.File, attr *syscall.SysProcAttr) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.argv[0], t.argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = append(toolEnv(), t.env...)
	cmd.Stdout, cmd.Stderr = out, &t.log
	cmd.SysProcAttr = attr
	cmd.WaitDelay = toolGrace
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	return cmd
}

// toolEnv is all that a tool sees of the environment: where programs are and
// how to reach the network.
func toolEnv() []string {
	env := []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/"}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// tailWriter keeps the last lines written to it, without control characters,
// and tells say each.
type tailWriter struct {
	say   func(string)
	lines []string
	part  []byte
}

// maxLine bounds a line in bytes; the rest of a longer one is dropped.
const maxLine = 400

func (w *tailWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if room := maxLine - len(w.part); room > 0 {
			w.part = append(w.part, line[:min(room, len(line))]...)
		}
		if rest = after; whole {
			w.flush()
		}
	}
	return len(p), nil
}

func (w *tailWriter) flush() {
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, string(w.part))
	w.part = w.part[:0]
	if strings.TrimSpace(line) == "" {
		return
	}
	if w.lines = append(w.lines, line); len(w.lines) > tailLines {
		w.lines = w.lines[1:]
	}
	if w.say != nil {
		w.say(line)
	}
}

// boundedBuffer keeps the first bytes written to it and drops the rest.
type boundedBuffer struct {
	bytes.Buffer
	left int
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	keep := p[:min(len(p), b.left)]
	b.left -= len(keep)
	b.Buffer.Write(keep)
	return len(p), nil
}

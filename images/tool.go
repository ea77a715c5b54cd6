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
	out, log, cmd, err := t.start(inner)
	if err != nil {
		return &ToolError{Tool: t.argv[0], Missing: errors.Is(err, exec.ErrNotFound), Err: err}
	}
	defer out.Close()
	defer log.Close()
	done, logged := make(chan error, 1), make(chan struct{})
	go func() {
		err := read(out)
		if err == nil {
			_, err = io.Copy(io.Discard, out) // what follows the end of an archive
		}
		if err != nil {
			stop()
			out.Close() // so that the tool is not stuck writing
		}
		done <- err
	}()
	go func() {
		_, _ = io.Copy(&t.log, log)
		close(logged)
	}()
	werr := cmd.wait()
	for _, f := range []*os.File{out, log} {
		_ = f.SetReadDeadline(time.Now().Add(toolGrace)) // should someone still hold the other end
	}
	<-logged
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

// start runs the tool in a process group of its own and returns the ends of its
// standard output and error. As root it gets a process namespace and a mount
// namespace too, where the host allows that: then nothing it starts or mounts
// can outlive it.
func (t *tool) start(ctx context.Context) (out, log *os.File, p *process, err error) {
	out, outEnd, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	defer outEnd.Close()
	log, logEnd, err := os.Pipe()
	if err != nil {
		out.Close()
		return nil, nil, nil, err
	}
	defer logEnd.Close()
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	jail := *attr
	jail.Cloneflags, jail.Unshareflags = syscall.CLONE_NEWPID, syscall.CLONE_NEWNS
	err = syscall.EPERM
	if os.Geteuid() == 0 {
		p, err = spawn(t.command(ctx, outEnd, logEnd, &jail))
	}
	if errors.Is(err, syscall.EPERM) {
		p, err = spawn(t.command(ctx, outEnd, logEnd, attr))
	}
	if err != nil {
		out.Close()
		log.Close()
	}
	return out, log, p, err
}

// process is a tool that runs, with a thread of ours that lives as long: the
// kernel sends the death signal when the thread ends that started it.
type process struct{ ended chan error }

func spawn(cmd *exec.Cmd) (*process, error) {
	p := &process{ended: make(chan error, 1)}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
		p.ended <- err
	}()
	return p, <-started
}

// wait blocks until the process and all of its group are gone, once.
func (p *process) wait() error { return <-p.ended }

func (t *tool) command(ctx context.Context, out, log *os.File, attr *syscall.SysProcAttr) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.argv[0], t.argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = append(toolEnv(), t.env...)
	cmd.Stdout, cmd.Stderr = out, log
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
	data []byte
	left int
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	keep := p[:min(len(p), b.left)]
	b.left -= len(keep)
	b.data = append(b.data, keep...)
	return len(p), nil
}

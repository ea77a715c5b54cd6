package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// console is an output stream that knows whether it may colour and redraw. It
// is safe for concurrent use.
type console struct {
	mu    sync.Mutex
	w     io.Writer
	err   error // the first failed write; later ones are dropped
	gone  chan struct{}
	once  sync.Once // closes gone
	file  *os.File  // nil in tests
	color bool
	live  bool // a terminal whose lines can be redrawn
	size  func() (width, height int)
}

// newConsole looks at f and at the variables NO_COLOR (https://no-color.org)
// and TERM.
func newConsole(f *os.File, getenv func(string) string) *console {
	c := newPlainConsole(f)
	c.file = f
	if !term.IsTerminal(int(f.Fd())) {
		return c
	}
	c.live = getenv("TERM") != "dumb"
	c.color = c.live && getenv("NO_COLOR") == ""
	c.size = func() (int, int) {
		w, h, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0, 0
		}
		return w, h
	}
	return c
}

// newPlainConsole has neither colours nor a size.
func newPlainConsole(w io.Writer) *console {
	return &console{w: w, gone: make(chan struct{}), size: func() (int, int) { return 0, 0 }}
}

func (c *console) printf(format string, args ...any) {
	fmt.Fprintf(c, format, args...)
}

// Write drops everything after the first failure, of which failed tells.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		if _, c.err = c.w.Write(p); c.err != nil {
			c.once.Do(func() { close(c.gone) })
		}
	}
	return len(p), nil
}

// lost says why what was printed did not arrive, as on a full disk; nil when it
// did, or when the reader had enough of it.
func (c *console) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil || errors.Is(c.err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("the output is not whole: %w", c.err)
}

// failed is closed once nobody reads this stream any more: a write failed or,
// where the system tells (poll(2)), the other side of a pipe was closed or a
// terminal hung up.
func (c *console) failed() <-chan struct{} {
	if c.file != nil {
		go c.watch(int32(c.file.Fd()))
	}
	return c.gone
}

// watch returns when the other side is gone, and stays for good when it never
// is: there is one for each command.
func (c *console) watch(fd int32) {
	for {
		fds := []unix.PollFd{{Fd: fd}}
		n, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err == nil && n == 1 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
			c.once.Do(func() { close(c.gone) })
		}
		return
	}
}

// ink is an SGR parameter of ECMA-48.
type ink string

const (
	bold   ink = "1"
	dim    ink = "2"
	red    ink = "31"
	green  ink = "32"
	yellow ink = "33"
	cyan   ink = "36"
)

// paint colours s if this stream has colours.
func (c *console) paint(i ink, s string) string {
	if !c.color || s == "" {
		return s
	}
	return "\x1b[" + string(i) + "m" + s + "\x1b[0m"
}

// columns renders rows as a table: columns are two spaces apart, and no line
// ends in a space.
func columns(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], displayWidth(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-displayWidth(cell)+2))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

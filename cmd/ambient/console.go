package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// console is an output stream that knows whether it may colour and redraw. It
// is safe for concurrent use.
type console struct {
	mu    sync.Mutex
	w     io.Writer
	err   error // the first failed write; later ones are dropped
	fail  chan struct{}
	color bool
	live  bool // a terminal whose lines can be redrawn
	size  func() (width, height int)
}

// newConsole looks at f and at the variables NO_COLOR (https://no-color.org)
// and TERM.
func newConsole(f *os.File, getenv func(string) string) *console {
	c := newPlainConsole(f)
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
	return &console{w: w, fail: make(chan struct{}), size: func() (int, int) { return 0, 0 }}
}

func (c *console) printf(format string, args ...any) {
	fmt.Fprintf(c, format, args...)
}

// Write drops everything after the first failure, which failed tells.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		if _, c.err = c.w.Write(p); c.err != nil {
			close(c.fail)
		}
	}
	return len(p), nil
}

// failed is closed once nobody reads this stream any more.
func (c *console) failed() <-chan struct{} { return c.fail }

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

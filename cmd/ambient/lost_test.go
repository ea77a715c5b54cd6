package main

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/ambient-ci/ambient/stages"
)

// failing is a standard output that takes nothing.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "out", Err: f.err}
}

// What could not be printed makes a command fail, unless nobody wanted more.
func TestOutputThatIsLost(t *testing.T) {
	for err, want := range map[error]int{syscall.ENOSPC: stages.ExitErrored, syscall.EPIPE: stages.ExitSucceeded} {
		var said bytes.Buffer
		a := &app{out: newPlainConsole(failing{err}), err: newPlainConsole(&said)}
		a.out.printf("a line")
		if got := a.finish("runs", nil); got != want {
			t.Errorf("%v: status %d, want %d", err, got, want)
		}
		if strings.Contains(said.String(), "not whole") != (want != stages.ExitSucceeded) {
			t.Errorf("%v: said %q", err, said.String())
		}
	}
}

package qemuvm

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"unicode"
)

// MissingError says that there is no QEMU to run, or that a part of it is missing.
type MissingError struct {
	Binary string // what was looked for
	Remedy string
	Err    error
}

// Error names the program and the remedy.
func (e *MissingError) Error() string {
	return fmt.Sprintf("QEMU can not be run: %s: %v; %s", e.Binary, e.Err, e.Remedy)
}

// Unwrap gives what was wrong, if need be in the operating system's words.
func (e *MissingError) Unwrap() error { return e.Err }

// TooOldError says that a QEMU is below Minimum.
type TooOldError struct {
	Binary  string
	Version Version
}

// Error names both versions.
func (e *TooOldError) Error() string {
	return fmt.Sprintf("%s is QEMU %s, but %s or later is needed; install a newer one, or set %s to its path",
		e.Binary, e.Version, Minimum, BinaryVariable)
}

// RefusedError says that QEMU did not start: it ended, or could not be talked
// to, before it answered on QMP.
type RefusedError struct {
	Reason  string // "ended with status 1"
	Stderr  string // the last of what it printed
	Command string // quoted for a shell
}

// Error gives the reason, QEMU's own words and how it was called.
func (e *RefusedError) Error() string {
	return "QEMU did not start: " + e.Reason + details(e.Stderr, e.Command)
}

// ErrKilled is what an *ExitError is when this process killed QEMU.
var ErrKilled = errors.New("the virtual machine was killed")

// ExitError says how QEMU ended when it did not end by itself with status 0.
type ExitError struct {
	Status  int            // exit status, -1 when a signal ended it
	Signal  syscall.Signal // 0 when none did
	Killed  bool           // by this process
	Cause   error          // why it was killed without having been asked to; may be nil
	Stderr  string         // the last of what it printed
	Command string         // quoted for a shell
}

// Error says how QEMU ended, its own words and how it was called.
func (e *ExitError) Error() string {
	if e.Killed && e.Cause == nil {
		return ErrKilled.Error()
	}
	text := "QEMU " + e.how()
	if e.Cause != nil {
		text = "QEMU was killed: " + e.Cause.Error()
	}
	return text + details(e.Stderr, e.Command)
}

func (e *ExitError) how() string {
	switch e.Signal {
	case 0:
		return fmt.Sprintf("ended with status %d", e.Status)
	case syscall.SIGSYS:
		return "was ended by its own sandbox (SIGSYS): it tried a system call that it is denied"
	case syscall.SIGKILL:
		return "was killed by SIGKILL, not by us: the host may have run out of memory"
	}
	return fmt.Sprintf("was ended by signal %d (%v)", int(e.Signal), e.Signal)
}

// Unwrap gives ErrKilled, the cause, or nothing.
func (e *ExitError) Unwrap() error {
	if e.Cause != nil {
		return e.Cause
	}
	if e.Killed {
		return ErrKilled
	}
	return nil
}

// details appends QEMU's words, which may come from a broken machine: only
// printable text is kept.
func details(stderr, command string) string {
	var b strings.Builder
	if text := printable(stderr); text != "" {
		b.WriteString("; it said: " + text)
	}
	if command != "" {
		b.WriteString("; it was called as: " + command)
	}
	return b.String()
}

// terminalRule matches what moves a cursor (ECMA-48), which firmware prints.
var terminalRule = regexp.MustCompile(`\x1b(\[[0-?]*[ -/]*[@-~]|[0-~])|\r`)

// printable makes a hostile text harmless for a terminal.
func printable(text string) string {
	text = terminalRule.ReplaceAllString(strings.ToValidUTF8(text, "?"), "")
	text = strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
	return strings.TrimSpace(text)
}

package lsp

import (
	"bytes"

	"github.com/ambient-ci/ambient/config"
)

// maxRepairs is how many lines of a file repair takes out.
const maxRepairs = 5

// repair returns a text without syntax errors, so that the rest of a file can be
// checked while one line is being typed: lines with errors become spaces, and
// all others stay where they are. It returns nil if there is nothing to repair,
// or no way to.
func repair(src []byte) []byte {
	text := bytes.Clone(src)
	for n := 0; n <= maxRepairs; n++ {
		_, diags := config.Format(text)
		switch {
		case !diags.HasErrors() && n > 0:
			return text
		case !diags.HasErrors():
			return nil
		}
		if !blank(text, diags) {
			return nil
		}
	}
	return nil
}

// blank overwrites the line of the first error and reports whether there was
// anything on it.
func blank(text []byte, diags config.Diagnostics) bool {
	for _, d := range diags {
		if d.Subject == nil {
			continue
		}
		at := min(max(d.Subject.Start.Byte, 0), len(text))
		start := bytes.LastIndexByte(text[:at], '\n') + 1
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i
		}
		if len(bytes.TrimSpace(text[start:end])) == 0 {
			continue
		}
		for i := start; i < end; i++ {
			text[i] = ' '
		}
		return true
	}
	return false
}

package main

import (
	"fmt"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"

	"github.com/ambient-ci/ambient/config"
)

// diagnostics are the problems of one configuration.
type diagnostics struct {
	cfg   *config.Config // for the source lines; nil: none were read
	diags config.Diagnostics
}

func (d diagnostics) count() (errs, warns int) {
	for _, diag := range d.diags {
		if diag.Severity == hcl.DiagError {
			errs++
		} else {
			warns++
		}
	}
	return errs, warns
}

// print writes every problem and, when there are several, how many there are.
func (d diagnostics) print(c *console) {
	width, _ := c.size()
	_ = config.WriteDiagnostics(c, d.cfg, d.diags, width, c.color) // the console keeps the error
	if errs, warns := d.count(); errs+warns > 1 {
		c.printf("%s, %s.\n", count(errs, "error"), count(warns, "warning"))
	}
}

// diagnosticsJSON is the form of `validate -json`. Version is raised when a
// field changes its meaning or goes; new fields may come any time.
type diagnosticsJSON struct {
	Version     int                     `json:"v"`
	Valid       bool                    `json:"valid"`
	Errors      int                     `json:"errors"`
	Warnings    int                     `json:"warnings"`
	Diagnostics []config.DiagnosticJSON `json:"diagnostics"`
}

const diagnosticsVersion = 1

func (d diagnostics) json() diagnosticsJSON {
	errs, warns := d.count()
	return diagnosticsJSON{diagnosticsVersion, errs == 0, errs, warns, config.DiagnosticsJSON(d.diags)}
}

// rangeJSON is a place in a file; lines and columns count from 1.
type rangeJSON struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

func newRangeJSON(dir string, r config.Range) *rangeJSON {
	return &rangeJSON{fileName(dir, r), r.Start.Line, r.Start.Column}
}

// fileName is the file of r, relative to the configuration where it lies below
// it, so that it does not depend on where the program was started.
func fileName(dir string, r config.Range) string {
	abs, err := filepath.Abs(r.Filename)
	if err != nil {
		return r.Filename
	}
	if rel, err := filepath.Rel(dir, abs); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return r.Filename
}

// count is "1 error", "2 errors".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

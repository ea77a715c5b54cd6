package images

import (
	"fmt"
	"strings"
)

// SpecError says that an image can not be made as asked: the user's mistake.
type SpecError struct{ Reason string }

func (e *SpecError) Error() string { return e.Reason }

// PackageError says that a package of an image block is not there or can not
// be installed: the user's mistake.
type PackageError struct {
	Package, Suite, Reason string
}

func (e *PackageError) Error() string {
	return fmt.Sprintf("package %q can not be installed from Debian %s: %s", e.Package, e.Suite, e.Reason)
}

// ToolError says that a program of the host is missing or failed.
type ToolError struct {
	Tool    string
	Missing bool     // it is not installed
	Err     error    // how it ended
	Lines   []string // the last of what it wrote to standard error
}

func (e *ToolError) Error() string {
	if e.Missing {
		return fmt.Sprintf("%s is not installed: it makes Debian images; install the package %s", e.Tool, e.Tool)
	}
	return fmt.Sprintf("%s failed: %v\n  %s", e.Tool, e.Err, strings.Join(e.Lines, "\n  "))
}

// Unwrap returns how the tool ended.
func (e *ToolError) Unwrap() error { return e.Err }

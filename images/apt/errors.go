package apt

import (
	"fmt"
	"strings"
)

// NoArchiveError says that no archive of a suite could be used, why, and how
// to give one.
type NoArchiveError struct {
	Suite   string
	Reasons []string // "ADDRESS: why not", in the order they were tried
	// Outage says that at least one was not judged because it did not answer:
	// a later try may succeed.
	Outage bool
}

func (e *NoArchiveError) add(uri, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	if uri != "" {
		why = uri + ": " + why
	}
	e.Reasons = append(e.Reasons, why)
}

func (e *NoArchiveError) Error() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "no Debian archive for suite %q", e.Suite)
	if len(e.Reasons) == 0 {
		b.WriteString(": the host's apt sources have none")
	}
	for _, r := range e.Reasons {
		b.WriteString("; " + r)
	}
	fmt.Fprintf(b, "; give one as the mirror argument of the image, or set %s to its address", EnvMirror)
	return b.String()
}

// VerifyError says that something from an archive is not what was signed, or
// not signed by a key that the host trusts. It is never worth a retry.
type VerifyError struct {
	What   string // address or file
	Reason string
}

func (e *VerifyError) Error() string { return e.What + ": " + e.Reason }

func unverified(what, format string, args ...any) error {
	return &VerifyError{What: what, Reason: fmt.Sprintf(format, args...)}
}

// FetchError says that a file could not be downloaded.
type FetchError struct {
	URL    string
	Status int // of HTTP, 0 when there was no answer
	Err    error
}

func (e *FetchError) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("%s: HTTP status %d", e.URL, e.Status)
	}
	return fmt.Sprintf("%s: %v", e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *FetchError) Unwrap() error { return e.Err }

// Temporary says whether a later try may succeed.
func (e *FetchError) Temporary() bool {
	return e.Status == 0 || e.Status == 408 || e.Status == 429 || e.Status >= 500
}

// NotFoundError says that the archive has no such package.
type NotFoundError struct {
	Package, Suite, Arch string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("package %q is not in Debian %s for %s", e.Package, e.Suite, e.Arch)
}

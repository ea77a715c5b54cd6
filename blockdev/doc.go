// Package blockdev makes the files that a guest sees as block devices and
// reads back those that it wrote.
//
// What guests write crosses as tar, raw on the device and padded with zeroes, and
// so does the little that is packed by PackFiles. What a guest wrote
// is hostile. ReadOutput validates it and writes it anew, so that everything else
// only ever sees archives in one canonical form:
//
//   - names are relative, clean, slash-separated and unique, and a directory
//     comes before what it holds; every directory is listed;
//   - an entry is a regular file, a directory, a symbolic link or a hard link to
//     an earlier regular file;
//   - owner is 0:0, times are whole seconds since 1970, set-user-id, set-group-id
//     and sticky bits, extended attributes and sparse maps are gone;
//   - headers are USTAR where that can say it, else PAX (POSIX.1-2001, pax);
//   - the size is a multiple of 512 bytes and at least MinSize; all zeroes is
//     an archive with nothing in it.
//
// What stages read of it reaches them as file system images, which Merge makes of
// canonical archives (see package erofs): a guest's kernel mounts nothing that
// this package has not written.
//
// An archive appears under its name only when it is whole. When the host has no
// room left the error is a FullError and nothing is left behind.
package blockdev

import (
	"errors"
	"fmt"
	"syscall"
)

// MinSize is the size, in bytes, of the smallest device.
const MinSize = 4096

// Archive is a canonical tar archive on the host.
type Archive struct {
	Path    string
	Size    int64  // bytes, a multiple of 512, at least MinSize
	Digest  string // "sha256:…" of the file
	Entries int
}

// PathError says which file of the host could not be packed or written. Path
// is relative to the tree at hand.
type PathError struct {
	Op   string // "read", "write", "pack"
	Path string
	Err  error
}

func (e *PathError) Error() string { return fmt.Sprintf("%s %q: %v", e.Op, e.Path, e.Err) }

// Unwrap returns the cause.
func (e *PathError) Unwrap() error { return e.Err }

// TooLargeError says that an archive would be larger than allowed.
type TooLargeError struct {
	What  string // what is too large, for messages
	Limit int64  // bytes
	Size  int64  // bytes; at least so many are needed
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s needs at least %d bytes, more than the limit of %d", e.What, e.Size, e.Limit)
}

// ConflictError says that two parts of a union hold the same path with
// different content.
type ConflictError struct {
	Path string
	A, B string // the names of the parts
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%q is in both %s and %s, and differs", e.Path, e.A, e.B)
}

// HostileError says why an archive from a guest was refused.
type HostileError struct {
	Entry string // as the guest wrote it; empty: the archive itself
	Why   string
}

func (e *HostileError) Error() string {
	if e.Entry == "" {
		return "archive refused: it " + e.Why
	}
	return fmt.Sprintf("archive refused: %s %s", quote(e.Entry), e.Why)
}

// quote makes a guest's text safe and short enough to show.
func quote(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("%q…", s[:200])
	}
	return fmt.Sprintf("%q", s)
}

// FullError says that the host could not store a file for want of room.
type FullError struct {
	Path string
	Err  error
}

func (e *FullError) Error() string {
	return fmt.Sprintf("the host's disk is full: cannot write %s: %v", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *FullError) Unwrap() error { return e.Err }

// HostError makes a FullError of err, which came from writing the file at path, if
// it says that the host has no room.
func HostError(path string, err error) error { return hostError(path, err) }

func hostError(path string, err error) error {
	var full *FullError
	if err == nil || errors.As(err, &full) {
		return err
	}
	for _, no := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, no) {
			return &FullError{Path: path, Err: err}
		}
	}
	return err
}

// Package source finds the tree that a project builds: which files of a
// directory belong to it, and how trees from elsewhere get onto this machine.
//
// A source tree is hostile, its .git directory included: nothing here runs a
// hook, a filter or a helper that a repository configures.
package source

import (
	"fmt"
	"net/url"
	"strings"
)

// AddressError says that an address can not be used: the user has to change
// it.
type AddressError struct {
	Address string
	Why     string
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("source %q: %s", redact(e.Address), e.Why)
}

// FetchError says that a tree could not be fetched from a good address.
type FetchError struct {
	Address string
	Err     error
	Final   bool // the same would happen again: a wrong checksum, HTTP 404, a tree that is too large
}

func (e *FetchError) Error() string {
	return fmt.Sprintf("fetch %q: %s", redact(e.Address), strings.ReplaceAll(e.Err.Error(), e.Address, redact(e.Address)))
}

// Unwrap returns the cause.
func (e *FetchError) Unwrap() error { return e.Err }

// redact hides a password in an address.
func redact(address string) string {
	forced, rest, ok := strings.Cut(address, "::")
	if !ok {
		forced, rest = "", address
	} else {
		forced += "::"
	}
	u, err := url.Parse(rest)
	if err != nil || u.User == nil {
		return address
	}
	if _, secret := u.User.Password(); !secret {
		return address
	}
	return forced + u.Redacted()
}

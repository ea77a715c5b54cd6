package main

import (
	"errors"

	"github.com/ambient-ci/ambient/actions"
)

// noHost is a machine about which nothing is known. It notes that it was asked.
type noHost struct{ asked bool }

var errNoHost = errors.New("a plan does not ask the machine")

// Go implements actions.Host.
func (h *noHost) Go() (s actions.GoSettings) { h.asked = true; return s }

// Cargo implements actions.Host.
func (h *noHost) Cargo() (s actions.CargoSettings) { h.asked = true; return s }

// Rustup implements actions.Host.
func (h *noHost) Rustup() (s actions.RustupSettings) { h.asked = true; return s }

// Pip implements actions.Host.
func (h *noHost) Pip() (s actions.PipSettings) { h.asked = true; return s }

// Npm implements actions.Host.
func (h *noHost) Npm() (s actions.NpmSettings) { h.asked = true; return s }

// Default implements actions.Host.
func (h *noHost) Default(string) string { h.asked = true; return "" }

// Debian implements actions.Host.
func (h *noHost) Debian(string) ([]actions.DebianSource, error) {
	h.asked = true
	return nil, errNoHost
}

// Document implements actions.Host.
func (h *noHost) Document(string, string) ([]byte, error) {
	h.asked = true
	return nil, errNoHost
}

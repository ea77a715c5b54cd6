// Package actions holds the built-in actions. Each is one file that declares
// its schema, its phases, what it runs and what it needs, and registers itself;
// adding one touches no other file.
package actions

import (
	"fmt"
	"sort"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// Definition is a built-in action.
type Definition struct {
	config.ActionSchema

	// Steps returns what the guest runs. It is pure: the same arguments and the
	// same host give the same steps. It gets arguments that passed the schema
	// and its check. An error is the machine's, such as a host without apt
	// sources, and makes the stage errored.
	Steps func(args config.Args, host Host) ([]guest.Step, error)

	// Title returns a short description for logs; nil: the name.
	Title func(args config.Args) string

	// PlanEnv returns the environment that later plan stages of the project
	// need to find what this action fetched; nil: none. It is worked out on the
	// host from the configuration alone.
	PlanEnv func(args config.Args) map[string]string

	// Depends says what the result of the action, in a pre stage, depends on, so
	// that it can be used again until that changes; or why it can not. Nil: what
	// it depends on is not known.
	Depends func(args config.Args) (d Depends, why string)

	// Reach returns what the action must reach: the registries that the host's
	// tools are configured for, and the hosts that lock files and arguments name.
	// Nil: nothing. The files of the tree are hostile. An error is the machine's,
	// such as a host without apt sources.
	Reach func(args config.Args, host Host, tree Tree) ([]config.Allow, error)

	// Reports returns the test reports to read when the stage's actions are over;
	// nil: none.
	Reports func(args config.Args) *guest.Reports

	// SetEnv returns variables for the later actions of the stage; nil: none.
	SetEnv func(args config.Args) map[string]string

	// Path returns directories that come first in PATH, for the later actions of
	// the stage and, when a pre stage has the action, for later plan stages.
	// Nil: none.
	Path func(args config.Args) []string

	// Env returns the environment of the action itself; nil: none.
	Env func(args config.Args) map[string]string
}

// Host is what actions may know of the machine that runs ambient: the addresses
// of registries, learnt at run time from its tools' own configuration.
type Host interface {
	// Go says where Go modules come from.
	Go() GoSettings
	// Debian returns the archives for a suite, from the host's apt sources or
	// the setting; an empty suite is that of the stage's image. The error says
	// how to give one.
	Debian(suite string) ([]DebianSource, error)
	// Cargo says where crates come from.
	Cargo() CargoSettings
	// Rustup says where toolchains of Rust come from.
	Rustup() RustupSettings
	// Pip says where Python packages come from.
	Pip() PipSettings
	// Default returns the address of the registry that a tool uses when it is
	// not configured ("cargo", "rustup" or "pip"), as the tool on this machine
	// names it. Empty: it is not known here.
	Default(tool string) string
	// Document fetches what a registry says about itself, at most 16 MiB, in the
	// media type accept. It is for registries that the host's tools are
	// configured for or the configuration names, never for addresses that a file
	// of the tree gave.
	Document(address, accept string) ([]byte, error)
	// Npm says where Node packages come from.
	Npm() NpmSettings
}

// Tree is the source tree of a stage's project, for reading.
type Tree interface {
	// Read returns the content of a plain file by its path in the tree, or an
	// error: fs.ErrNotExist, or that it has more than limit bytes.
	Read(path string, limit int64) ([]byte, error)
}

// DebianSource is one entry of an apt sources list.
type DebianSource struct {
	URI        string
	Suite      string
	Components []string
}

var registry = map[string]*Definition{}

// register adds a definition at start-up and returns it, so that an action's
// file can say: var _ = register(Definition{…}).
func register(d Definition) *Definition {
	if _, dup := registry[d.Name]; dup {
		panic(fmt.Sprintf("actions: %s registered twice", d.Name))
	}
	registry[d.Name] = &d
	return &d
}

// Lookup returns the action of that name, nil if there is none.
func Lookup(name string) *Definition { return registry[name] }

// All returns every action, sorted by name.
func All() []*Definition {
	var all []*Definition
	for _, d := range registry {
		all = append(all, d)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// Schemas returns the schema of every action by name, for config.Load.
func Schemas() map[string]*config.ActionSchema {
	m := map[string]*config.ActionSchema{}
	for name, d := range registry {
		m[name] = &d.ActionSchema
	}
	return m
}

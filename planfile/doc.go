// Package planfile keeps a plan in a file, so that it can be shown later and so
// that exactly what was shown can be run.
//
// A plan file holds what decides about a run: what was given beside the files,
// the digests of every file that was read, and the configuration as it was
// evaluated. To run it, the configuration is evaluated again with the same
// inputs and must come out the same. So the file itself decides nothing: one
// that was tampered with can at most be refused.
package planfile

import (
	"encoding/json"
	"fmt"
)

// Format and Version stand at the beginning of every plan file. A file of
// another version is refused.
const (
	Format  = "ambient-plan"
	Version = 1
)

// Plan is the content of a plan file.
type Plan struct {
	Format  string `json:"format"`
	Version int    `json:"v"`
	Program string `json:"program"` // the version of ambient that wrote it
	Inputs  Inputs `json:"inputs"`
	// Files are the configuration files and the files of -var-file, by the name
	// relative to the directory of the configuration; without the values of
	// sensitive variables.
	Files []Entry `json:"files"`
	Trees []Tree  `json:"trees"`
	// Stages are the projects and stages as they were evaluated, by address,
	// without places in files and without sensitive values.
	Stages []Evaluated `json:"stages"`
	// Seal stands for all of it with the sensitive values; nil: there are none.
	Seal *Seal `json:"seal,omitempty"`
	// Shown is the plan as `plan -json` prints it.
	Shown json.RawMessage `json:"shown"`
}

// Inputs is what was given beside the files.
type Inputs struct {
	Targets   []string `json:"targets"`   // -target
	Vars      []string `json:"vars"`      // -var, "NAME=VALUE", those of sensitive variables left out
	VarFiles  []string `json:"var_files"` // -var-file, as they were given
	Environ   []string `json:"environ"`   // "AMBIENT_VAR_NAME=VALUE", likewise
	Sensitive []string `json:"sensitive"` // names of the variables whose values have to be given again
}

// Evaluated is a project or a stage.
type Evaluated struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

// Tree is a source tree that projects share.
type Tree struct {
	Source  string  `json:"source"` // relative to the directory of the configuration, or an address
	Entries []Entry `json:"entries"`
}

// Entry is one file of a tree.
type Entry struct {
	Path   Name   `json:"path"` // slash-separated
	Kind   Kind   `json:"kind"`
	SHA256 string `json:"sha256,omitempty"` // of the content, or of a link's target; none of a directory
}

// Kind is what an entry is.
type Kind string

// The kinds of entry.
const (
	File      Kind = "file"
	Program   Kind = "program" // a file that its owner may execute
	Link      Kind = "link"
	Directory Kind = "directory"
)

// FormatError says that a file is not a plan file that can be used.
type FormatError struct{ Why string }

func (e *FormatError) Error() string { return e.Why }

func formatErrorf(format string, args ...any) error {
	return &FormatError{fmt.Sprintf(format, args...)}
}

package config

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Range is a place in a configuration file.
type Range = hcl.Range

// Diagnostic is one problem in the user's configuration.
type Diagnostic = hcl.Diagnostic

// Diagnostics is a list of problems.
type Diagnostics = hcl.Diagnostics

// Config is a whole, evaluated configuration. It is immutable once loaded and
// safe for concurrent use.
type Config struct {
	Dir      string // absolute path of the directory that was loaded
	Projects []*Project
	files    map[string]*hcl.File
	secrets  []string // values of sensitive variables, sorted, for redaction

	variables []Variable // in the order of the files
}

// Sensitive returns the texts of sensitive variables, for a redactor. The slice
// is the caller's.
func (c *Config) Sensitive() []string { return slices.Clone(c.secrets) }

// Project is a project block.
type Project struct {
	Name    string
	Source  Source
	Git     bool          `json:",omitempty"` // the source comes with a repository as .git
	Sources []Sibling     // further trees, by name
	Timeout time.Duration // what its stages may take together in one run; 0: no limit
	Stages  []*Stage      // in the order of the files: pre, plan, post
	Range   Range         // of the block's header
}

// Source says where a project's source tree comes from.
type Source struct {
	Address string // a directory, absolute once loaded, or a go-getter address
	Local   bool   // Address is a directory on this machine
	History bool   `json:",omitempty"` // not the files of the checkout that Address is the top of, but its repository
	Range   Range
}

// Trees lists all that the project's stages see of sources: its own, the repository
// of that, and the further ones.
func (p *Project) Trees() []Source {
	all := []Source{p.Source}
	if p.Git {
		all = append(all, p.Source.Repository())
	}
	for _, s := range p.Sources {
		all = append(all, s.Source)
	}
	return all
}

// Repository is the repository of a source that is a checkout.
func (s Source) Repository() Source {
	s.History = true
	return s
}

// Phase is when a stage runs and what it may touch.
type Phase string

// The phases, in the order in which they run.
const (
	Pre  Phase = "pre"  // network, no project code
	Plan Phase = "plan" // project code, no network
	Post Phase = "post" // network, no project code
)

// Phases lists all phases in order.
var Phases = []Phase{Pre, Plan, Post}

// StageID names a stage uniquely in a configuration.
type StageID struct {
	Project string
	Phase   Phase
	Name    string
	Key     string // the instance of a stage with for_each, else empty
}

// Stage is a pre, plan or post block, or one instance of it.
type Stage struct {
	ID      StageID
	Image   *Image
	Limits  Limits
	Env     map[string]string // project's and stage's, merged
	Network NetworkMode
	Allow   []Allow   `json:",omitempty"` // what its network block allows; fetching actions add to it when the stage starts
	Trust   []string  `json:",omitempty"` // files with further certificate authorities in PEM, absolute paths on this machine
	Secrets []*Secret // those it names, by address
	Actions []*Action
	When    When   // empty: WhenSuccess
	Retry   *Retry // nil: the stage is tried once
	Refs    []Ref  // other stages that this one names
	Range   Range  // of the block's header
	// Sensitive names, sorted, the variables in Env that were made from
	// sensitive variables and must not be shown.
	Sensitive []string
	Reuse     *Reuse `json:",omitempty"` // nil: as package stages decides
}

// Ref is a reference from a stage to another one.
type Ref struct {
	Stage StageID
	Kind  RefKind
	Range Range // of the expression
}

// RefKind is why one stage names another.
type RefKind string

// The kinds of reference.
const (
	RefAfter     RefKind = "after"     // order only
	RefArtifacts RefKind = "artifacts" // its artifacts are an input
)

// Action is an action block, checked against its schema.
type Action struct {
	Name    string
	Args    Args
	Env     map[string]string // of this action alone
	Timeout time.Duration     // 0: only the stage's limit
	Range   Range             // of the block's header
	// Via names the uses of user-defined actions by which it came into its
	// stage, outermost first. Range is then in the innermost one.
	Via []Call `json:",omitempty"`
	// Sensitive names the arguments, sorted, that were made from sensitive
	// variables and must not be shown; "env" stands for Env.
	Sensitive []string
}

// Image is an image block, or the built-in image when Name is empty.
type Image struct {
	Name     string
	Suite    string   // Debian suite; empty: the built-in default
	Packages []string // sorted, without duplicates; only with Debian
	Mirror   string   // archive address; empty: the host's
	Debian   bool     // a Debian root; false: the built-in image
	Range    Range
}

// Limits bound a stage. Sizes are in bytes.
type Limits struct {
	Name      string // of the limits block; empty: the defaults
	CPUs      int
	Memory    int64
	Disk      int64
	Timeout   time.Duration
	Artifacts int64
	Deps      int64
	Cache     int64
	Log       int64
	Processes int64
}

// DefaultLimits apply where a file says nothing.
func DefaultLimits() Limits {
	return Limits{
		CPUs:      1,
		Memory:    1 << 30,
		Disk:      4 << 30,
		Timeout:   30 * time.Minute,
		Artifacts: 1 << 30,
		Deps:      2 << 30,
		Cache:     1 << 30,
		Log:       16 << 20,
		Processes: 4096,
	}
}

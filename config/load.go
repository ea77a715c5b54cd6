package config

import (
	"os"
	"path/filepath"
	"slices"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/ambient-ci/ambient/config/shell"
)

// Options are what Load needs beside the files.
type Options struct {
	Actions  map[string]*ActionSchema // the actions there are, by name
	Vars     []string                 // "name=value", from -var, in order
	VarFiles []string                 // from -var-file, in order; relative to the working directory
	Environ  []string                 // "NAME=value"; only AMBIENT_VAR_… is looked at
	Version  string                   // of this program, for required_version; empty or not a version: not checked
	Home     string                   // the user's home directory, for paths that begin with "~/"; empty: not known
	// SkipSourceCheck leaves out the check that source directories exist.
	SkipSourceCheck bool
	// Files are texts that stand in for files of the directory, by base name,
	// as an editor has them before they are saved. They need not exist on disk.
	Files map[string][]byte
	// UnsetVars makes variables without a value unknown instead of wrong, so
	// that an editor, which is given none, checks the rest.
	UnsetVars bool
	// Modules gives the trees of modules from elsewhere; nil: there are none.
	Modules Modules
}

// Load reads the configuration of a directory. It returns all independent
// problems at once, sorted by place, each with a range. The Config is never
// nil: after an error it holds what is needed to show the diagnostics and
// nothing to be run. Load reads files of the directory and of Options only and
// is safe for concurrent use.
func Load(dir string, opts Options) (*Config, Diagnostics) {
	l := newLoader(dir, opts)
	if l.open() {
		defer l.root.Close()
		defer l.closeModules()
		l.load()
	}
	l.maskSensitive()
	diags := tidy(l.diags)
	redact(diags, l.cfg.secrets)
	if diags.HasErrors() {
		l.cfg.Projects = nil
	}
	return l.cfg, diags
}

// loader holds the state of one Load.
type loader struct {
	opts    Options
	cfg     *Config
	display string // the directory as the user wrote it, for file names
	root    *os.Root
	bodies  []*hclsyntax.Body
	text    int // bytes of configuration files read
	diags   Diagnostics

	functions map[string]function.Function
	vars      map[string]*node
	locals    map[string]*node
	images    map[string]*node
	limits    map[string]*node
	chain     []*node // nodes that are being evaluated
	generated int     // blocks made by dynamic blocks

	varDecls      []*variable
	imagesByName  map[string]*Image
	limitsByName  map[string]Limits
	secrets       map[string]*node   // by kind and name: "ssh.deploy"
	secretsByName map[string]*Secret // the same
	trustBlocks   []*hclsyntax.Block // at the top
	trusted       *[]string          // what they name, once it is asked for
	specs         map[*ActionSchema]*blockSpec
	scripts       map[scriptKey][]shell.Problem // what was found in scripts already
	projects      []*projectDecl
	allProjects   cty.Value // what project evaluates to, once it is asked for
	hidden        []Range   // text of sensitive values, not to be shown
	mods          module    // its place among the modules
}

func newLoader(dir string, opts Options) *loader {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	return &loader{
		opts:          opts,
		cfg:           &Config{Dir: abs, files: map[string]*hcl.File{}},
		display:       filepath.Clean(dir),
		vars:          map[string]*node{},
		locals:        map[string]*node{},
		images:        map[string]*node{},
		limits:        map[string]*node{},
		imagesByName:  map[string]*Image{},
		limitsByName:  map[string]Limits{},
		secrets:       map[string]*node{},
		secretsByName: map[string]*Secret{},
		mods:          newModule(),
	}
}

func (l *loader) add(diags ...*Diagnostic) { l.diags = append(l.diags, diags...) }

// read matches a body against a spec and reports what does not fit.
func (l *loader) read(spec *blockSpec, body *hclsyntax.Body, header Range) content {
	c, diags := spec.read(body, header)
	l.add(diags...)
	return c
}

// open opens the directory and reports whether it could.
func (l *loader) open() bool {
	root, err := os.OpenRoot(l.cfg.Dir)
	if err != nil {
		l.add(Errorf(dirRange(l.display), "Unreadable directory", "The directory can not be opened: %s. Give the directory of the configuration with -chdir=DIR.", cause(err)))
		return false
	}
	l.root = root
	return true
}

func (l *loader) load() {
	l.parseDir()
	unreadable := l.diags.HasErrors()
	if l.tooOld() || unreadable {
		return
	}
	l.functions = functions(l.root)
	l.declareAll()
	l.openModules()
	l.evaluateNodes()
	l.evaluateModules()
	l.checkActions()
	l.topTrust()
	l.evaluateProjects()
	if !l.diags.HasErrors() {
		l.warnUnused()
	}
}

// declareAll registers every block, so that references work in any order.
func (l *loader) declareAll() {
	for _, body := range l.bodies {
		for _, b := range l.read(top, body, body.MissingItemRange()).blocks {
			l.declareBlock(b)
		}
	}
	if len(l.projects) == 0 && !l.diags.HasErrors() {
		l.add(Errorf(l.bodies[0].MissingItemRange(), "No project", "There is no project in these files, and so nothing to do. The smallest one is:\n\n%s", smallest))
	}
}

func (l *loader) declareBlock(b *hclsyntax.Block) {
	switch b.Type {
	case ambientSpec.Name:
		l.read(ambientSpec, b.Body, b.DefRange())
	case variableSpec.Name:
		l.declareVariable(b)
	case localsSpec.Name:
		l.declareLocals(b)
	case actionSpec.Name:
		l.declareAction(b)
	case useSpec.Name:
		l.declareUse(b)
	case imageSpec.Name:
		l.declareImage(b)
	case limitsSpec.Name:
		l.declareLimits(b)
	case projectSpec.Name:
		l.declareProject(b)
	case secretSpec.Name:
		l.declareSecret(b)
	case trustSpec.Name:
		l.trustBlocks = append(l.trustBlocks, b)
	}
}

// evaluateNodes gives every named value its value, used or not, so that all
// that is wrong comes out.
func (l *loader) evaluateNodes() {
	l.assignVariables()
	for _, nodes := range []map[string]*node{l.vars, l.locals, l.images, l.limits, l.secrets} {
		for _, n := range sortedNodes(nodes) {
			l.force(n, n.rng)
		}
	}
	l.validateVariables()
}

// maskSensitive overwrites, in the text kept for diagnostics, the places where
// sensitive values stand.
func (l *loader) maskSensitive() {
	for _, r := range l.hidden {
		f := l.cfg.files[r.Filename]
		if f == nil || r.End.Byte > len(f.Bytes) {
			continue
		}
		masked := *f
		masked.Bytes = slices.Clone(f.Bytes)
		for i := r.Start.Byte; i < r.End.Byte; i++ {
			if masked.Bytes[i] != '\n' {
				masked.Bytes[i] = '*'
			}
		}
		l.cfg.files[r.Filename] = &masked
	}
	sort.Strings(l.cfg.secrets)
	l.cfg.secrets = slices.Compact(l.cfg.secrets)
}

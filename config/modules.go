package config

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Modules gives Load the trees of modules from elsewhere.
type Modules interface {
	// Find returns the directory that holds exactly the content of a digest. It
	// asks nobody. An error is ErrNoModule, ErrModuleChanged or the machine's.
	Find(digest string) (dir string, err error)
}

// Errors of Modules.
var (
	ErrNoModule      = errors.New("the content is not on this machine")
	ErrModuleChanged = errors.New("the content on this machine is not what it was")
)

// Bounds of modules.
const (
	maxModules     = 200 // uses of modules in a configuration, those inside modules included
	maxModuleDepth = 16  // modules inside each other
	maxAddress     = 2048
)

// useSpec brings a module in.
var useSpec = &blockSpec{
	Name: "use", Labels: []string{"name"}, Open: true,
	Doc: "Brings in a module: a directory of `*.ambient.hcl` files with `action`, `locals`, `variable` and `use` blocks. Its actions are used as " +
		"`action \"NAME.ACTION\" { … }`. Every argument but `source` sets the module's variable of that name. A module from elsewhere is pinned in " +
		"`ambient.lock.hcl`, which `ambient init` writes.",
	Example: "use \"lib\" {\n  source = \"git::https://example.org/ci-lib.git?ref=v1\"\n}",
	Args: []argSpec{
		{Name: "source", Type: "string", Required: true, Doc: "`./DIR`, a directory below that of the configuration, or a go-getter address: git, or an archive over https; `//DIR` at the end of the path names a part of the tree. A literal string."},
	},
}

const notInModule = "A module holds the blocks action, locals, variable and use only. Declare it in the configuration that uses the module."

// moduleTop is the body of a file of a module.
var moduleTop = &blockSpec{Name: "module", Module: true, Blocks: []*blockSpec{
	ambientSpec, variableSpec, localsSpec, actionSpec, useSpec,
	{Name: "project", Never: notInModule},
	{Name: "image", Never: notInModule},
	{Name: "limits", Never: notInModule},
	{Name: "secret", Never: notInModule},
	{Name: "trust", Never: notInModule},
}}

// moduleTree is what all modules of one Load share.
type moduleTree struct {
	// resolve finds the tree of an address; ok is false after a report.
	resolve  func(l *loader, u *useDecl) (dir, id string, ok bool)
	usesOnly bool // only use blocks are of interest
	all      []*loader
	text     int   // bytes of configuration files read
	lock     *Lock // nil: not read yet
	badLock  bool  // the lock file is wrong, which has been reported
	expanded int   // actions made of user-defined ones
}

// module is the place of a loader among the modules.
type module struct {
	tree    *moduleTree
	parent  *loader
	path    string      // below the directory of its package
	pkg     *loader     // the loader at the top of the tree that it lies in; nil: this one
	id      string      // of the package: a digest; empty: the configuration's own
	info    os.FileInfo // of the directory
	chain   []string    // names of the uses that led here
	uses    []*useDecl
	actions map[string]*actionDecl
	order   []*actionDecl
	broken  bool // its files are wrong, which has been reported
}

// useDecl is a use block.
type useDecl struct {
	name    string
	rng     Range // of the label
	block   *hclsyntax.Block
	content content
	source  string
	child   *loader // nil: it could not be opened
}

func newModule() module {
	m := module{tree: &moduleTree{}, actions: map[string]*actionDecl{}}
	m.tree.resolve = resolveLocked
	return m
}

func (m *module) use(name string) *useDecl {
	for _, u := range m.uses {
		if u.name == name {
			return u
		}
	}
	return nil
}

func (m *module) useNames() []string {
	var names []string
	for _, u := range m.uses {
		names = append(names, u.name)
	}
	return names
}

// declareUse registers a use block.
func (l *loader) declareUse(b *hclsyntax.Block) {
	u := &useDecl{name: b.Labels[0], rng: b.LabelRanges[0], block: b}
	u.content = l.read(useSpec, b.Body, b.DefRange())
	if old := l.mods.use(u.name); old != nil {
		l.add(duplicate(u.rng, old.rng, "module", u.name))
		return
	}
	for _, inner := range b.Body.Blocks {
		l.add(Errorf(inner.TypeRange, "Unknown block", "A use block holds arguments only: source, and the variables of the module."))
	}
	if a := u.content.attrs["source"]; a != nil {
		u.source = l.moduleSource(a)
	}
	l.mods.uses = append(l.mods.uses, u)
}

// moduleSource reads the address of a module, "" after a report. It must be
// plain text, so that it can be fetched before anything is evaluated.
func (l *loader) moduleSource(a *hclsyntax.Attribute) string {
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		l.add(Errorf(exprRange(a), "Invalid source", "The source of a module is a text without references, such as \"./lib\" or \"git::https://example.org/ci-lib.git?ref=v1\"."))
		return ""
	}
	s := v.AsString()
	if s == "" || len(s) > maxAddress || printable(s) != s || strings.ContainsAny(s, "\n\x00") {
		l.add(Errorf(exprRange(a), "Invalid source", "The source of a module has 1 to %d bytes of printable text.", maxAddress))
		return ""
	}
	return s
}

// isLocal reports whether a source is a directory of the same tree.
func isLocal(source string) bool {
	first, _, _ := strings.Cut(source, "/")
	return first == "." || first == ".."
}

// openModules reads the modules that are used, and those that they use.
func (l *loader) openModules() {
	if l.mods.parent == nil {
		l.mods.info, _ = l.root.Stat(".")
		l.mods.tree.text = l.text
	}
	for _, u := range l.mods.uses {
		if u.source == "" {
			continue
		}
		if u.child = l.openModule(u); u.child != nil {
			u.child.declareModule(exprRange(u.content.attrs["source"]))
			u.child.openModules()
			l.absorb(u.child)
		}
	}
}

// absorb takes over what a module reported.
func (l *loader) absorb(child *loader) {
	child.mods.broken = child.mods.broken || child.diags.HasErrors()
	l.diags = append(l.diags, child.diags...)
	l.hidden = append(l.hidden, child.hidden...)
	child.diags, child.hidden = nil, nil
}

// openModule opens the directory of a module; nil after a report.
func (l *loader) openModule(u *useDecl) *loader {
	at := exprRange(u.content.attrs["source"])
	t := l.mods.tree
	switch {
	case len(l.mods.chain) >= maxModuleDepth:
		l.add(Errorf(at, "Modules nested too deep", "More than %d modules use each other in a chain: %s. Make the chain shorter.", maxModuleDepth, strings.Join(l.mods.chain, " → ")))
		return nil
	case len(t.all) >= maxModules:
		l.add(Errorf(at, "Too many modules", "A configuration can use at most %d modules, those inside modules included.", maxModules))
		return nil
	}
	var m *loader
	if isLocal(u.source) {
		m = l.localModule(u, at)
	} else {
		m = l.remoteModule(u, at)
	}
	if m == nil {
		return nil
	}
	m.mods.parent, m.mods.tree = l, t
	m.mods.chain = append(slices.Clone(l.mods.chain), u.name)
	t.all = append(t.all, m)
	if circle := m.moduleCircle(u); circle != "" {
		l.add(Errorf(at, "Circular modules", "The module uses itself: %s. Remove one of these uses.", circle))
		return nil
	}
	return m
}

// moduleCircle returns the path from a module back to itself, "" if there is none.
func (l *loader) moduleCircle(u *useDecl) string {
	words := []string{fmt.Sprintf("%s (%s)", u.name, place(u.rng))}
	for up := l.mods.parent; up != nil; up = up.mods.parent {
		name := "the configuration"
		if p := up.mods.parent; p != nil {
			name = up.mods.chain[len(up.mods.chain)-1]
			if own := p.mods.use(name); own != nil {
				name = fmt.Sprintf("%s (%s)", name, place(own.rng))
			}
		}
		words = append(words, name)
		if os.SameFile(up.mods.info, l.mods.info) {
			slices.Reverse(words)
			return strings.Join(words, " → ")
		}
	}
	return ""
}

// localModule opens a directory of the tree in which the user of the module
// lies.
func (l *loader) localModule(u *useDecl, at Range) *loader {
	pkg := l
	if l.mods.pkg != nil {
		pkg = l.mods.pkg
	}
	rel := path.Join(l.mods.path, u.source)
	if !filepath.IsLocal(rel) {
		where := "the directory of the configuration"
		if pkg.mods.id != "" {
			where = "the tree of its own module, since only that is pinned"
		}
		l.add(Errorf(at, "Module outside its tree", "A directory of a module must lie inside %s. Move it there, or give it an address of its own, such as git::https://….", where))
		return nil
	}
	root, err := pkg.root.OpenRoot(filepath.FromSlash(rel))
	if err != nil {
		l.add(Errorf(at, "Unreadable module", "The directory of the module can not be opened: %s. The path is relative to the directory of this file.", cause(err)))
		return nil
	}
	m := l.child(root, filepath.Join(pkg.display, rel))
	m.mods.pkg, m.mods.path, m.mods.id = pkg, rel, pkg.mods.id
	return m
}

// remoteModule opens the tree of an address.
func (l *loader) remoteModule(u *useDecl, at Range) *loader {
	if info, err := l.root.Stat(filepath.FromSlash(u.source)); err == nil && info.IsDir() {
		l.add(Errorf(at, "Invalid source", "A directory is written with \"./\" before it. Did you mean \"./%s\"?", path.Clean(u.source)))
		return nil
	}
	dir, id, ok := l.mods.tree.resolve(l, u)
	if !ok {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		l.add(Errorf(at, "Unreadable module", "The fetched module can not be opened: %s. Run ambient init.", cause(err)))
		return nil
	}
	// The name of a file must not depend on where this machine keeps it.
	m := l.child(root, filepath.Join(l.top().display, "use."+strings.Join(append(slices.Clone(l.mods.chain), u.name), ".")))
	m.mods.id = id
	return m
}

// top returns the loader of the configuration itself.
func (l *loader) top() *loader {
	for l.mods.parent != nil {
		l = l.mods.parent
	}
	return l
}

// child makes the loader of a module.
func (l *loader) child(root *os.Root, display string) *loader {
	m := newLoader(".", Options{Actions: l.opts.Actions, Version: l.opts.Version, UnsetVars: l.opts.UnsetVars})
	m.cfg, m.display, m.root = l.cfg, display, root
	m.mods.info, _ = root.Stat(".")
	m.mods.tree = l.mods.tree
	return m
}

// declareModule reads the files of a module and registers what they hold.
func (l *loader) declareModule(at Range) {
	l.parseModule(at)
	if l.diags.HasErrors() || l.tooOld() {
		l.mods.broken = true
		return
	}
	if l.mods.tree.usesOnly {
		l.declareUses()
		return
	}
	l.functions = functions(l.root)
	for _, body := range l.bodies {
		for _, b := range l.read(moduleTop, body, body.MissingItemRange()).blocks {
			l.declareBlock(b)
		}
	}
}

// declareUses registers the use blocks alone: what else is wrong is not looked
// at.
func (l *loader) declareUses() {
	for _, body := range l.bodies {
		for _, b := range body.Blocks {
			if b.Type != useSpec.Name {
				continue
			}
			if d := useSpec.checkLabels(b); d != nil {
				l.add(d)
				continue
			}
			l.declareUse(b)
		}
	}
}

// parseModule parses the files of a module: a file ambient.hcl beside them is a
// configuration of its own and no part of the module.
func (l *loader) parseModule(at Range) {
	names, err := listFiles(l.root)
	names = slices.DeleteFunc(names, func(n string) bool { return n == FileName })
	switch {
	case err != nil:
		l.add(Errorf(at, "Unreadable module", "The directory of the module can not be read: %s.", cause(err)))
	case len(names) == 0:
		l.add(Errorf(at, "Empty module", "There is no file *.%s in the directory of the module. Its actions stand in such a file, module.%s for example.", FileName, FileName))
	case len(names) > maxFiles:
		l.add(Errorf(at, "Too many files", "At most %d files are read from a module. Merge some.", maxFiles))
	default:
		l.text = l.mods.tree.text
		for _, name := range names {
			l.parseFile(name)
		}
		l.mods.tree.text = l.text
	}
}

// closeModules closes the directories of all modules.
func (l *loader) closeModules() {
	for _, m := range l.mods.tree.all {
		m.root.Close()
	}
}

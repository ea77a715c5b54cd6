package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// LockName is the name of the file that pins modules from elsewhere.
const LockName = "ambient.lock.hcl"

// lockFormat is raised when an older program could not obey a lock file.
const lockFormat = 1

// Lock is what a lock file says.
type Lock struct {
	Modules []LockedModule // sorted by source, each source once
}

// LockedModule pins what an address means.
type LockedModule struct {
	Source string   // as in the use block
	Commit string   // of a git repository; empty: the address is no repository's
	Digest string   // of the content: "sha256:" and 64 hexadecimal digits
	Users  []string // names of the uses, for a comment; not read back
}

// find returns the entry of an address, nil if there is none.
func (k *Lock) find(source string) *LockedModule {
	for i := range k.Modules {
		if k.Modules[i].Source == source {
			return &k.Modules[i]
		}
	}
	return nil
}

const lockHead = `# Written by "ambient init"; do not edit, but commit it with the configuration.
# It pins the content of every module from elsewhere, and nothing else is used.
# "ambient init -upgrade" looks again what the addresses mean.

format = %d
`

// Text writes the lock file. The same modules give the same text.
func (k *Lock) Text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, lockHead, lockFormat)
	modules := slices.Clone(k.Modules)
	slices.SortFunc(modules, func(a, b LockedModule) int { return strings.Compare(a.Source, b.Source) })
	for _, m := range modules {
		b.WriteByte('\n')
		if len(m.Users) > 0 {
			fmt.Fprintf(&b, "# %s\n", strings.Join(sorted(m.Users), ", "))
		}
		fmt.Fprintf(&b, "module %s {\n", Quote(m.Source))
		if m.Commit != "" {
			fmt.Fprintf(&b, "  commit = %s\n", Quote(m.Commit))
		}
		fmt.Fprintf(&b, "  digest = %s\n}\n", Quote(m.Digest))
	}
	return b.Bytes()
}

var (
	digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	commitPattern = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

const lockRemedy = "Restore the file from version control, or remove it and run ambient init, which looks again what the addresses mean."

// readLock reads the lock file of the configuration; nil after a report. A file
// that is not there is an empty one.
func (l *loader) readLock() *Lock {
	shown := filepath.Join(l.display, LockName)
	src, err := readBounded(l.root, LockName, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		if _, lerr := l.root.Lstat(LockName); lerr != nil {
			return &Lock{}
		}
	}
	if err != nil {
		l.add(Errorf(fileRange(shown), "Unreadable lock file", "The file can not be read: %s. %s", cause(err), lockRemedy))
		return nil
	}
	before := len(l.diags)
	body := l.parse(src, shown)
	if body == nil || l.diags[before:].HasErrors() {
		return nil
	}
	k := &Lock{}
	l.lockFormat(body)
	for _, b := range body.Blocks {
		if m, ok := l.lockedModule(b); ok && k.find(m.Source) == nil {
			k.Modules = append(k.Modules, m)
		} else if ok {
			l.badLock(b.LabelRanges[0], "The address stands here twice.")
		}
	}
	if l.diags[before:].HasErrors() {
		return nil
	}
	return k
}

func (l *loader) badLock(at Range, why string) {
	l.add(Errorf(at, "Invalid lock file", "%s %s", why, lockRemedy))
}

func (l *loader) lockFormat(body *hclsyntax.Body) {
	for _, a := range sortedAttrs(body) {
		if a.Name != "format" {
			l.badLock(a.NameRange, "A lock file has no such argument.")
		}
	}
	a := body.Attributes["format"]
	if a == nil {
		l.badLock(hcl.RangeBetween(body.SrcRange, body.SrcRange), "It does not say its format.")
		return
	}
	v, diags := a.Expr.Value(nil)
	n, err := int64(0), error(nil)
	if !diags.HasErrors() && v.IsKnown() && !v.IsNull() && v.Type() == cty.Number {
		n, err = wholeNumber(v)
	}
	switch {
	case n > lockFormat:
		l.add(Errorf(exprRange(a), "Lock file of a newer version", "This version of ambient reads format %d. Install a newer one.", lockFormat))
	case n != lockFormat || err != nil:
		l.badLock(exprRange(a), "There is no such format.")
	}
}

// lockedModule reads one entry.
func (l *loader) lockedModule(b *hclsyntax.Block) (m LockedModule, ok bool) {
	switch {
	case b.Type != "module" || len(b.Labels) != 1:
		l.badLock(b.DefRange(), "A lock file holds blocks module \"ADDRESS\" only.")
		return m, false
	case len(b.Body.Blocks) > 0:
		l.badLock(b.Body.Blocks[0].DefRange(), "An entry holds commit and digest only.")
		return m, false
	}
	m.Source, ok = b.Labels[0], true
	for _, a := range sortedAttrs(b.Body) {
		v, diags := a.Expr.Value(nil)
		text := ""
		if !diags.HasErrors() && v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
			text = v.AsString()
		}
		switch {
		case a.Name == "digest" && digestPattern.MatchString(text):
			m.Digest = text
		case a.Name == "commit" && commitPattern.MatchString(text):
			m.Commit = text
		case a.Name == "digest":
			l.badLock(exprRange(a), "A digest is \"sha256:\" and 64 hexadecimal digits.")
			ok = false
		case a.Name == "commit":
			l.badLock(exprRange(a), "A commit has 40 or 64 hexadecimal digits.")
			ok = false
		default:
			l.badLock(a.NameRange, "An entry holds commit and digest only.")
			ok = false
		}
	}
	if ok && m.Digest == "" {
		l.badLock(b.DefRange(), "The entry has no digest.")
		ok = false
	}
	return m, ok
}

// locked returns the lock file, read once; nil when it is wrong.
func (l *loader) locked() *Lock {
	t := l.mods.tree
	if t.lock == nil && !t.badLock {
		t.lock = l.top().readLock()
		t.badLock = t.lock == nil
	}
	return t.lock
}

// resolveLocked finds the tree of an address as the lock file pins it. It never
// fetches anything: what a patch names must not be asked for before someone ran
// ambient init.
func resolveLocked(l *loader, u *useDecl) (dir, id string, ok bool) {
	at := exprRange(u.content.attrs["source"])
	lock := l.locked()
	if lock == nil {
		return "", "", false
	}
	pin := lock.find(u.source)
	if pin == nil {
		l.add(Errorf(at, "Module not locked", "%s has no entry for this address, so what it means is not known. Run ambient init, look at what it fetched, and commit the file.", LockName))
		return "", "", false
	}
	if l.opts.Modules == nil {
		l.add(Errorf(at, "Module not here", "Modules from elsewhere can not be looked up here. Copy what you need into this directory."))
		return "", "", false
	}
	dir, err := l.opts.Modules.Find(pin.Digest)
	switch {
	case errors.Is(err, ErrNoModule):
		l.add(Errorf(at, "Module not fetched", "The content that %s pins for this address is not on this machine. Run ambient init.", LockName))
	case errors.Is(err, ErrModuleChanged):
		l.add(Errorf(at, "Module changed", "What was fetched for this address is not any more what %s pins: someone changed it on this machine. Run ambient init, which fetches it again.", LockName))
	case err != nil:
		l.add(Errorf(at, "Unreadable module", "What was fetched for this address can not be read: %s. Run ambient init.", cause(err)))
	}
	return dir, pin.Digest, err == nil
}

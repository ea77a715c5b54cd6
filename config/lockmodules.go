package config

import (
	"errors"
	"fmt"
	"strings"
)

// Fetcher gets modules from elsewhere, for LockModules.
type Fetcher interface {
	// Fetch gets the content of an address: that of the commit, or when it is
	// empty what the address means now. A *ModuleError is the user's to mend;
	// any other error is the machine's.
	Fetch(address, commit string) (FetchedModule, error)
}

// FetchedModule is the content of an address.
type FetchedModule struct {
	Dir    string // where it is now; it does not change
	Commit string // for a git repository
	Digest string // as Modules.Find takes it
}

// ModuleError says why an address has no content.
type ModuleError struct {
	Summary string // a few words, without values
	Detail  string // what to do
}

func (e *ModuleError) Error() string { return e.Summary + ": " + e.Detail }

// LockResult is what LockModules found.
type LockResult struct {
	Lock    *Lock  // what the lock file should say
	Old     *Lock  // what it says
	Text    []byte // the new file; nil: there is nothing to lock, and no file
	Changed bool   // the file must be written
}

// LockModules fetches all modules from elsewhere that the configuration of a
// directory uses, those in modules included, and works out the lock file. What
// is locked stays as it is unless upgrade is set. It evaluates nothing, so that
// variables need no value. The result is nil when there are errors; err is the
// machine's failure. The Config is for showing the diagnostics.
func LockModules(dir string, opts Options, upgrade bool, f Fetcher) (r *LockResult, c *Config, diags Diagnostics, err error) {
	l := newLoader(dir, opts)
	if l.open() {
		defer l.root.Close()
		defer l.closeModules()
		k := &locker{fetcher: f, upgrade: upgrade, new: &Lock{}, dirs: map[string]string{}, failed: map[string]bool{}}
		l.mods.tree.usesOnly, l.mods.tree.resolve = true, k.resolve
		l.parseDir()
		if unreadable := l.diags.HasErrors(); !l.tooOld() && !unreadable {
			l.declareUses()
			l.openModules()
		}
		r, err = k.result(l)
	}
	diags = tidy(l.diags)
	if diags.HasErrors() || err != nil {
		r = nil
	}
	return r, l.cfg, diags, err
}

// locker makes a lock file.
type locker struct {
	fetcher Fetcher
	upgrade bool
	new     *Lock
	dirs    map[string]string // by source
	failed  map[string]bool   // by source: reported, and not asked for again
	err     error             // the machine's failure
}

func (k *locker) result(l *loader) (*LockResult, error) {
	if k.err != nil || l.diags.HasErrors() {
		return nil, k.err
	}
	old := l.locked()
	if old == nil {
		return nil, nil
	}
	before, err := readBounded(l.root, LockName, maxFile)
	r := &LockResult{Lock: k.new, Old: old}
	if err == nil || len(k.new.Modules) > 0 {
		r.Text = k.new.Text()
		r.Changed = string(before) != string(r.Text)
	}
	return r, nil
}

// resolve fetches the tree of an address and adds it to the new lock.
func (k *locker) resolve(l *loader, u *useDecl) (dir, id string, ok bool) {
	old := l.locked()
	if old == nil || k.err != nil || k.failed[u.source] {
		return "", "", false
	}
	user := strings.Join(append(append([]string{}, l.mods.chain...), u.name), ".")
	if m := k.new.find(u.source); m != nil {
		m.Users = append(m.Users, user)
		return k.dirs[u.source], m.Digest, true
	}
	pin := old.find(u.source)
	if k.upgrade || pin == nil {
		pin = &LockedModule{}
	}
	got, err := k.fetcher.Fetch(u.source, pin.Commit)
	at := exprRange(u.content.attrs["source"])
	k.failed[u.source] = true
	var wrong *ModuleError
	switch {
	case errors.As(err, &wrong):
		l.add(Errorf(at, wrong.Summary, "%s", wrong.Detail))
		return "", "", false
	case err != nil:
		k.err = fmt.Errorf("module %s: %w", u.name, err)
		return "", "", false
	case pin.Digest != "" && pin.Digest != got.Digest:
		l.add(Errorf(at, "Module changed", "The content of this address is not what %s pins. Someone changed the module, or the lock file. If that is right, run ambient init -upgrade, and look at what is new.", LockName))
		return "", "", false
	}
	k.failed[u.source] = false
	k.new.Modules = append(k.new.Modules, LockedModule{Source: u.source, Commit: got.Commit, Digest: got.Digest, Users: []string{user}})
	k.dirs[u.source] = got.Dir
	return got.Dir, got.Digest, true
}

package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/source"
)

// modules gives config the modules that are kept on this machine, and fetches
// them for init.
type modules struct {
	ctx  context.Context
	home func() (*home.Home, error)
}

func (a *app) modules() modules { return modules{a.ctx, a.home} }

// Find implements config.Modules.
func (m modules) Find(digest string) (string, error) {
	h, err := m.home()
	if err != nil {
		return "", err
	}
	dir, err := source.FindModule(h, digest)
	switch {
	case errors.Is(err, source.ErrNoModule):
		return "", config.ErrNoModule
	case errors.Is(err, source.ErrModuleChanged):
		return "", config.ErrModuleChanged
	}
	return dir, err
}

// Fetch implements config.Fetcher.
func (m modules) Fetch(address, commit string) (config.FetchedModule, error) {
	h, err := m.home()
	if err != nil {
		return config.FetchedModule{}, err
	}
	got, err := source.FetchModule(m.ctx, h, address, commit)
	var wrong *source.AddressError
	var failed *source.FetchError
	switch {
	case m.ctx.Err() != nil:
		err = m.ctx.Err()
	case errors.As(err, &wrong):
		err = &config.ModuleError{Summary: "Invalid module address", Detail: "The address can not be used: " + wrong.Why + "."}
	case errors.As(err, &failed) && failed.Final:
		err = &config.ModuleError{Summary: "Module can not be fetched", Detail: failed.Error() + "."}
	case errors.As(err, &failed):
		err = &config.ModuleError{Summary: "Module can not be fetched", Detail: failed.Error() + ". Check the address and the network, and try again."}
	}
	return config.FetchedModule{Dir: got.Dir, Commit: got.Commit, Digest: got.Digest}, err
}

// initModules fetches the modules from elsewhere that the configuration in dir
// uses and writes the lock file, which plan and apply obey. What is locked stays
// as it is unless upgrade is set. First is a file of the configuration.
func (a *app) initModules(dir, first string, upgrade bool) error {
	r, cfg, diags, err := config.LockModules(dir, a.configOptions(variables{}), upgrade, a.modules())
	diagnostics{cfg, diags}.print(a.err)
	switch {
	case err != nil:
		return err
	case diags.HasErrors():
		return errConfiguration
	case r.Text == nil:
		a.out.printf("%s is there already: nothing was written.\n", safe(first))
		return nil
	}
	if r.Changed {
		if err := writeLock(filepath.Join(dir, config.LockName), r.Text); err != nil {
			return err
		}
	}
	a.printLocked(r)
	return nil
}

// writeLock puts the lock file in place, readable for everyone, as is what it
// stands beside.
func writeLock(path string, text []byte) error {
	if err := home.WriteFile(path, text, 0o644); err != nil {
		return usagef("The lock file can not be written: %v.", err)
	}
	return nil
}

// printLocked says what is new.
func (a *app) printLocked(r *config.LockResult) {
	for _, m := range r.Lock.Modules {
		version := m.Digest
		if m.Commit != "" {
			version = "commit " + m.Commit
		}
		a.out.printf("%s %s: %s\n", lockVerb(r.Old, m), safe(m.Source), version)
	}
	for _, old := range r.Old.Modules {
		if lockVerb(r.Lock, old) == "Locked" {
			a.out.printf("Removed %s\n", safe(old.Source))
		}
	}
	if r.Changed {
		a.out.printf("Wrote %s: commit it with the configuration.\n", config.LockName)
	}
}

// lockVerb says how a module stands to a lock.
func lockVerb(k *config.Lock, m config.LockedModule) string {
	for _, old := range k.Modules {
		switch {
		case old.Source != m.Source:
		case old.Digest == m.Digest:
			return "Kept"
		default:
			return "Changed"
		}
	}
	return "Locked"
}

package main

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/results"
	"github.com/ambient-ci/ambient/runner"
)

// forceFlag is -force, which means every stage, and -force=STAGE, which may be
// repeated.
type forceFlag struct {
	all   bool
	names []string
}

func (f *forceFlag) String() string { return "" }

// IsBoolFlag lets it stand without a value (package flag).
func (f *forceFlag) IsBoolFlag() bool { return true }

// Set takes "true" from package flag for -force alone.
func (f *forceFlag) Set(s string) error {
	switch s {
	case "true":
		f.all = true
	case "false":
		*f = forceFlag{}
	default:
		f.names = append(f.names, s)
	}
	return nil
}

// stages returns which stages are forced, nil when none is.
func (f *forceFlag) stages(cfg *config.Config) (func(config.StageID) bool, error) {
	forced := map[config.StageID]bool{}
	for _, name := range f.names {
		found, err := cfg.FindStages(name)
		if err != nil {
			return nil, usagef("-force: %v", err)
		}
		for _, s := range found {
			forced[s.ID] = true
		}
	}
	if !f.all && len(forced) == 0 {
		return nil, nil
	}
	return func(id config.StageID) bool { return f.all || forced[id] }, nil
}

// predict looks for results that apply would use, and changes nothing.
func (c planCommand) predict(l *loaded) error {
	h, err := c.home()
	if err != nil {
		return nil // apply will say so
	}
	store := results.NewStore(h)
	if store.Empty() {
		return nil
	}
	id := c.parts.identifier(h)
	id.Look = true
	u := &results.Reuser{Store: store, Identifier: id}
	ctx, _, stop := c.interruptible(func(string) {})
	defer stop()
	l.predicted = u.Predict(ctx, l.graph)
	return ctx.Err()
}

// reuser is what finds and keeps results in a run.
func (r *applyRun) reuser(h *home.Home, id *runner.Identifier) (*results.Reuser, error) {
	forced, err := r.opts.force.stages(r.cfg)
	return &results.Reuser{Store: results.NewStore(h), Identifier: id, Forced: forced}, err
}

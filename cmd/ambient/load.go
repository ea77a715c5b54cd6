package main

import (
	"os"
	"runtime/debug"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/results"
	"github.com/ambient-ci/ambient/stages"
)

// loaded is a configuration that has no errors, and its graph.
type loaded struct {
	cfg   *config.Config
	graph *stages.Graph

	whole   *loaded                   // nil: these are all stages
	reasons map[config.StageID]string // why a stage is among the targets; nil: no targets

	predicted map[config.StageID]results.Prediction // what becomes of each stage; nil: nothing is known of earlier results

	families map[config.StageID][]string // instances by the stage without its key; filled when asked for
}

// load reads and checks the configuration and prints what is wrong with it.
// The error is errConfiguration when that is more than warnings.
func (a *app) load(vars variables) (*loaded, error) {
	l, diags, err := a.check(vars)
	if err != nil {
		return nil, err
	}
	diags.print(a.err)
	if diags.diags.HasErrors() {
		return nil, errConfiguration
	}
	return l, nil
}

// loadGC lets the heap grow more than usual while a configuration is loaded: most
// of it stays in use, and looking for garbage took a fifth of the time.
const loadGC = 400

// check is load without printing: with errors among the diagnostics, there is
// nothing loaded.
func (a *app) check(vars variables) (*loaded, diagnostics, error) {
	dir, err := a.dir()
	if err != nil {
		return nil, diagnostics{}, err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(loadGC))
	cfg, diags := config.Load(dir, a.configOptions(vars))
	if diags.HasErrors() {
		return nil, diagnostics{cfg, diags}, nil
	}
	graph, more := stages.Build(cfg)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return nil, diagnostics{cfg, diags}, nil
	}
	return &loaded{cfg: cfg, graph: graph}, diagnostics{cfg, diags}, nil
}

func (a *app) configOptions(vars variables) config.Options {
	opts := config.Options{
		Actions: actions.Schemas(),
		Vars:    vars.values,
		Environ: os.Environ(),
		Version: programVersion(),
		Modules: a.modules(),
	}
	opts.Home, _ = os.UserHomeDir() // without it, files that need it are told so
	if vars.environ != nil {
		opts.Environ = vars.environ
	}
	for _, f := range vars.files {
		opts.VarFiles = append(opts.VarFiles, a.path(f))
	}
	return opts
}

// actionTitle is what an action is called in a plan: "go_build ./...". Only the
// name is known of one whose arguments are not to be shown.
func actionTitle(action *config.Action) string {
	return action.Prefix() + ownTitle(action)
}

func ownTitle(action *config.Action) string {
	if len(action.Sensitive) > 0 {
		return action.Name
	}
	if d := actions.Lookup(action.Name); d != nil && d.Title != nil {
		if title := d.Title(action.Args); title != "" {
			return title
		}
	}
	return action.Name
}

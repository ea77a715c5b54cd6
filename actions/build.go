package actions

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// Build returns what the guest runs for the actions of a stage. Env is the
// environment of the whole stage (guest.Plan.Env): what it sets, or an earlier
// setenv, wins over what an action would set for itself, and the env of an
// action block wins over all. An error is the machine's and makes the stage
// errored.
func Build(stage *config.Stage, env map[string]string, host Host) ([]guest.Action, error) {
	host = stageHost{host, stage.Image}
	var all []guest.Action
	later := map[string]string{}
	for _, a := range stage.Actions {
		d := Lookup(a.Name)
		if d == nil {
			return nil, fmt.Errorf("there is no action %q", a.Name)
		}
		steps, err := d.Steps(a.Args, host)
		if err != nil {
			return nil, fmt.Errorf("action %s: %w", a.Name, err)
		}
		addEnv(steps, d.actionEnv(a.Args), env, later, a.Env)
		one := guest.Action{Name: a.Name, Title: Title(a), Timeout: a.Timeout, Steps: steps}
		if d.Reports != nil {
			one.Reports = d.Reports(a.Args)
		}
		all = append(all, one)
		later = d.later(a.Args, env, later)
	}
	return all, nil
}

// later returns the variables that the actions after this one find set, beside
// those of the stage. It changes neither.
func (d *Definition) later(args config.Args, stage, set map[string]string) map[string]string {
	set = maps.Clone(set)
	if d.SetEnv != nil {
		maps.Copy(set, d.SetEnv(args))
	}
	if d.Path != nil {
		now, ok := set["PATH"]
		if !ok {
			now = stage["PATH"]
		}
		set["PATH"] = d.PathBefore(args, now)
	}
	return set
}

// PathBefore returns the value of PATH with the action's directories before
// those that it has.
func (d *Definition) PathBefore(args config.Args, path string) string {
	if d.Path == nil {
		return path
	}
	dirs := d.Path(args)
	if path != "" {
		dirs = append(slices.Clone(dirs), path)
	}
	return strings.Join(dirs, ":")
}

// Title returns a short description of an action for logs.
func Title(a *config.Action) string {
	if d := Lookup(a.Name); d != nil && d.Title != nil {
		return a.Prefix() + d.Title(a.Args)
	}
	return a.Prefix() + a.Name
}

func (d *Definition) actionEnv(args config.Args) map[string]string {
	if d.Env == nil {
		return nil
	}
	return d.Env(args)
}

// addEnv completes the environment of every program of the steps: defaults of
// the action where the stage has none, then what earlier actions set, then the
// step's own, then the user's.
func addEnv(steps []guest.Step, defaults, stage, set, user map[string]string) {
	for _, s := range steps {
		if s.Exec == nil {
			continue
		}
		env := map[string]string{}
		for name, value := range defaults {
			if _, set := stage[name]; !set {
				env[name] = value
			}
		}
		for _, from := range []map[string]string{set, s.Exec.Env, user} {
			for name, value := range from {
				env[name] = value
			}
		}
		if s.Exec.Env = env; len(env) == 0 {
			s.Exec.Env = nil
		}
	}
}

// stageHost answers questions about Debian for the image of a stage.
type stageHost struct {
	Host
	image *config.Image
}

// Debian implements Host: the image's suite is the default, and an archive that
// the image names is used for everything.
func (h stageHost) Debian(suite string) ([]DebianSource, error) {
	if h.image == nil {
		return h.Host.Debian(suite)
	}
	if suite == "" {
		suite = h.image.Suite
	}
	if h.image.Mirror != "" && suite != "" {
		return []DebianSource{{URI: h.image.Mirror, Suite: suite, Components: []string{"main"}}}, nil
	}
	return h.Host.Debian(suite)
}

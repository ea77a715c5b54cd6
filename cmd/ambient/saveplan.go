package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/planfile"
	"github.com/ambient-ci/ambient/source"
)

// savePlan writes the plan p of l to a file.
func (c planCommand) savePlan(l *loaded, p planJSON, opts planOptions) error {
	saved, err := newSavedPlan(l, p)
	if err != nil {
		return err
	}
	saved.Program = programVersion()
	saved.Inputs = savedInputs(l.cfg, opts)
	if saved.Seal, err = newSeal(l.cfg); err != nil {
		return err
	}
	file := c.path(opts.out)
	if saved.Trees, err = c.trees(l, file); err != nil {
		return err
	}
	data, err := planfile.Encode(saved)
	if err != nil {
		return err
	}
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return usagef("-out=%s: it is there and is not a regular file.", opts.out)
	}
	if err := home.WriteFile(file, data, 0o600); err != nil {
		return usagef("-out=%s: %v.", opts.out, pathCause(err))
	}
	return nil
}

// newSavedPlan is the part of a plan file that follows from the configuration:
// what has to come out again when the plan is applied.
func newSavedPlan(l *loaded, p planJSON) (*planfile.Plan, error) {
	saved := &planfile.Plan{Files: configEntries(l.cfg)}
	redact := newRedactor(l.cfg.Sensitive())
	var err error
	if saved.Stages, err = evaluated(l.cfg, redact.Text, hidden); err != nil {
		return nil, err
	}
	saved.Shown, err = planfile.Canonical(p, l.cfg.Dir, redact.Text)
	return saved, err
}

// newSeal seals what would run; nil when nothing of it is sensitive.
func newSeal(cfg *config.Config) (*planfile.Seal, error) {
	if !hasSensitive(cfg) {
		return nil, nil
	}
	text, err := sealText(cfg)
	if err != nil {
		return nil, err
	}
	return planfile.NewSeal(text)
}

func hasSensitive(cfg *config.Config) bool {
	return len(cfg.Sensitive()) > 0 || slices.ContainsFunc(cfg.Variables(), func(v config.Variable) bool { return v.Sensitive })
}

// sealText is everything that would run, sensitive values included.
func sealText(cfg *config.Config) ([]byte, error) {
	stages, err := evaluated(cfg, func(s string) string { return s }, func(s *config.Stage) *config.Stage { return s })
	if err != nil {
		return nil, err
	}
	return json.Marshal(stages)
}

// configEntries are the files that a configuration was read from, by the name
// relative to its directory.
func configEntries(cfg *config.Config) []planfile.Entry {
	texts := map[string][]byte{}
	for name, text := range cfg.Texts() {
		if !filepath.IsAbs(name) {
			if abs, err := filepath.Abs(name); err == nil {
				if rel, err := filepath.Rel(cfg.Dir, abs); err == nil {
					name = rel
				}
			}
		} else if rel, err := filepath.Rel(cfg.Dir, name); err == nil && filepath.IsLocal(rel) {
			name = rel
		}
		texts[filepath.ToSlash(name)] = text
	}
	return planfile.Texts(texts)
}

// evaluated returns the projects and stages that would run.
func evaluated(cfg *config.Config, hide func(string) string, stage func(*config.Stage) *config.Stage) ([]planfile.Evaluated, error) {
	var all []planfile.Evaluated
	add := func(name string, v any) error {
		text, err := planfile.Canonical(v, cfg.Dir, hide)
		all = append(all, planfile.Evaluated{Name: name, Value: text})
		return err
	}
	for _, p := range cfg.Projects {
		alone := *p
		alone.Stages = nil
		if err := add("project "+p.Name, alone); err != nil {
			return nil, err
		}
		for _, s := range p.Stages {
			if err := add(s.ID.String(), portable(stage(s), cfg.Dir)); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// hidden is a stage without what is marked as not to be shown.
func hidden(s *config.Stage) *config.Stage {
	out := *s
	out.Env = shownEnv(s)
	out.Actions = nil
	for _, a := range s.Actions {
		shown := *a
		shown.Args = hiddenArgs(a.Args, a.Sensitive)
		if slices.Contains(a.Sensitive, "env") {
			shown.Env = maps.Clone(a.Env)
			for name := range shown.Env {
				shown.Env[name] = sensitiveText
			}
		}
		out.Actions = append(out.Actions, &shown)
	}
	return &out
}

func hiddenArgs(args config.Args, names []string) config.Args {
	out := config.Args{Values: maps.Clone(args.Values), Blocks: map[string][]config.Args{}}
	for _, name := range names {
		if _, ok := out.Values[name]; ok {
			out.Values[name] = sensitiveText
		}
	}
	for block, list := range args.Blocks {
		for _, inner := range list {
			out.Blocks[block] = append(out.Blocks[block], hiddenArgs(inner, names))
		}
	}
	return out
}

// savedInputs are the values from outside without those of sensitive variables.
func savedInputs(cfg *config.Config, opts planOptions) planfile.Inputs {
	known := map[string]bool{} // whether sensitive
	for _, v := range cfg.Variables() {
		known[v.Name] = v.Sensitive
	}
	in := planfile.Inputs{
		Targets: append([]string{}, opts.targets...), VarFiles: append([]string{}, opts.vars.files...),
		Vars: []string{}, Environ: []string{}, Sensitive: []string{},
	}
	take := func(kept []string, entry, name string) []string {
		if known[name] {
			in.Sensitive = append(in.Sensitive, name)
			return kept
		}
		return append(kept, entry)
	}
	for _, v := range opts.vars.values {
		in.Vars = take(in.Vars, v, variableName(v))
	}
	for _, e := range os.Environ() {
		name, ours := strings.CutPrefix(variableName(e), config.EnvPrefix)
		if _, declared := known[name]; ours && declared {
			in.Environ = take(in.Environ, e, name)
		}
	}
	slices.Sort(in.Environ)
	slices.Sort(in.Sensitive)
	in.Sensitive = slices.Compact(in.Sensitive)
	return in
}

// variableName is NAME of "NAME=VALUE".
func variableName(entry string) string {
	name, _, _ := strings.Cut(entry, "=")
	return strings.TrimSpace(name)
}

// trees lists the source trees of all projects, without the plan file itself.
func (a *app) trees(l *loaded, planFile string) ([]planfile.Tree, error) {
	trees := []planfile.Tree{}
	for _, src := range sourcesOf(l.cfg) {
		name := sourceName(l.cfg, src)
		if slices.ContainsFunc(trees, func(t planfile.Tree) bool { return t.Source == name }) {
			continue
		}
		entries, err := a.tree(src, planFile)
		if err != nil {
			return nil, err
		}
		trees = append(trees, planfile.Tree{Source: name, Entries: entries})
	}
	return trees, nil
}

func sourcesOf(cfg *config.Config) []config.Source {
	var all []config.Source
	for _, p := range cfg.Projects {
		all = append(all, p.Trees()...)
	}
	return all
}

func (a *app) tree(src config.Source, planFile string) ([]planfile.Entry, error) {
	dir := src.Address
	if !src.Local {
		h, err := a.home()
		if err != nil {
			return nil, err
		}
		_, release, err := h.NewWork() // until the tree is read, gc leaves it
		if err != nil {
			return nil, err
		}
		defer release()
		if dir, err = source.Fetch(a.ctx, h, src.Address); err != nil {
			return nil, err
		}
	}
	if src.History {
		return a.history(dir)
	}
	files, err := source.Files(a.ctx, dir)
	if err != nil {
		return nil, err
	}
	if own := below(dir, planFile); own != "" {
		files = slices.DeleteFunc(files, func(name string) bool { return name == own })
	}
	return planfile.ReadTree(a.ctx, dir, files)
}

// history is what a plan has of a repository.
func (a *app) history(dir string) ([]planfile.Entry, error) {
	h, err := a.home()
	if err != nil {
		return nil, err
	}
	tree, err := source.History(a.ctx, dir, source.ScanOptions{Home: h, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	return historyEntries(tree), nil
}

// historyEntries stand for the whole: git packs the same history differently.
func historyEntries(tree *source.Tree) []planfile.Entry {
	return []planfile.Entry{{Path: "HEAD", Kind: planfile.File, SHA256: strings.TrimPrefix(tree.Digest, "sha256:")}}
}

// below is the path of a file relative to a directory that it lies in, links
// resolved; "" when it does not.
func below(dir, file string) string {
	dir, err1 := filepath.EvalSymlinks(dir)
	parent, err2 := filepath.Abs(filepath.Dir(file))
	if err1 != nil || err2 != nil {
		return ""
	}
	parent, err1 = filepath.EvalSymlinks(parent)
	rel, err2 := filepath.Rel(dir, filepath.Join(parent, filepath.Base(file)))
	if err1 != nil || err2 != nil || !filepath.IsLocal(rel) {
		return ""
	}
	return filepath.ToSlash(rel)
}

package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/planfile"
	"github.com/ambient-ci/ambient/source"
)

// staleError says that a saved plan is not what would run now.
type staleError struct {
	file    string
	changes []string // one sentence each
}

// mostChanges bounds the changes that are listed.
const mostChanges = 12

func (e *staleError) Error() string {
	list := e.changes
	more := ""
	if over := len(list) - mostChanges; over > 0 {
		list, more = list[:mostChanges], fmt.Sprintf("\n  and %d more", over)
	}
	return fmt.Sprintf("The plan in %s is not what would run now, so nothing was started:\n  %s%s\nTo see and keep the new plan: ambient plan -out=%s",
		e.file, strings.Join(list, "\n  "), more, quote(e.file))
}

func stale(file, what string, changes []planfile.Change) error {
	e := &staleError{file: file}
	for _, c := range changes {
		e.changes = append(e.changes, fmt.Sprintf("%s: %s was %s", what, c.Path, c.What))
	}
	return e
}

// openPlan reads a plan file.
func (a *app) openPlan(name string) (*planfile.Plan, error) {
	f, err := os.OpenFile(a.path(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, usagef("%s: %v.", name, pathCause(err))
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, usagef("%s is not a file.", name)
	}
	p, err := planfile.Decode(f, programVersion())
	var format *planfile.FormatError
	if errors.As(err, &format) {
		return nil, usagef("%s: %s.", name, format)
	}
	return p, err
}

// loadSaved loads the configuration as the plan in a file was made, and refuses
// it when it, or the source, is not the same any more.
func (a *app) loadSaved(name string, vars variables) (*loaded, *planfile.Plan, error) {
	p, err := a.openPlan(name)
	if err != nil {
		return nil, nil, err
	}
	again, err := givenAgain(name, p.Inputs, vars)
	if err != nil {
		return nil, nil, err
	}
	l, diags, err := a.check(again)
	if err != nil {
		return nil, nil, err
	}
	if diags.cfg != nil {
		if changes := planfile.Compare(p.Files, configEntries(diags.cfg)); len(changes) > 0 {
			return nil, nil, stale(name, "configuration", changes)
		}
	}
	diags.print(a.err)
	if diags.diags.HasErrors() {
		return nil, nil, errConfiguration
	}
	if l, err = l.targets(p.Inputs.Targets); err != nil {
		return nil, nil, err
	}
	if err := a.sameTrees(name, p, l); err != nil { // which names a file that a function reads, where it can
		return nil, nil, err
	}
	return l, p, a.sameStages(name, p, l)
}

// givenAgain are the variables of a plan with the sensitive ones from here.
func givenAgain(file string, in planfile.Inputs, vars variables) (variables, error) {
	if len(vars.files) > 0 {
		return vars, usagef("The variables are part of the plan: -var-file can not be given.")
	}
	again := variables{files: in.VarFiles, values: slices.Clone(in.Vars), environ: append([]string{}, in.Environ...)}
	given := map[string]bool{}
	for _, v := range vars.values {
		name := variableName(v)
		if !slices.Contains(in.Sensitive, name) {
			return vars, usagef("The variables are part of the plan: -var %s can not be given.", name)
		}
		given[name] = true
		again.values = append(again.values, v)
	}
	for _, e := range os.Environ() {
		if name, ours := strings.CutPrefix(variableName(e), config.EnvPrefix); ours && slices.Contains(in.Sensitive, name) {
			given[name] = true
			again.environ = append(again.environ, e)
		}
	}
	for _, name := range in.Sensitive {
		if !given[name] {
			return vars, usagef("%s was made with a value for the sensitive variable %s, which is not kept in it: give it again with -var %s=VALUE or the environment variable %s%s.",
				file, name, name, config.EnvPrefix, name)
		}
	}
	return again, nil
}

// sameStages compares what would run now with what was shown.
func (a *app) sameStages(file string, p *planfile.Plan, l *loaded) error {
	now, err := newSavedPlan(l, planToJSON(l, true))
	if err != nil {
		return err
	}
	e := &staleError{file: file}
	before := map[string]string{}
	for _, s := range p.Stages {
		before[s.Name] = compact(s.Value)
	}
	for _, s := range now.Stages {
		if was, ok := before[s.Name]; !ok {
			e.changes = append(e.changes, s.Name+" was added")
		} else if was != compact(s.Value) {
			e.changes = append(e.changes, s.Name+" was changed: a file that a function reads is another one, or the plan file is")
		}
		delete(before, s.Name)
	}
	for _, s := range p.Stages {
		if _, left := before[s.Name]; left {
			e.changes = append(e.changes, s.Name+" was removed")
		}
	}
	if len(e.changes) == 0 && compact(p.Shown) != compact(now.Shown) {
		e.changes = []string{"what the file shows is not what it was made of: it was tampered with"}
	}
	if len(e.changes) > 0 {
		return e
	}
	return sameSeal(file, p, l.cfg)
}

func sameSeal(file string, p *planfile.Plan, cfg *config.Config) error {
	if !hasSensitive(cfg) {
		return nil
	}
	text, err := sealText(cfg)
	if err != nil {
		return err
	}
	if p.Seal == nil || !p.Seal.Fits(text) {
		return &staleError{file, []string{"the values of sensitive variables are others than when the plan was made"}}
	}
	return nil
}

func compact(text json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return string(text)
	}
	return b.String()
}

// sameTrees compares the source trees with those that were planned.
func (a *app) sameTrees(file string, p *planfile.Plan, l *loaded) error {
	now, err := a.trees(l, a.path(file))
	if err != nil {
		return err
	}
	planned := map[string][]planfile.Entry{}
	for _, t := range p.Trees {
		planned[t.Source] = t.Entries
	}
	for _, t := range now {
		if changes := planfile.Compare(planned[t.Source], t.Entries); len(changes) > 0 {
			return stale(file, "source "+t.Source, changes)
		}
	}
	return nil
}

// checkSource returns what compares a source tree, as it will reach the guests,
// with what was planned: a file may change after sameTrees looked.
func (a *app) checkSource(file string, p *planfile.Plan, cfg *config.Config) func(config.Source, *source.Tree) error {
	return func(src config.Source, tree *source.Tree) error {
		own := planfile.Name(below(src.Address, a.path(file)))
		entries := slices.DeleteFunc(treeEntries(tree), func(e planfile.Entry) bool { return e.Path == own })
		if src.History {
			entries = historyEntries(tree)
		}
		for _, t := range p.Trees {
			if t.Source == sourceName(cfg, src) {
				if changes := planfile.Compare(t.Entries, entries); len(changes) > 0 {
					return stale(file, "source "+t.Source, changes)
				}
				return nil
			}
		}
		return fmt.Errorf("the plan in %s does not know the source %s", file, src.Address)
	}
}

// treeEntries are a tree's files as a plan has them.
func treeEntries(tree *source.Tree) []planfile.Entry {
	kinds := map[source.Kind]planfile.Kind{
		source.Regular: planfile.File, source.Program: planfile.Program, source.Link: planfile.Link, source.Directory: planfile.Directory,
	}
	var entries []planfile.Entry
	for _, f := range tree.Files() {
		e := planfile.Entry{Path: planfile.Name(f.Path), Kind: kinds[f.Kind]}
		if f.Kind != source.Directory {
			e.SHA256 = hex.EncodeToString(f.Sum[:])
		}
		entries = append(entries, e)
	}
	return entries
}

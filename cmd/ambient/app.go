package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mitchellh/cli"

	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/stages"
)

// app is the program with its streams and its parts. Every command holds it.
type app struct {
	ctx      context.Context
	out, err *console
	listen   func() (signals <-chan os.Signal, stop func())
	parts    parts
	globals  globals
	asked    func(*flag.FlagSet) // gets a command's options in place of parsing them; nil: they are parsed
}

// commands are all commands in the order of the help text.
func (a *app) commands() []named {
	return []named{
		{"init", initCommand{a}},
		{"fmt", fmtCommand{a}},
		{"validate", validateCommand{a}},
		{"plan", planCommand{a}},
		{"apply", applyCommand{a}},
		{"graph", graphCommand{a}},
		{"runs", runsCommand{a}},
		{"show", showCommand{a}},
		{"logs", logsCommand{a}},
		{"artifacts", artifactsCommand{a}},
		{"import", importCommand{a}},
		{"cache", cacheCommand{a}},
		{"gc", gcCommand{a}},
		{"lsp", lspCommand{a}},
		{"doctor", doctorCommand{a}},
		{"completion", completionCommand{a}},
		{"version", versionCommand{a}},
	}
}

type named struct {
	name string
	cli.Command
}

// main runs one command line and returns the exit status.
func (a *app) main(args []string) int {
	if completing() {
		return a.completeLine()
	}
	words, err := a.parseGlobals(args)
	if errors.Is(err, flag.ErrHelp) || err == nil && len(words) == 1 && words[0] == "help" {
		a.out.printf("%s", a.help())
		return stages.ExitSucceeded
	}
	if err != nil {
		return a.finish("", err)
	}
	if len(words) == 0 {
		a.err.printf("%s", a.help())
		return stages.ExitUsage
	}
	return a.dispatch(words)
}

// parseGlobals takes the options before the command's name.
func (a *app) parseGlobals(args []string) ([]string, error) {
	fs := newFlags("ambient")
	a.globals.register(fs)
	version := fs.Bool("version", false, "")
	fs.BoolVar(version, "v", false, "")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		err = flagError(fs, err)
		err.(*usageError).hint = "See: ambient -help"
		return nil, err
	}
	if *version {
		return []string{"version"}, nil
	}
	return fs.Args(), nil
}

// dispatch gives the words to package cli, which knows help.
func (a *app) dispatch(words []string) int {
	if len(words) > 1 && words[0] == "help" {
		words = []string{words[1], "-help"}
	}
	factories := map[string]cli.CommandFactory{}
	var names []string
	for _, c := range a.commands() {
		names = append(names, c.name)
		factories[c.name] = func() (cli.Command, error) { return c.Command, nil }
	}
	if len(words) > 0 && !strings.HasPrefix(words[0], "-") && !slices.Contains(names, words[0]) {
		return a.finish("", &usageError{
			text: `There is no command "` + words[0] + `".` + didYouMean(words[0], names),
			hint: "See: ambient -help",
		})
	}
	c := &cli.CLI{
		Name:        "ambient",
		Args:        words,
		Commands:    factories,
		HelpFunc:    func(map[string]cli.CommandFactory) string { return a.help() },
		HelpWriter:  a.out,
		ErrorWriter: a.err,
	}
	code, err := c.Run()
	if err != nil {
		return a.finish("", err)
	}
	return code
}

// parse parses a command's own options and the global ones.
func (a *app) parse(fs *flag.FlagSet, args []string) ([]string, error) {
	a.globals.register(fs)
	if a.asked != nil {
		a.asked(fs)
		return nil, errAsked
	}
	operands, err := parseFlags(fs, args)
	if a.globals.noColor {
		a.out.color, a.err.color = false, false
	}
	return operands, err
}

// path makes a path of the command line relative to -chdir.
func (a *app) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(a.globals.chdir, p)
}

// dir is the directory with the configuration.
func (a *app) dir() (string, error) {
	dir := a.path(".")
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return "", usagef("-chdir=%s is not a directory.", dir)
	}
	if err != nil {
		return "", usagef("-chdir: %v.", err)
	}
	return dir, nil
}

// home finds where runs and images are kept.
func (a *app) home() (*home.Home, error) { return home.Find() }

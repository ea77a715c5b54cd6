package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
)

// globals are the options that every command takes, before or after its name.
type globals struct {
	chdir   string
	noColor bool
}

func (g *globals) register(fs *flag.FlagSet) {
	fs.StringVar(&g.chdir, "chdir", g.chdir, "")
	fs.BoolVar(&g.noColor, "no-color", g.noColor, "")
}

// variables are -var and -var-file, in the order of the command line.
type variables struct {
	values []string // NAME=VALUE
	files  []string

	environ []string // in place of the environment; nil: that
}

func (v *variables) register(fs *flag.FlagSet) {
	fs.Func("var", "", func(s string) error {
		if name, _, ok := strings.Cut(s, "="); !ok || name == "" {
			return errors.New("want NAME=VALUE")
		}
		v.values = append(v.values, s)
		return nil
	})
	fs.Func("var-file", "", func(s string) error {
		v.files = append(v.files, s)
		return nil
	})
}

// newFlags returns an empty set that prints nothing.
func newFlags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	return fs
}

// parseFlags parses args, in which options and operands may be mixed until
// "--", and returns the operands. An error is a *usageError.
func parseFlags(fs *flag.FlagSet, args []string) ([]string, error) {
	var operands, rest []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, rest = args[:i], args[i+1:]
	}
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, flagError(fs, err)
		}
		if args = fs.Args(); len(args) > 0 {
			operands = append(operands, args[0])
			args = args[1:]
		}
	}
	return append(operands, rest...), nil
}

// flagError turns an error of package flag into a *usageError that names the
// nearest option.
func flagError(fs *flag.FlagSet, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return usagef("%s", strings.TrimPrefix(err.Error(), "flag: "))
	}
	name = strings.TrimLeft(name, "-")
	var known []string
	fs.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	near := nearest(name, known)
	if near != "" {
		near = ` Did you mean "-` + near + `"?`
	}
	return usagef(`There is no option "-%s".%s`, name, near)
}

// operands checks the number of operands; names is for the message.
func wantOperands(got []string, least, most int, names string) error {
	switch {
	case len(got) < least:
		return usagef("Missing operand: %s.", names)
	case len(got) > most && most == 0:
		return usagef("This command takes no operand, but was given %q.", got[0])
	case len(got) > most:
		return usagef("Too many operands, from %q on: want %s.", got[most], names)
	}
	return nil
}

// given reports whether an option stood on the command line.
func given(fs *flag.FlagSet, name string) bool {
	found := false
	fs.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

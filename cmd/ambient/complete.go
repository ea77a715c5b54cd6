package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ambient-ci/ambient/config"
)

// errAsked ends a command whose options were only asked for.
var errAsked = errors.New("only the options were asked for")

// completing reports whether the shell asks for completions by the variables of
// bash(1), Programmable Completion, as after `complete -C ambient ambient`.
func completing() bool { return os.Getenv("COMP_LINE") != "" }

// completeLine prints the completions of COMP_LINE up to COMP_POINT.
func (a *app) completeLine() int {
	line := os.Getenv("COMP_LINE")
	if n, err := strconv.Atoi(os.Getenv("COMP_POINT")); err == nil && n >= 0 && n <= len(line) {
		line = line[:n]
	}
	words := shellWords(line)
	for _, s := range a.complete(words[min(1, len(words)):]) {
		a.out.printf("%s\n", s)
	}
	return a.finish("", nil)
}

// shellWords splits a command line that may end inside of a word, which is the
// last one, empty after a space. It knows quotes and backslashes, and nothing
// else of a shell.
func shellWords(line string) []string {
	var words []string
	var word strings.Builder
	quote := rune(0)
	inside, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inside = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inside = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inside {
				words = append(words, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	return append(words, word.String())
}

// complete returns what can stand in place of the last of the words that follow
// the program's name, sorted. Nothing means that the shell should offer files.
func (a *app) complete(words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	command, operands := a.completed(words[:len(words)-1])
	var answers []string
	switch name, value, isOption := strings.Cut(last, "="); {
	case strings.HasPrefix(last, "-") && isOption:
		for _, v := range a.values(strings.TrimLeft(name, "-"), value) {
			answers = append(answers, name+"="+v)
		}
	case strings.HasPrefix(last, "-"):
		answers = a.options(command, strings.HasPrefix(last, "--"))
	case len(words) > 1 && a.wantsValue(command, words[len(words)-2]):
		answers = a.values(strings.TrimLeft(words[len(words)-2], "-"), last)
	case command == "":
		answers = a.names()
	default:
		answers = a.operands(command, operands)
	}
	answers = slices.DeleteFunc(answers, func(s string) bool { return !strings.HasPrefix(s, last) || strings.ContainsAny(s, "\n\r") })
	slices.Sort(answers)
	return slices.Compact(answers)
}

// completed reads the words before: the command and its operands so far. It
// takes -chdir to heart.
func (a *app) completed(words []string) (command string, operands []string) {
	skip := false
	for i, w := range words {
		name, value, assigned := strings.Cut(w, "=")
		switch {
		case skip:
			skip = false
		case strings.HasPrefix(w, "-"):
			skip = !assigned && a.wantsValue(command, w)
			if skip && i+1 < len(words) {
				value = words[i+1]
			}
			if strings.TrimLeft(name, "-") == "chdir" && value != "" {
				a.globals.chdir = value
			}
		case command == "":
			command = w
		default:
			operands = append(operands, w)
		}
	}
	return command, operands
}

func (a *app) names() []string {
	names := []string{"help"}
	for _, c := range a.commands() {
		names = append(names, c.name)
	}
	return names
}

// flagsOf returns the options of a command, "" for those of the program.
func (a *app) flagsOf(command string) *flag.FlagSet {
	found := newFlags("ambient")
	a.globals.register(found)
	for _, c := range a.commands() {
		if c.name == command {
			a.asked = func(fs *flag.FlagSet) { found = fs }
			chdir := a.globals.chdir
			c.Run(nil)
			a.asked, a.globals.chdir = nil, chdir
		}
	}
	return found
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

func (a *app) options(command string, double bool) []string {
	dash := "-"
	if double {
		dash = "--"
	}
	all := []string{dash + "help"}
	a.flagsOf(command).VisitAll(func(f *flag.Flag) {
		name := dash + f.Name
		if !isBool(f) {
			name += "="
		}
		all = append(all, name)
	})
	return all
}

func (a *app) wantsValue(command, option string) bool {
	if !strings.HasPrefix(option, "-") || strings.Contains(option, "=") {
		return false
	}
	f := a.flagsOf(command).Lookup(strings.TrimLeft(option, "-"))
	return f != nil && !isBool(f)
}

// values are what an option can have; begun is what is there of it.
func (a *app) values(option, begun string) []string {
	switch option {
	case "target":
		return a.stageNames()
	case "format":
		return []string{"dot", "mermaid", "svg", "text"}
	case "var":
		var all []string
		for _, v := range a.configForShell().Variables() {
			all = append(all, v.Name+"=")
		}
		return all
	case "chdir":
		return paths(".", begun, true)
	case "var-file", "out":
		return paths(a.path("."), begun, false)
	}
	return nil
}

// paths are the directories, or all files, that a path can go on with.
func paths(dir, begun string, onlyDirs bool) []string {
	parent, _ := filepath.Split(begun)
	from := parent
	if !filepath.IsAbs(from) {
		from = filepath.Join(dir, parent)
	}
	entries, _ := os.ReadDir(from)
	var all []string
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(from, e.Name()))
		if err == nil && info.IsDir() {
			all = append(all, parent+e.Name()+"/")
		} else if !onlyDirs {
			all = append(all, parent+e.Name())
		}
	}
	return all
}

// operands are what can follow the operands of a command.
func (a *app) operands(command string, before []string) []string {
	switch command {
	case "help":
		return a.names()
	case "completion":
		return shells
	case "show", "artifacts", "logs":
		if len(before) == 0 {
			return a.runNames()
		}
		if command == "logs" && len(before) == 1 {
			return a.stagesOfRun(before[0])
		}
	}
	return nil
}

// configForShell is the configuration as far as it is right.
func (a *app) configForShell() *config.Config {
	opts := a.configOptions(variables{})
	opts.SkipSourceCheck = true
	cfg, _ := config.Load(a.path("."), opts)
	return cfg
}

// stageNames are the names that -target takes: short ones where they say enough.
func (a *app) stageNames() []string {
	all := a.configForShell().Stages()
	projects := map[string]string{} // by short name; "": several have it
	for _, s := range all {
		if p, ok := projects[s.ID.Short()]; ok && p != s.ID.Project {
			projects[s.ID.Short()] = ""
		} else {
			projects[s.ID.Short()] = s.ID.Project
		}
	}
	var names []string
	for _, s := range all {
		whole := s.ID
		whole.Key = ""
		names = append(names, s.ID.String(), whole.String())
		if projects[s.ID.Short()] != "" {
			names = append(names, s.ID.Short(), whole.Short())
		}
	}
	return names
}

// mostRuns bounds the runs that are offered.
const mostRuns = 50

func (a *app) runNames() []string {
	all := []string{"latest"}
	store, err := a.store()
	if err != nil {
		return all
	}
	list, _ := store.List()
	for _, r := range list[:min(len(list), mostRuns)] {
		all = append(all, r.Record().ID)
	}
	return all
}

func (a *app) stagesOfRun(run string) []string {
	r, err := a.openRun(run)
	if err != nil {
		return nil
	}
	var all []string
	for _, s := range r.Record().Stages {
		all = append(all, s.Stage)
	}
	return all
}

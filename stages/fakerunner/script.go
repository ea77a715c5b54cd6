package fakerunner

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// A script is lines of commands joined by "&&", run as by `sh -e`. The fake
// understands these, which mean the same to a real shell that is root in its
// own machine:
//
//	echo WORD…   echo WORD… >&2   echo WORD… > FILE
//	cat FILE…   test -e FILE   true   false   exit N   sleep SECONDS
//	kill -SIGNAL $$
//	echo b > /proc/sysrq-trigger     the machine resets, which the host sees as its death
//
// with $NAME and ${NAME} from the environment, and quotes around words.

// sysrq resets a Linux machine at once when "b" is written to it (Documentation/admin-guide/sysrq.rst).
const sysrq = "/proc/sysrq-trigger"

// machine is what a script can see and change.
type machine struct {
	job     *stages.Job
	obs     stages.Observer
	tb      TB
	files   map[string]string // by absolute path
	written map[string]bool
}

// end says how an action ended; zero: with success.
type end struct {
	exit        int
	signal      string
	died        bool // the machine, with the action
	interrupted bool // the context ended
}

func newMachine(e *execution) (*machine, error) {
	m := &machine{job: e.job, obs: e.obs, tb: e.r.tb, files: map[string]string{}, written: map[string]bool{}}
	for _, a := range inputs(e.job) {
		if err := a.unpack(m.files); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *machine) action(ctx context.Context, i int, a *config.Action) end {
	switch a.Name {
	case "dummy":
		return end{}
	case "shell":
		s := &script{machine: m, ctx: ctx, action: i, env: maps.Clone(m.job.Env)}
		maps.Copy(s.env, a.Env)
		return s.run(a.Args.String("script"))
	}
	m.tb.Errorf("fakerunner: %s: action %q is not understood", m.job.Stage.ID, a.Name)
	return end{exit: 127}
}

// script is one shell action.
type script struct {
	*machine
	ctx    context.Context
	action int
	env    map[string]string
	exited bool // by the exit command
}

func (s *script) run(text string) (last end) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var over bool
		if last, over = s.line(strings.Split(line, "&&")); over {
			return last
		}
	}
	return last
}

// line runs commands up to the first that fails. A failure ends the script only
// if it is that of the last command, as `set -e` has it (POSIX.1-2017, set).
func (s *script) line(commands []string) (last end, over bool) {
	for k, command := range commands {
		if s.ctx.Err() != nil {
			return end{interrupted: true}, true
		}
		last = s.command(strings.TrimSpace(command))
		failed := last != (end{})
		if s.exited || failed && (last.exit == 0 || k == len(commands)-1) {
			return last, true
		}
		if failed {
			break
		}
	}
	return last, false
}

func (s *script) command(text string) end {
	words, ok := s.words(text)
	if !ok {
		return s.unknown(text)
	}
	switch args := words[1:]; words[0] {
	case "true":
		return end{}
	case "false":
		return end{exit: 1}
	case "echo":
		return s.echo(args)
	case "cat":
		return s.cat(args)
	case "exit", "sleep", "kill", "test":
		if e, ok := s.builtin(words[0], args); ok {
			return e
		}
	}
	return s.unknown(text)
}

// builtin runs a command that takes a fixed number of arguments.
func (s *script) builtin(name string, args []string) (end, bool) {
	switch {
	case name == "exit" && len(args) == 1:
		n, err := strconv.ParseUint(args[0], 10, 8)
		s.exited = true
		return end{exit: int(n)}, err == nil
	case name == "sleep" && len(args) == 1:
		n, err := strconv.ParseFloat(args[0], 64)
		return s.sleep(time.Duration(n * float64(time.Second))), err == nil
	case name == "kill" && len(args) == 2 && args[1] == "$$":
		signal, ok := strings.CutPrefix(args[0], "-")
		return end{signal: "SIG" + signal}, ok
	case name == "test" && len(args) == 2 && args[0] == "-e":
		if _, ok := s.files[path.Clean(args[1])]; !ok {
			return end{exit: 1}, true
		}
		return end{}, true
	}
	return end{}, false
}

func (s *script) sleep(d time.Duration) end {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return end{}
	case <-s.ctx.Done():
		return end{interrupted: true}
	}
}

func (s *script) echo(args []string) end {
	n := len(args)
	switch {
	case n >= 1 && args[n-1] == ">&2":
		s.log("stderr", strings.Join(args[:n-1], " "))
	case n >= 2 && args[n-2] == ">":
		return s.write(path.Clean(args[n-1]), strings.Join(args[:n-2], " "))
	default:
		s.log("stdout", strings.Join(args, " "))
	}
	return end{}
}

func (s *script) write(file, text string) end {
	if file == sysrq && text == "b" {
		return end{died: true}
	}
	if !strings.HasPrefix(file, guest.DirRoot+"/") {
		s.log("stderr", fmt.Sprintf("%s: outside of what the fake has", file))
		return end{exit: 1}
	}
	s.files[file], s.written[file] = text+"\n", true
	return end{}
}

func (s *script) cat(files []string) end {
	for _, f := range files {
		text, ok := s.files[path.Clean(f)]
		if !ok {
			s.log("stderr", "cat: "+f+": No such file or directory")
			return end{exit: 1}
		}
		for line := range strings.Lines(text) {
			s.log("stdout", strings.TrimSuffix(line, "\n"))
		}
	}
	return end{}
}

func (s *script) log(stream, text string) {
	s.obs.Event(stages.Event{Type: stages.LogOutput, Action: &s.action, Stream: stream, Text: text})
}

func (s *script) unknown(text string) end {
	s.tb.Errorf("fakerunner: %s: the command %q is not understood", s.job.Stage.ID, text)
	return end{exit: 127}
}

// words splits a command at blanks outside quotes and expands variables. It
// refuses what a real shell would take for more than words.
func (s *script) words(text string) (words []string, ok bool) {
	for _, raw := range splitQuoted(text) {
		if raw == ">" || raw == ">&2" {
			words = append(words, raw)
			continue
		}
		word, ok := s.word(raw)
		if !ok {
			return nil, false
		}
		if raw[0] != '"' && raw[0] != '\'' {
			words = append(words, strings.Fields(word)...)
			continue
		}
		words = append(words, word)
	}
	return words, len(words) > 0
}

// word removes the quotes around a word and expands it.
func (s *script) word(raw string) (string, bool) {
	quote, inner := byte(0), raw
	if n := len(raw); n >= 2 && (raw[0] == '"' || raw[0] == '\'') && raw[n-1] == raw[0] {
		quote, inner = raw[0], raw[1:n-1]
	}
	special := map[byte]string{0: "|;&<>`'\"\\()*?[]~#", '"': "`\"\\", '\'': "'"}[quote]
	if strings.ContainsAny(inner, special) {
		return "", false
	}
	if quote == '\'' {
		return inner, true
	}
	ok := true
	word := os.Expand(inner, func(name string) string {
		if name == "$" {
			return "$$"
		}
		ok = ok && isName(name)
		return s.env[name]
	})
	return word, ok
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// splitQuoted splits at blanks that are not inside quotes, which it keeps.
func splitQuoted(text string) []string {
	var words []string
	var quote byte
	start := -1
	for i := range len(text) {
		c := text[i]
		if blank := c == ' ' || c == '\t'; blank && quote == 0 {
			if start >= 0 {
				words = append(words, text[start:i])
			}
			start = -1
			continue
		}
		if start < 0 {
			start = i
		}
		switch {
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		}
	}
	if start >= 0 {
		words = append(words, text[start:])
	}
	return words
}

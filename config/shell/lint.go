package shell

import (
	"path"
	"slices"
	"strings"
)

// lint finds mistakes for which no parser is needed.
func lint(text string) []Problem {
	var problems []Problem
	if p := otherInterpreter(text); p != nil {
		problems = append(problems, *p)
	}
	if i := strings.Index(text, "\r\n"); i >= 0 && strings.Count(text, "\r\n") == strings.Count(text, "\n") {
		start := strings.LastIndexByte(text[:i], '\n') + 1
		problems = append(problems, Problem{
			Offset: start, End: max(i, min(start+1, len(text))), Warning: true,
			Summary: "Carriage return in a script",
			Text:    "The lines end with a carriage return, which the shell takes for a part of the last word.",
			Remedy:  "Save the file with Unix line ends, or write replace(…, \"\\r\\n\", \"\\n\") around the script.",
		})
	}
	if i := onlyComments(text); i >= 0 {
		problems = append(problems, Problem{
			Offset: i, End: tokenEnd(text, i), Warning: true,
			Summary: "Script does nothing",
			Text:    "There are only comments in the script.",
			Remedy:  "Write the commands to run.",
		})
	}
	return problems
}

// shells are interpreters whose scripts are taken for what runs the script here.
var shells = []string{"sh", "bash", "dash", "ash", "busybox", "env", "ksh", "mksh", "zsh"}

// otherInterpreter warns of a first line that names an interpreter other than a
// shell.
func otherInterpreter(text string) *Problem {
	line, _, _ := strings.Cut(text, "\n")
	command, ok := strings.CutPrefix(line, "#!")
	if !ok {
		return nil
	}
	words := strings.Fields(command)
	if len(words) > 1 && path.Base(words[0]) == "env" {
		words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") })
	}
	if len(words) == 0 || slices.Contains(shells, path.Base(words[0])) {
		return nil
	}
	return &Problem{
		Offset: 0, End: len(line), Warning: true,
		Summary: "Script for another interpreter",
		Text:    "The first line names another program, but a shell runs the script.",
		Remedy:  "Hand the text to that program, for example as a here-document: python3 - <<'END'.",
	}
}

// onlyComments returns the offset of the first comment of a script that holds
// nothing else, -1 otherwise.
func onlyComments(text string) int {
	first, offset := -1, 0
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "":
		case trimmed[0] != '#':
			return -1
		case first < 0:
			first = offset + strings.IndexByte(line, '#')
		}
		offset += len(line)
	}
	return first
}

// unchecked says that a script was not looked at.
func unchecked(text, why string) *Problem {
	return &Problem{
		Offset: 0, End: tokenEnd(text, 0), Warning: true,
		Summary: "Script not checked",
		Text:    "The script is too complex to be checked. " + why,
		Remedy:  "Put most of it into a file of the source tree.",
	}
}

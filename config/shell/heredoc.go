package shell

import (
	"errors"
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// outsideHeredocs looks again at a script in which the parser found an error of
// structure, and leaves out the bodies of its here-documents: a shell looks into
// them when it comes to them. It returns the error that is left and true, or the
// first error and false when none is.
func outsideHeredocs(text string, first syntax.ParseError) (syntax.ParseError, bool) {
	blank, ok := blankHeredocs(text)
	var left syntax.ParseError
	if ok && errors.As(read(blank, syntax.LangBash).err, &left) && structural(left.Text) {
		return left, true
	}
	return first, false
}

// heredocStart matches the operator of a here-document and the word that ends it.
var heredocStart = regexp.MustCompile(`<<(-?)[ \t]*(?:'([^'\n]+)'|"([^"\n]+)"|\\?([A-Za-z_.!-][A-Za-z0-9_.!-]*))`)

// blankHeredocs replaces the bodies of here-documents by spaces, byte by byte. It
// reports false when what looks like one has no end: its body would be the rest.
func blankHeredocs(text string) (string, bool) {
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		for _, m := range heredocStart.FindAllStringSubmatch(lines[i], -1) {
			end := heredocEnd(lines[i+1:], m[2]+m[3]+m[4], m[1] == "-")
			if end < 0 {
				return "", false
			}
			for j := i + 1; j <= i+end; j++ {
				lines[j] = blankLine(lines[j])
			}
			i += end + 1
		}
	}
	return strings.Join(lines, ""), true
}

// heredocEnd returns which line ends a here-document, -1 if none does.
func heredocEnd(lines []string, word string, tabs bool) int {
	for i, line := range lines {
		if tabs {
			line = strings.TrimLeft(line, "\t")
		}
		if strings.TrimSuffix(line, "\n") == word {
			return i
		}
	}
	return -1
}

func blankLine(line string) string {
	body := strings.TrimSuffix(line, "\n")
	return strings.Repeat(" ", len(body)) + line[len(body):]
}

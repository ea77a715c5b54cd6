package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ambient-ci/ambient/config/shell"
)

// scriptArg is an argument that holds a shell script.
type scriptArg struct {
	expr      hclsyntax.Expression
	text      string
	sensitive bool // the text must not be shown
}

// scriptKey is a script and what runs it.
type scriptKey struct {
	text  string
	shell shell.Shell
}

// builtInBash is what to know of shell = "bash" without an image.
const builtInBash = "The built-in image has no bash, so the action fails unless an earlier one puts it there. Leave the argument out, or name an image that has bash:\n" +
	"  image \"debian\" {\n    debian { suite = \"bookworm\" }\n  }"

// checkScripts looks for mistakes in the shell scripts among the arguments of an
// action.
func (l *loader) checkScripts(s *Stage, act *Action, r *argReader, body *hclsyntax.Body) {
	asked := act.Args.String("shell")
	for _, a := range r.scripts {
		if at := body.Attributes["shell"]; at != nil && asked == "bash" && builtInImage(s.Image) {
			l.add(Warningf(exprRange(at), "No bash in this image", builtInBash))
		}
		for _, p := range l.scriptProblems(a.text, shellOf(s.Image, asked)) {
			l.add(l.scriptDiagnostic(a, p, scope{in: r.in, refs: new([]stagePath)}))
		}
	}
}

// shellOf returns what runs a script: bash where the image has it, unless the
// action asks for another shell.
func shellOf(image *Image, asked string) shell.Shell {
	switch {
	case asked == "bash" || asked == "" && !builtInImage(image):
		return shell.Bash
	case builtInImage(image):
		return shell.Ash
	}
	return shell.Dash
}

func builtInImage(image *Image) bool { return image == nil || image.Name == "" && !image.Debian }

// scriptProblems checks a script once, however many stages have it.
func (l *loader) scriptProblems(text string, sh shell.Shell) []shell.Problem {
	key := scriptKey{text, sh}
	found, ok := l.scripts[key]
	if !ok {
		found = shell.Check(text, sh)
		if l.scripts == nil {
			l.scripts = map[scriptKey][]shell.Problem{}
		}
		l.scripts[key] = found
	}
	return found
}

// scriptDiagnostic says where in the files a problem of a script is.
func (l *loader) scriptDiagnostic(a scriptArg, p shell.Problem, sc scope) *Diagnostic {
	rng, exact := l.scriptPlace(a, p, sc)
	detail := p.Text
	if a.sensitive {
		detail = "What is wrong is not shown, since the script is made from a sensitive variable."
	}
	detail += " " + p.Remedy
	if !exact && !a.sensitive {
		detail += quoteLine(a.text, p.Offset)
	}
	d := Errorf(rng, p.Summary, "%s", detail)
	if p.Warning {
		d.Severity = hcl.DiagWarning
	}
	return d
}

// maxQuoted is the longest part of a script's line that is quoted, in
// characters.
const maxQuoted = 100

// quoteLine quotes the line of a script that does not stand in the files as it
// runs.
func quoteLine(text string, offset int) string {
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	if before := []rune(line[:offset-start]); len(before) > maxQuoted/2 {
		line = "…" + string(before[len(before)-maxQuoted/2:]) + line[offset-start:]
	}
	n := strings.Count(text[:offset], "\n") + 1
	return fmt.Sprintf("\nIt is line %d of the script, as it runs:\n  %s", n, clip(strings.TrimSpace(line), maxQuoted))
}

// scriptHint adds to what is wrong with the references of a script that the
// shell's variables look alike.
func scriptHint(diags Diagnostics) {
	for _, d := range diags {
		if what, _, ok := strings.Cut(d.Detail, "If a text is meant"); ok && d.Summary == "Unknown reference" {
			d.Detail = what + "If the shell's variable is meant, write $NAME, or $${NAME} with two dollar signs."
		}
	}
}

package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Errorf returns an error at a place in the configuration. The summary is a few
// words without values; the detail says what to do.
func Errorf(at Range, summary, detail string, args ...any) *Diagnostic {
	d := Sourceless(summary, detail, args...)
	d.Subject = &at
	return d
}

// Warningf is Errorf for what deserves attention and stops nothing.
func Warningf(at Range, summary, detail string, args ...any) *Diagnostic {
	d := Errorf(at, summary, detail, args...)
	d.Severity = hcl.DiagWarning
	return d
}

// Sourceless returns an error that belongs to no place in a file, such as one
// in a flag.
func Sourceless(summary, detail string, args ...any) *Diagnostic {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail}
}

// tidy returns the diagnostics in the order of the files, each once, without
// the evaluation context, from which values could leak.
func tidy(diags Diagnostics) Diagnostics {
	out := make(Diagnostics, 0, len(diags))
	seen := map[string]bool{}
	for _, d := range diags {
		key := fmt.Sprintf("%d|%v|%s|%s", d.Severity, d.Subject, d.Summary, d.Detail)
		if seen[key] {
			continue
		}
		seen[key] = true
		clean := *d
		explainLeftOut(&clean)
		clean.Expression, clean.EvalContext, clean.Extra = nil, nil, nil
		out = append(out, &clean)
	}
	sort.SliceStable(out, func(i, j int) bool { return before(out[i].Subject, out[j].Subject) })
	return slices.Clip(out)
}

func before(a, b *Range) bool {
	switch {
	case a == nil || b == nil:
		return a == nil && b != nil
	case a.Filename != b.Filename:
		return a.Filename < b.Filename
	}
	return a.Start.Byte < b.Start.Byte
}

// redact hides the given secrets in what diagnostics say.
func redact(diags Diagnostics, secrets []string) {
	for _, d := range diags {
		for _, s := range secrets {
			if len(s) < minRedact {
				continue
			}
			d.Summary = strings.ReplaceAll(d.Summary, s, "(sensitive)")
			d.Detail = strings.ReplaceAll(d.Detail, s, "(sensitive)")
		}
	}
}

// minRedact is the shortest secret that redact looks for: a shorter one would
// garble ordinary words.
const minRedact = 4

// place names a position for the detail of another diagnostic: "a.hcl:3,5".
func place(r Range) string {
	return fmt.Sprintf("%s:%d,%d", r.Filename, r.Start.Line, r.Start.Column)
}

// duplicate reports the second declaration of a thing.
func duplicate(at, first Range, what, name string) *Diagnostic {
	return Errorf(at, "Duplicate "+what, "%s %s named %q stands already at %s. Rename or remove one of the two.", article(what), what, name, place(first))
}

// article returns the article of a noun at the beginning of a sentence.
func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "An"
	}
	return "A"
}

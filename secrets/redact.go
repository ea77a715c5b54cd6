// Package secrets keeps secret values out of what ambient says. Today it holds
// the redactor; keys, agents and tokens for stages are refused by this version.
package secrets

import (
	"slices"
	"strings"
)

// Mark stands where a secret value stood.
const Mark = "(sensitive)"

// Shortest is the shortest value that is looked for, in bytes: a shorter one
// would garble ordinary words and is easily guessed.
const Shortest = 4

// Redactor takes known values out of text. A value of several lines is looked
// for line by line as well, as logs have it. A guest that wants to can print a
// value in another form: this is against accidents. It is immutable and safe
// for concurrent use; the zero value changes nothing.
type Redactor struct{ replacer *strings.Replacer }

// NewRedactor returns a Redactor of these values.
func NewRedactor(values []string) Redactor {
	var parts []string
	for _, v := range values {
		parts = append(parts, v)
		for line := range strings.Lines(v) {
			parts = append(parts, strings.TrimSpace(line))
		}
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return len(s) < Shortest })
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) }) // a part of another is looked for after it
	var pairs []string
	for _, p := range parts {
		pairs = append(pairs, p, Mark)
	}
	return Redactor{strings.NewReplacer(pairs...)}
}

// Text returns s without the values.
func (r Redactor) Text(s string) string {
	if r.replacer == nil {
		return s
	}
	return r.replacer.Replace(s)
}

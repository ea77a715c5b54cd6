package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/agext/levenshtein"
)

// nearest returns the name that given was probably meant to be, "" when none is
// near. Case, and "-" for "_", do not
// count, and a wrong first letter counts more.
func nearest(given string, names []string) string {
	if len(given) < 2 || len(given) > 2*maxName {
		return ""
	}
	best, least := "", 2*min(1+len(given)/4, 3)+1
	for _, name := range names {
		if name == "" || len(name) > 2*maxName {
			continue
		}
		dist := 2 * levenshtein.Distance(fold(given), fold(name), nil)
		if given[0] != name[0] {
			dist++
		}
		if dist < least {
			best, least = name, dist
		}
	}
	return best
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// maxListed bounds the names that a diagnostic lists.
const maxListed = 12

// orList says what could have been meant: the nearest name if there is one,
// else all names, unless there are too many.
func orList(names []string, given, plural string) string {
	names = slices.Clone(names)
	sort.Strings(names)
	names = slices.Compact(names)
	if n := nearest(given, names); n != "" {
		return fmt.Sprintf("Did you mean %q?", n)
	}
	switch {
	case len(names) == 0:
		return fmt.Sprintf("There are no %s.", plural)
	case len(names) > maxListed:
		return fmt.Sprintf("The %s are %s and %d more.", plural, strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return fmt.Sprintf("The %s are: %s.", plural, strings.Join(names, ", "))
}

// andPhases joins phases for a sentence: "pre and post".
func andPhases(phases []Phase) string {
	var words []string
	for _, p := range phases {
		words = append(words, string(p))
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// Nearest returns the name that given was probably meant to be, "" when none is
// near.
func Nearest(given string, names []string) string { return nearest(given, names) }

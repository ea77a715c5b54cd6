package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/agext/levenshtein"
)

// nearest returns the name that given was probably meant to be, "" when none is
// near. Case, and "-" for "_", count less than other differences.
func nearest(given string, names []string) string {
	best, bestDist := "", 3
	if len(given) <= 3 {
		bestDist = 2
	}
	for _, name := range names {
		dist := levenshtein.Distance(given, name, nil)
		if fold(given) == fold(name) {
			dist = 0
		}
		if dist < bestDist {
			best, bestDist = name, dist
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

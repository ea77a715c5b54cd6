package main

import "github.com/agext/levenshtein"

// nearest returns the candidate that name most likely means, "" if none is near.
func nearest(name string, candidates []string) string {
	best, distance := "", 3
	for _, c := range candidates {
		if d := levenshtein.Distance(name, c, nil); d < distance && d < len(c) {
			best, distance = c, d
		}
	}
	return best
}

// didYouMean is the end of a sentence about an unknown name.
func didYouMean(name string, candidates []string) string {
	if near := nearest(name, candidates); near != "" {
		return ` Did you mean "` + near + `"?`
	}
	return ""
}

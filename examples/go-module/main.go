// Nearest prints the known word that is closest to the one it is given.
package main

import (
	"fmt"
	"os"

	"github.com/agext/levenshtein"
	"github.com/mitchellh/go-wordwrap"
)

var words = []string{"apply", "artifact", "image", "plan", "project", "secret"}

func nearest(word string) string {
	best, least := "", len(word)+1
	for _, w := range words {
		if d := levenshtein.Distance(word, w, nil); d < least {
			best, least = w, d
		}
	}
	return best
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, wordwrap.WrapString("usage: nearest WORD. It prints the known word that is closest to WORD.", 40))
		os.Exit(2)
	}
	fmt.Println(nearest(os.Args[1]))
}

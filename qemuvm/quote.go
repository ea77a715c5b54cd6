package qemuvm

import "strings"

// escape makes a value safe inside one of QEMU's comma-separated option lists:
// a comma is doubled and nothing else is special (QEMU's manual, -drive file=).
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// Quote writes a command line so that a POSIX shell reads the same words.
func Quote(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = quoteWord(word)
	}
	return strings.Join(words, " ")
}

func quoteWord(word string) string {
	plain := word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("%+,-./:=@_", r))
	})
	if plain {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

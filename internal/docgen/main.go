// Command docgen writes the language reference from the tables that the
// configuration is checked against and from the schemas of the actions, so that
// it can not drift. Run it at the top of the repository:
//
//	go run ./internal/docgen
package main

import (
	"fmt"
	"os"
)

// target is the file that is written, relative to the top of the repository.
const target = "docs/language.md"

func main() {
	if err := os.WriteFile(target, []byte(reference()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

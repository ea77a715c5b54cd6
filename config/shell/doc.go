// Package shell finds mistakes in shell scripts before anything runs them.
//
// It must never refuse a script that the shell would run. What the parser does
// not like is an error only if it concerns the structure of the script, which
// every shell checks before it runs a line. Shells look into expansions,
// arithmetic, tests and here-documents when they come to them, and some of what
// they take there the parser does not know: that is a warning.
package shell

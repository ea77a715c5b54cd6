// Package ambientyaml turns the YAML files of the Rust program Ambient into
// configurations: its projects files, and the plans that Radicle repositories
// hold in .radicle/ambient.yaml.
//
// What can not be carried over stands in the result as a comment, with the line
// it came from, and is reported as a warning. The same text always gives the
// same result. A file is not trusted: its size, its nesting and what its
// aliases stand for are bounded, and none of its text becomes an expression.
package ambientyaml

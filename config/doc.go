// Package config reads the configuration language: HCL text becomes typed
// values that still know where they stand in the files.
//
// Load works in passes, and each reports all that is wrong before the next:
//
//  1. read and parse every file; the version the files ask for is checked
//     before anything else is reported (files.go, load.go)
//  2. match blocks and arguments against the tables of the language, the same
//     tables the reference is written from (spec.go, language.go)
//  3. give variables their values (variables.go); locals, images and limits are
//     evaluated when something refers to them (scope.go)
//  4. expand and evaluate stages and their actions (project.go, stage.go,
//     action.go), and look for mistakes in their scripts (scripts.go)
//
// A configuration is not trusted: it may come with a stranger's patch. Its
// size and nesting are bounded, it reads no file outside its own directory, and
// no value of it depends on time, chance, the network or the environment (but
// for the AMBIENT_VAR_ variables that the caller hands in).
//
// Values of sensitive variables carry a mark through every expression. They may
// be used in the arguments and the environment of actions only and appear in no
// diagnostic.
package config

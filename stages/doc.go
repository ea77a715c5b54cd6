// Package stages decides which stages of a configuration run, in which order
// and with what, and runs them.
//
// Build makes the Graph: what needs what, and why. Graph.Run walks it with a
// Runner, which runs one stage in one machine; the package knows nothing of
// machines. The package fakerunner is a Runner without machines that checks how
// it is used, and runnertest is the suite that every Runner passes.
package stages

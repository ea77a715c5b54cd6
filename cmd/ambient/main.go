// Command ambient runs a project's checks, every stage in its own virtual
// machine.
//
// Every command is one file: a pure function that parses its arguments, a run
// method that does the work and functions that render. Exit statuses are
// decided in exit.go alone.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(ambient(context.Background(), os.Args[1:], realParts()))
}

// ambient runs the program once with the process's own streams and signals and
// returns its exit status.
func ambient(ctx context.Context, args []string, parts parts) int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	// A closed pipe must not end the program while machines run: writing to it
	// gives an error instead, and the run is stopped in order.
	signal.Ignore(syscall.SIGPIPE)
	a := &app{
		ctx:     ctx,
		out:     newConsole(os.Stdout, os.Getenv),
		err:     newConsole(os.Stderr, os.Getenv),
		signals: signals,
		parts:   parts,
	}
	return a.main(args)
}

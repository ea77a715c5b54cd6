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
	// A closed pipe must not end the program while machines run: writing to it
	// gives an error instead, and the run is stopped in order. Ignoring the signal
	// would do the same but be inherited by every program that is started.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	a := &app{
		ctx:    ctx,
		out:    newConsole(os.Stdout, os.Getenv),
		err:    newConsole(os.Stderr, os.Getenv),
		listen: listen,
		parts:  parts,
	}
	return a.main(args)
}

// listen delivers the signals that ask to stop, until stop is called; before and
// after, they end the program as they always do. Those that were ignored when
// the program started, as by nohup, stay so.
func listen() (signals <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 4)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	return c, func() { signal.Stop(c) }
}

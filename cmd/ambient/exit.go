package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ambient-ci/ambient/stages"
)

// usageError is a mistake on the command line.
type usageError struct {
	text string
	hint string // what to type; empty: the command's help
}

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// outcomeError says how a run ended. What there is to say has been printed.
type outcomeError struct{ outcome stages.Outcome }

func (e *outcomeError) Error() string { return "the run " + outcomeWords(e.outcome) }

// errConfiguration says that the configuration is wrong; the diagnostics have
// been printed.
var errConfiguration = errors.New("the configuration is wrong")

// errUnfit says that no stage could run on this machine; doctor has printed why.
var errUnfit = errors.New("no stage can run on this machine")

// status is the one place where an exit status is decided; stages.ExitStatus
// decides for a run.
func status(err error) int {
	var usage *usageError
	var outcome *outcomeError
	var old *staleError
	switch {
	case err == nil:
		return stages.ExitSucceeded
	case errors.As(err, &outcome):
		return stages.ExitStatus(outcome.outcome)
	case errors.As(err, &usage), errors.As(err, &old), errors.Is(err, errConfiguration):
		return stages.ExitUsage
	case errors.Is(err, errToRun):
		return exitToRun
	case errors.Is(err, errForm):
		return stages.ExitFailed
	case errors.Is(err, context.Canceled):
		return stages.ExitCancelled
	default:
		return stages.ExitErrored
	}
}

// finish prints what an error has still to say and returns the exit status.
func (a *app) finish(command string, err error) int {
	if err == nil {
		err = a.out.lost()
	}
	var usage *usageError
	var outcome *outcomeError
	switch {
	case err == nil, errors.As(err, &outcome),
		errors.Is(err, errConfiguration), errors.Is(err, errUnfit), errors.Is(err, errForm), errors.Is(err, errToRun), errors.Is(err, errAsked):
	case errors.As(err, &usage):
		a.err.printf("%s %s\n", a.err.paint(red, "Error:"), safe(usage.text))
		hint := usage.hint
		if hint == "" && command != "" {
			hint = "See: ambient " + command + " -help"
		}
		if hint != "" {
			a.err.printf("%s\n", safe(hint))
		}
	case errors.Is(err, context.Canceled):
		a.err.printf("interrupted\n")
	default:
		a.err.printf("%s %s\n", a.err.paint(red, "Error:"), safeLines(err.Error()))
	}
	return status(err)
}

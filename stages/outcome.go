package stages

import "slices"

// Exit statuses of the program, by the outcome of a run. Status 2, for a wrong
// configuration or usage, never comes from a run.
const (
	ExitSucceeded = 0
	ExitFailed    = 1
	ExitUsage     = 2
	ExitErrored   = 3
	ExitCancelled = 130
)

// Combine returns the outcome of a run from those of its stages: the first of
// cancelled, errored, failed, timed_out that any of them has, else succeeded,
// which a reused stage counts as.
// Stages that are skipped follow from others; with nothing else they make a run
// that failed. An outcome that is none of the constants counts as errored.
func Combine(outcomes ...Outcome) Outcome {
	worst := Succeeded
	for _, o := range outcomes {
		if !o.Good() && severity(o) > severity(worst) {
			worst = o
		}
	}
	switch worst {
	case Succeeded, TimedOut, Failed, Cancelled:
		return worst
	case Skipped:
		return Failed
	default:
		return Errored
	}
}

var bySeverity = []Outcome{Succeeded, Skipped, TimedOut, Failed, Errored, Cancelled}

// severity is the place of o in bySeverity; one that is not there counts as an
// error of ours, but not above Cancelled.
func severity(o Outcome) int {
	if i := slices.Index(bySeverity, o); i >= 0 {
		return i
	}
	return slices.Index(bySeverity, Errored)
}

// ExitStatus returns the program's exit status for the outcome of a run.
func ExitStatus(o Outcome) int {
	switch o {
	case Succeeded, Reused:
		return ExitSucceeded
	case Failed, TimedOut, Skipped:
		return ExitFailed
	case Cancelled:
		return ExitCancelled
	default:
		return ExitErrored
	}
}

package stages

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
// cancelled, errored, failed, timed_out that any of them has, else succeeded.
// A skipped stage counts as failed, since something it needs did not succeed.
// An outcome that is none of the constants counts as errored.
func Combine(outcomes ...Outcome) Outcome {
	worst := Succeeded
	for _, o := range outcomes {
		if o == Skipped {
			o = Failed
		}
		if severity(o) > severity(worst) {
			worst = o
		}
	}
	if severity(worst) == unknownSeverity {
		return Errored
	}
	return worst
}

// unknownSeverity stands for whatever is no outcome of a run.
const unknownSeverity = 4

func severity(o Outcome) int {
	switch o {
	case Succeeded:
		return 0
	case TimedOut:
		return 1
	case Failed:
		return 2
	case Errored:
		return 3
	case Cancelled:
		return 5
	default:
		return unknownSeverity
	}
}

// ExitStatus returns the program's exit status for the outcome of a run.
func ExitStatus(o Outcome) int {
	switch o {
	case Succeeded:
		return ExitSucceeded
	case Failed, TimedOut, Skipped:
		return ExitFailed
	case Cancelled:
		return ExitCancelled
	default:
		return ExitErrored
	}
}

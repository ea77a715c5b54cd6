package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/runs"
	"github.com/ambient-ci/ambient/stages"
)

// outcomeWords is an outcome after a subject: "it timed out".
func outcomeWords(o stages.Outcome) string {
	switch o {
	case stages.Errored:
		return "ended in an error"
	case stages.TimedOut:
		return "timed out"
	case stages.Cancelled:
		return "was cancelled"
	case stages.Skipped:
		return "was skipped"
	case stages.Reused:
		return "was reused"
	case runs.Running:
		return "goes on"
	}
	return safe(string(o))
}

// outcomeInk is the colour of an outcome.
func outcomeInk(o stages.Outcome) ink {
	switch o {
	case stages.Succeeded, stages.Reused:
		return green
	case stages.Failed, stages.Errored, stages.TimedOut:
		return red
	case stages.Cancelled, stages.Skipped:
		return yellow
	}
	return dim
}

// seconds renders a duration for people: "0.4s", "12s", "3m05s", "2h07m".
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < 0:
		return "0.0s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// size renders bytes for people in binary units: "512 B", "16 MiB", "1.5 GiB".
func size(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), ""
	for _, unit = range units {
		if f /= 1024; f < 1023.95 {
			break
		}
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + " " + unit
}

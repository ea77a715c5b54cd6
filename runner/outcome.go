package runner

import (
	"fmt"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// story is what the host knows of a stage once its machine is gone. What the
// guest said in it is a claim: it chooses between outcomes that the guest could
// have brought about anyway, and nothing else.
type story struct {
	stopped  string          // why the host stopped it: a stop… constant, or ""
	finished *guest.Finished // the last action that ended
	done     *guest.Done     // nil: the guest never said so
	failure  error           // protocol or machine; nil: none seen
	begun    int             // how many actions began
	output   *guest.Packed   // what the guest said of its artifacts or deps
}

// Why the host stops a stage.
const (
	stopCancel  = "cancelled"
	stopTimeout = "timeout"
	stopLog     = "log"
)

// verdict turns a story into a result. It is pure.
func verdict(stage *config.Stage, s story) stages.Result {
	r := stages.Result{Action: -1}
	if f := s.finished; f != nil {
		r.Action, r.Exit, r.Signal = f.Action, f.Exit, f.Signal
	}
	switch {
	case s.stopped == stopCancel:
		return end(r, stages.Cancelled, "", "it was cancelled")
	case s.stopped == stopTimeout:
		return end(r, stages.TimedOut, guest.LimitTimeout, fmt.Sprintf("it ran longer than its limit of %s (timeout)", stage.Limits.Timeout))
	case s.stopped == stopLog:
		return end(r, stages.Failed, guest.LimitLog, limitReason(stage, guest.LimitLog))
	case s.failure != nil:
		return end(r, stages.Errored, "", s.failure.Error())
	case s.done == nil:
		return end(r, stages.Errored, "", "the guest ended without saying how its stage went; see the console log")
	case s.done.Error != "" && known(s.done.Limit):
		return end(r, stages.Failed, s.done.Limit, limitReason(stage, s.done.Limit))
	case s.done.Error != "":
		return end(r, stages.Errored, "", "in the guest: "+clip(s.done.Error))
	}
	if f := s.finished; f != nil && !success(f) {
		return actionVerdict(stage, r, f)
	}
	return outputVerdict(stage, r, s.output)
}

// actionVerdict is the result of an action that did not succeed.
func actionVerdict(stage *config.Stage, r stages.Result, f *guest.Finished) stages.Result {
	name := actionName(stage, f.Action)
	outage := " could not fetch: "
	if stage.ID.Phase == config.Post {
		outage = " could not deliver: "
	}
	switch {
	case f.Limit == guest.LimitAction:
		return end(r, stages.TimedOut, guest.LimitAction, name+" ran longer than its own timeout")
	case known(f.Limit):
		return end(r, stages.Failed, f.Limit, name+": "+limitReason(stage, f.Limit))
	case f.Outage && f.Error == "": // a tool that fetches
		return end(r, stages.Errored, "", fmt.Sprintf("%s%sit ended with exit status %d; its log says why", name, outage, f.Exit))
	case f.Outage:
		return end(r, stages.Errored, "", name+outage+strings.TrimPrefix(clip(f.Error), "fetch "))
	case f.Error != "":
		return end(r, stages.Failed, "", name+": "+clip(f.Error))
	case f.Signal != "":
		return end(r, stages.Failed, "", name+" was killed by "+clip(f.Signal))
	}
	return end(r, stages.Failed, "", fmt.Sprintf("%s ended with exit status %d", name, f.Exit))
}

func outputVerdict(stage *config.Stage, r stages.Result, output *guest.Packed) stages.Result {
	switch {
	case output == nil:
		return end(r, stages.Errored, "", "the guest did not say what became of its output")
	case known(output.Limit):
		return end(r, stages.Failed, output.Limit, limitReason(stage, output.Limit))
	case output.Fault:
		return end(r, stages.Failed, "", clip(output.Error))
	case output.Error != "":
		return end(r, stages.Errored, "", "the guest could not pack its output: "+clip(output.Error))
	}
	r.Outcome, r.Action = stages.Succeeded, -1
	return r
}

func end(r stages.Result, o stages.Outcome, limit, reason string) stages.Result {
	r.Outcome, r.Limit, r.Reason = o, limit, reason
	return r
}

func success(f *guest.Finished) bool {
	return f.Exit == 0 && f.Signal == "" && f.Limit == "" && f.Error == "" && !f.Outage && !f.Stopped
}

func actionName(stage *config.Stage, index int) string {
	if index < 0 || index >= len(stage.Actions) {
		return "an action"
	}
	return fmt.Sprintf("action %d (%s)", index+1, stage.Actions[index].Name)
}

// known reports whether a limit that a guest named is one that it can hit.
func known(limit string) bool {
	switch limit {
	case guest.LimitMemory, guest.LimitDisk, guest.LimitArtifacts, guest.LimitDeps, guest.LimitPIDs, guest.LimitLog:
		return true
	}
	return false
}

// limitReason says which limit was hit, how large it is and where to raise it.
func limitReason(stage *config.Stage, limit string) string {
	l := stage.Limits
	size := map[string]int64{
		guest.LimitMemory: l.Memory, guest.LimitDisk: l.Disk, guest.LimitArtifacts: l.Artifacts,
		guest.LimitDeps: l.Deps, guest.LimitLog: l.Log,
	}
	what := map[string]string{
		guest.LimitMemory:    "it needed more memory than its limit of %s",
		guest.LimitDisk:      "it filled its disk of %s",
		guest.LimitArtifacts: "its artifacts are larger than their limit of %s",
		guest.LimitDeps:      "its dependencies are larger than their limit of %s",
		guest.LimitLog:       "its log is longer than its limit of %s",
	}
	if limit == guest.LimitPIDs {
		return fmt.Sprintf("it started more processes than its limit of %d (processes in the limits block)", l.Processes)
	}
	return fmt.Sprintf(what[limit]+" (%s in the limits block)", config.FormatSize(size[limit]), limit)
}

// clip bounds a text that a guest sent and makes it safe to show.
func clip(s string) string {
	const most = 2000
	if len(s) > most {
		s = s[:most] + "…"
	}
	return stages.PlainText(s)
}

package stages

import (
	"context"
	"time"

	"github.com/ambient-ci/ambient/config"
)

// Outcome is how a stage, or a run, ended.
type Outcome string

// The outcomes. Only an action's own end, or a limit the user set, makes
// Failed; whatever is the machine's fault or ours is Errored.
const (
	Succeeded Outcome = "succeeded"
	Failed    Outcome = "failed"
	Errored   Outcome = "errored"
	TimedOut  Outcome = "timed_out"
	Cancelled Outcome = "cancelled"
	Skipped   Outcome = "skipped" // a stage it needs did not succeed
	Reused    Outcome = "reused"  // it did not run: its result is that of an earlier run
)

// Data is a tar archive on the host: source, deps, artifacts. It was written
// or rewritten by the host and is safe to hand to another guest.
type Data struct {
	From   config.StageID // the stage that made it; zero for the source
	Path   string
	Size   int64
	Digest string // "sha256:…" of the file
}

// Job is one stage, ready to run. It is immutable.
type Job struct {
	RunID   string
	Project *config.Project
	Stage   *config.Stage
	Env     map[string]string // of the stage, with what its fetchers' PlanEnv add
	Deps    []Data            // of every pre stage of the project, in order; for plan stages
	Union   []Data            // artifacts of every plan stage; for post stages
	Inputs  []Data            // artifacts of the stages it refers to
	Dir     string            // an existing directory that keeps console and build log and artifacts
	Attempt int               // from 1; the attempts of a stage share Dir
}

// StopReason is why a stage is asked to stop before its end.
type StopReason string

// The reasons to stop.
const (
	StopCancel StopReason = "cancelled"
)

// Result is what became of a stage.
type Result struct {
	Outcome  Outcome
	Limit    string // the limit that was hit, by its name in the limits block
	Reason   string // one sentence for the user; empty when Succeeded; why, when Reused
	Action   int    // index of the action that ended the stage, -1 when none did
	Exit     int    // its exit status, when Outcome is Failed by one
	Signal   string // its signal, when it was killed by one
	Warnings []string
	Attempts int   // how often the stage was tried; 0: never
	Unneeded bool  // it was Skipped because of its own When, and not because of what it needs
	Output   *Data // artifacts, or the deps of a pre stage; nil: none
	Times    Times
	From     string // the run whose result this is, when Reused
	Tests    *Tests // nil: there were no test reports. Nobody changes it.
}

// Times says where a stage's time went.
type Times struct {
	Prepare time.Duration // packing inputs, making devices
	Boot    time.Duration // from starting QEMU to the guest's first message
	Work    time.Duration // from there to its last
	Collect time.Duration // reading outputs
}

// Runner runs stages. One Runner serves many stages at once.
//
// The lifecycle of an Execution, by its caller:
//
//  1. Start packs the inputs and starts the machine. It returns an error only
//     when nothing was started, and then there is nothing to close. A stage
//     that can not be started for a reason of the user's (a source larger than
//     the disk) still gives an Execution, whose Wait tells.
//  2. Wait blocks until the stage is over, by itself or by Stop, and returns
//     its result. It may be called any number of times, also after Close, and
//     from several goroutines; all get the same result.
//  3. Stop asks the stage to end and returns at once. The guest has Grace to
//     pack what is whole; after that it is killed. It may be called at any time
//     before Close and more than once.
//  4. Kill ends the stage at once. It too may be called more than once.
//  5. Close releases everything the stage holds; it kills what still runs. It
//     may be called any number of times, and must be called after Start
//     succeeded. Output of the result stays valid.
//
// The context of Start is for the whole execution: when it is done, the stage
// is stopped as by Stop(StopCancel). A stage that Stop, Kill or Close ended
// before it was over by itself is Cancelled.
//
// A Runner tells its Observer of stage_preparing, stage_started, action_…, log
// and warning, none of them after Close has returned. It fills the fields of
// the type; the Observer that Graph.Run hands it adds version, run and stage.
type Runner interface {
	Start(ctx context.Context, job *Job, obs Observer) (Execution, error)
}

// Execution is one stage that runs.
type Execution interface {
	Wait() Result
	Stop(reason StopReason)
	Kill()
	Close() error
}

// Grace is how long a stopped stage may take to save what is whole.
const Grace = 8 * time.Second

// Observer is told what happens while a stage runs. Its methods may be called
// from several goroutines and must not block for long.
type Observer interface {
	Event(Event)
}

// ObserverFunc makes a function an Observer.
type ObserverFunc func(Event)

// Event calls f.
func (f ObserverFunc) Event(e Event) { f(e) }

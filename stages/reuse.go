package stages

import (
	"context"
	"time"

	"github.com/ambient-ci/ambient/config"
)

// Reuser knows the results of earlier runs. Its methods are called from several
// goroutines, each stage's in turn: Find when all that the stage reads is there,
// and Keep at its end, unless Find's result was used.
type Reuser interface {
	// Find looks for a result that can stand for running the job. What it finds
	// is in job.Dir when it returns; what it does not find leaves nothing there.
	Find(ctx context.Context, job *Job) Found
	// Keep is told how a job that Found did not answer has ended, and how long it
	// worked. It keeps a good result. The error is for the user and changes
	// nothing for the stage.
	Keep(ctx context.Context, job *Job, found Found, res Result, took time.Duration) error
}

// Found is the answer of a Reuser.
type Found struct {
	Result *Result // of outcome Reused; nil: the stage has to run
	Reason string  // why it has to run, for the user: "source changed"
	Token  any     // whatever the Reuser wants back in Keep
}

// Identifier works out what a stage can see.
type Identifier interface {
	// Identity returns everything that the job's result may depend on. The error
	// says why that is not known; the stage then has to run.
	Identity(ctx context.Context, job *Job) (Identity, error)
	// Confirm reports whether what the job read is what its identity said. It is
	// asked after the job's machine has run.
	Confirm(job *Job) bool
}

// Identity is all that a stage can see: two jobs with equal parts give results
// that can stand for each other.
type Identity struct {
	Parts  []Part        // names are unique
	MaxAge time.Duration // how old a result may be; 0: any age
	Never  string        // why no result may be reused, "reuse = false"; empty: it may
	Unsure string        // why the parts can not be complete before it runs ("the image is not built yet"); empty: they are
}

// Part is one thing that a stage can see.
type Part struct {
	Name  string `json:"name"`  // for the user: "source", "action 2", "env LANG"
	Value string `json:"value"` // a digest or a short text; never a secret
}

// Good reports whether a stage that ended so can be built upon.
func (o Outcome) Good() bool { return o == Succeeded || o == Reused }

// Preparer is a Runner that can make ready what a stage needs while there is no
// room for its machine. Start must do what Prepare and then Prepared.Start do.
type Preparer interface {
	Runner
	// Prepare packs the inputs of a job. Errors are those of Runner.Start: then
	// there is nothing to release.
	Prepare(ctx context.Context, job *Job, obs Observer) (Prepared, error)
}

// Prepared is a stage whose machine can start. One of the methods is called,
// once.
type Prepared interface {
	// Start is Runner.Start. After an error there is nothing to release.
	Start(ctx context.Context) (Execution, error)
	// Close releases what was prepared.
	Close() error
}

// priorities returns for each stage its place among those that could start:
// first the one from which the longest path of work leads to the end of the
// run. Without durations, or among equals, the order of the graph decides. A
// stage whose duration is not known counts as the median of the others.
func (g *Graph) priorities(duration func(config.StageID) time.Duration) []int {
	if duration == nil {
		return g.ranks()
	}
	return g.byPath(g.pathLengths(duration))
}

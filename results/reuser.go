package results

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// Reuser finds results for stages and keeps those of stages that ran. It
// implements stages.Reuser.
type Reuser struct {
	Store      *Store
	Identifier stages.Identifier
	// Forced says which stages run whatever there is; nil: none.
	Forced func(config.StageID) bool
	// Now is the time; nil: time.Now.
	Now func() time.Time
}

func (u *Reuser) now() time.Time {
	if u.Now != nil {
		return u.Now()
	}
	return time.Now()
}

// token is what Keep must know of Find.
type token struct {
	id    stages.Identity
	known bool // there is an identity
}

// Find implements stages.Reuser.
func (u *Reuser) Find(ctx context.Context, job *stages.Job) stages.Found {
	e, found := u.use(ctx, job, func(k *kept) error { return k.take(ctx, job.Dir) })
	if e == nil {
		return found
	}
	u.Store.touch(e.Key, u.now())
	u.remember(job, e)
	res := stages.Result{Outcome: stages.Reused, Action: -1, From: e.Run, Reason: reusedReason(e), Tests: e.Tests}
	if o := e.Output; o != nil {
		res.Output = &stages.Data{From: job.Stage.ID, Path: filepath.Join(job.Dir, o.File), Size: o.Size, Digest: o.Digest}
	}
	found.Result = &res
	return found
}

// use returns the entry that stands for a job, after f has read what it wants of
// its files; or else why the job has to run.
func (u *Reuser) use(ctx context.Context, job *stages.Job, f func(*kept) error) (*Entry, stages.Found) {
	for look := 1; ; look++ {
		k, found := u.lookup(ctx, job)
		if k == nil {
			return nil, found
		}
		err := f(k)
		k.Close()
		if err == nil {
			return k.Entry, found
		}
		if look == mostLooks || !errors.Is(err, fs.ErrNotExist) { // not replaced meanwhile
			found.Reason = "the result of run " + k.Run + " is gone or damaged"
			return nil, found
		}
	}
}

// remember notes what the stage saw, so that a later reason names what changed
// since. It is only for words: an error does not matter.
func (u *Reuser) remember(job *stages.Job, e *Entry) {
	l := u.Store.last(job.Project, job.Stage.ID)
	if l == nil {
		l = &last{}
	}
	if l.Key != e.Key {
		l.Run, l.Outcome, l.Key, l.Parts = e.Run, stages.Succeeded, e.Key, e.Parts
		u.Store.saveLast(job.Project, job.Stage.ID, l)
	}
}

func reusedReason(e *Entry) string { return "nothing that it sees has changed since run " + e.Run }

// lookup returns the entry that can stand for a job, or else why it has to run.
// The output of the entry has not been read. The caller closes it.
func (u *Reuser) lookup(ctx context.Context, job *stages.Job) (*kept, stages.Found) {
	id, err := u.Identifier.Identity(ctx, job)
	if err != nil {
		return nil, stages.Found{Reason: err.Error(), Token: token{}}
	}
	found := stages.Found{Token: token{id, true}}
	if job.Stage.ID.Phase == config.Post { // which goes without saying
		return nil, found
	}
	switch {
	case id.Never != "":
		found.Reason = id.Never
	case u.Forced != nil && u.Forced(job.Stage.ID):
		found.Reason = "-force"
	case id.Unsure != "":
		found.Reason = id.Unsure
	}
	if found.Reason != "" {
		return nil, found
	}
	e, err := u.Store.open(keyOf(id.Parts))
	if err != nil {
		found.Reason = u.why(job, id, err)
		return nil, found
	}
	if found.Reason = u.unfit(job, id, e.Entry); found.Reason != "" {
		e.Close()
		return nil, found
	}
	return e, found
}

// unfit says why an entry can not be used although its key is right.
func (u *Reuser) unfit(job *stages.Job, id stages.Identity, e *Entry) string {
	if age := u.now().Sub(e.Made); id.MaxAge > 0 && (age > id.MaxAge || age < 0) {
		return fmt.Sprintf("the result of run %s is older than %s", e.Run, config.FormatDuration(id.MaxAge))
	}
	limit := job.Stage.Limits.Artifacts
	if job.Stage.ID.Phase == config.Pre {
		limit = job.Stage.Limits.Deps
	}
	if limit > 0 && e.Output != nil && e.Output.Size > limit {
		return "the result of run " + e.Run + " is larger than its limit"
	}
	return ""
}

// why says what is new about a job that has no result.
func (u *Reuser) why(job *stages.Job, id stages.Identity, err error) string {
	l := u.Store.last(job.Project, job.Stage.ID)
	switch {
	case l == nil:
		return "it has not run here before"
	case len(l.Parts) == 0:
		return "it is not known what it saw in run " + l.Run
	case l.Key != keyOf(id.Parts):
		return words(changed(l.Parts, id.Parts)) + " changed"
	case l.Outcome != stages.Succeeded:
		return fmt.Sprintf("run %s %s", l.Run, stages.Verb(l.Outcome))
	case errors.Is(err, errNoResult):
		return "the result of run " + l.Run + " is no longer kept"
	}
	return "the result of run " + l.Run + " is gone or damaged"
}

// mostWords bounds the names in one reason.
const mostWords = 4

// words is "a", "a and b", "a, b and 3 others".
func words(names []string) string {
	if over := len(names) - mostWords; over > 1 {
		names = append(names[:mostWords:mostWords], fmt.Sprintf("%d others", over))
	}
	switch n := len(names); n {
	case 0:
		return "something that it sees"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

// ErrChanged says that a source tree changed between looking at it and packing
// it.
var ErrChanged = errors.New("the source tree changed while it was read")

// Keep implements stages.Reuser: a result that succeeded is kept under what the
// stage saw, and of every stage what it saw.
func (u *Reuser) Keep(ctx context.Context, job *stages.Job, found stages.Found, res stages.Result, took time.Duration) error {
	t, _ := found.Token.(token)
	var err error
	if t.known && t.id.Unsure != "" { // now it can be known
		t.id, err = u.Identifier.Identity(ctx, job)
		t.known = err == nil && t.id.Unsure == ""
	}
	l := &last{Run: job.RunID, Outcome: res.Outcome, Took: took}
	confirmed := u.Identifier.Confirm(job)
	if t.known && confirmed {
		l.Key, l.Parts = keyOf(t.id.Parts), t.id.Parts
	}
	err = errors.Join(err, u.Store.saveLast(job.Project, job.Stage.ID, l))
	if !t.known || t.id.Never != "" || res.Outcome != stages.Succeeded {
		return err
	}
	if !confirmed {
		return errors.Join(err, ErrChanged)
	}
	return errors.Join(err, u.Store.publish(ctx, u.entry(job, l, res), job.Dir))
}

func (u *Reuser) entry(job *stages.Job, l *last, res stages.Result) *Entry {
	e := &Entry{
		Version: entryVersion, Key: l.Key, Stage: job.Stage.ID.String(), Run: job.RunID,
		Made: u.now().UTC(), Parts: l.Parts, Tests: res.Tests,
	}
	if o := res.Output; o != nil {
		e.Output = &Output{File: filepath.Base(o.Path), Size: o.Size, Digest: o.Digest}
	}
	return e
}

package runs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/home"
)

// Store is the place of all runs. It is safe for concurrent use, also by several
// processes.
type Store struct {
	home *home.Home
}

// NewStore returns the store of a home. Nothing is created.
func NewStore(h *home.Home) *Store { return &Store{home: h} }

// idText is what an id looks like: the time it was made, in UTC, and a random
// part. Ids sort by time.
var idText = regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-[0-9a-z]{5}$`)

// alphabet has no letters that look alike; 32 of them fit a byte evenly.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

func newID(t time.Time) string {
	var random [5]byte
	rand.Read(random[:]) // never fails
	for i, b := range random {
		random[i] = alphabet[int(b)%len(alphabet)]
	}
	return t.UTC().Format("20060102-150405-") + string(random[:])
}

// Create starts the record of a run. The Writer holds the run until Finish or
// Close. The directory appears under its id only when the record is in it and
// the lock is held, so that no other process takes it for a dead one.
func (s *Store) Create(info Info) (*Writer, error) {
	if info.Started.IsZero() {
		info.Started = time.Now()
	}
	if err := os.MkdirAll(s.home.Runs(), 0o700); err != nil {
		return nil, fmt.Errorf("the record of runs: %w", err)
	}
	w, err := s.create(info)
	if err != nil {
		return nil, fmt.Errorf("the record of a new run: %w", err)
	}
	return w, nil
}

func (s *Store) create(info Info) (w *Writer, err error) {
	tmp, err := os.MkdirTemp(s.home.Runs(), ".new-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(tmp)
		}
	}()
	release, err := home.Hold(filepath.Join(tmp, heldFile))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			release()
		}
	}()
	record := newRecord(newID(info.Started), info)
	if err := writeRecord(tmp, record); err != nil {
		return nil, err
	}
	dir := filepath.Join(s.home.Runs(), record.ID)
	if err := os.Rename(tmp, dir); err != nil { // also when the id is taken
		return nil, err
	}
	tmp = dir
	if err := syncDir(s.home.Runs()); err != nil {
		return nil, err
	}
	return newWriter(&Run{dir: dir, record: record}, release)
}

// List returns all runs, the newest first. Runs whose record can not be read
// are left out and make the error, which does not stop the others.
func (s *Store) List() ([]*Run, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	var all []*Run
	var damaged []error
	for _, id := range ids {
		r, err := s.open(id)
		switch {
		case err == nil:
			all = append(all, r)
		case !errors.Is(err, fs.ErrNotExist): // else it was just removed
			damaged = append(damaged, err)
		}
	}
	slices.SortStableFunc(all, func(a, b *Run) int {
		if c := b.record.Started.Compare(a.record.Started); c != 0 {
			return c
		}
		return strings.Compare(b.record.ID, a.record.ID)
	})
	return all, errors.Join(damaged...)
}

// ids returns the ids of all runs, in order.
func (s *Store) ids() ([]string, error) {
	entries, err := os.ReadDir(s.home.Runs())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the record of runs: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && idText.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// Open returns the run that ref means: an id, the beginning of an id or of its
// random part if only one run has it, or "latest". The error is the user's when
// it is ErrNoRun or an *AmbiguousError.
func (s *Store) Open(ref string) (*Run, error) {
	if ref == "latest" {
		all, err := s.List()
		if len(all) > 0 {
			return all[0], nil
		}
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: nothing was run yet", ErrNoRun)
	}
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	id, err := find(ids, ref)
	if err != nil {
		return nil, err
	}
	return s.open(id)
}

// AmbiguousError says that several runs have the same beginning.
type AmbiguousError struct {
	Ref string
	IDs []string
}

// Error implements error.
func (e *AmbiguousError) Error() string {
	const show = 5
	ids := e.IDs
	if len(ids) > show {
		ids = append(slices.Clone(ids[len(ids)-show:]), "…")
	}
	return fmt.Sprintf("%q is the beginning of %d runs: %s", e.Ref, len(e.IDs), strings.Join(ids, ", "))
}

func find(ids []string, ref string) (string, error) {
	var found []string
	for _, id := range ids {
		random := id[strings.LastIndexByte(id, '-')+1:]
		if id == ref {
			return id, nil
		}
		if ref != "" && (strings.HasPrefix(id, ref) || strings.HasPrefix(random, ref)) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w: %q", ErrNoRun, ref)
	case 1:
		return found[0], nil
	}
	return "", &AmbiguousError{Ref: ref, IDs: found}
}

// open reads a run and, if its process died, corrects its record.
func (s *Store) open(id string) (*Run, error) {
	r := &Run{dir: filepath.Join(s.home.Runs(), id)}
	var err error
	if r.record, err = readRecord(r.dir); err != nil {
		return nil, err
	}
	if r.record.Outcome == Running {
		err = s.heal(r)
	}
	return r, err
}

// heal finds out whether a run that is not over still has its process. One
// process at a time looks, so that a lock that is held is held by the run.
func (s *Store) heal(r *Run) error {
	done, err := s.home.Lock(context.Background(), "runs")
	if err != nil {
		return fmt.Errorf("run %s: %w", r.record.ID, err)
	}
	defer done()
	release, err := home.Hold(filepath.Join(r.dir, heldFile))
	if errors.Is(err, home.ErrHeld) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", r.record.ID, err)
	}
	defer release()
	if r.record, err = readRecord(r.dir); err != nil || r.record.Outcome != Running {
		return err // it finished meanwhile, or another process healed it
	}
	r.record.abandon(r, "ambient itself died, or the machine went down, before the run was over")
	return writeRecord(r.dir, r.record)
}

package runs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ambient-ci/ambient/home"
)

// ErrActive says that a run is not over.
var ErrActive = errors.New("the run is not over")

// Remove removes the record of a run with its logs and artifacts: under its id
// it is there whole or not at all. Results that were kept of it stay. The error
// is ErrActive when its process lives.
func (s *Store) Remove(r *Run) error {
	done, err := s.home.Lock(context.Background(), "runs")
	if err != nil {
		return err
	}
	defer func() { done() }()
	release, err := home.Hold(filepath.Join(r.dir, heldFile))
	if errors.Is(err, home.ErrHeld) {
		return ErrActive
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil // another process removed it
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", r.ID(), err)
	}
	defer release()
	gone := filepath.Join(s.home.Runs(), removedPrefix+r.ID())
	if err := os.Rename(r.dir, gone); err != nil {
		return fmt.Errorf("run %s: %w", r.ID(), err)
	}
	done() // only the name needed it
	done = func() {}
	return os.RemoveAll(gone)
}

// removedPrefix starts the name of a run that is being removed.
const removedPrefix = ".old-"

// Sweep removes what a process that was killed left of runs that it removed.
func (s *Store) Sweep() error {
	left, _ := filepath.Glob(filepath.Join(s.home.Runs(), removedPrefix+"*"))
	var errs []error
	for _, dir := range left {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

package runs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/stages"
)

func TestRemove(t *testing.T) {
	h := home.At(t.TempDir())
	s := NewStore(h)
	w, err := s.Create(Info{Directory: "/x"})
	if err != nil {
		t.Fatal(err)
	}
	active, err := s.Open("latest")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(active); !errors.Is(err, ErrActive) {
		t.Errorf("a run that is not over: %v", err)
	}
	if err := w.Finish(stages.RunResult{Outcome: stages.Succeeded}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is gone
		if err := s.Remove(active); err != nil {
			t.Error(err)
		}
	}
	left := filepath.Join(h.Runs(), removedPrefix+"x")
	if err := os.MkdirAll(filepath.Join(left, "stages"), 0o700); err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(); len(all) > 0 || err != nil {
		t.Errorf("listed: %v %v", all, err)
	}
	if err := s.Sweep(); err != nil {
		t.Error(err)
	}
	if names, _ := os.ReadDir(h.Runs()); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}

package templates

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Many make and sweep at once: nobody loses the directory in which it makes a
// template.
func TestStagesAtOnce(t *testing.T) {
	s := newStore(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				st, err := s.newStage()
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(st.dir, "memory"), nil, 0o600); err != nil {
					t.Error(err)
				}
				st.remove()
			}
		})
	}
	wg.Wait()
	nothing(t, s, 0)
}

// Templates are made, used and evicted at once: what is in use stays, and nothing
// is called damaged.
func TestUseAndEvict(t *testing.T) {
	s, key := newStore(t), newKey(t, "a")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 100 {
				if i < 2 {
					s.Evict(Limit{})
					continue
				}
				if err := s.Make(t.Context(), key, fill); err != nil {
					t.Error(err)
				}
				u, err := s.Use(key)
				if errors.Is(err, ErrNone) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				for _, f := range []string{u.Memory, u.State, u.Scratch} {
					if _, err := os.Stat(f); err != nil {
						t.Error("in use and gone:", err)
					}
				}
				u.Close()
			}
		})
	}
	wg.Wait()
}

// A template that did not work is removed, and not the one that was made in its
// place meanwhile.
func TestRemoveThatOne(t *testing.T) {
	s, key := newStore(t), newKey(t, "a")
	made(t, s, key)
	bad, err := s.Use(key)
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	s.Remove(key) // by another stage, and one makes it anew
	made(t, s, key)
	if bad.Remove() {
		t.Error("removed another's")
	}
	good, err := s.Use(key)
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	if !good.Remove() {
		t.Error("not removed")
	}
	if _, err := s.Use(key); err != ErrNone {
		t.Error(err)
	}
}

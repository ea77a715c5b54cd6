package templates

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/home"
)

func newKey(t *testing.T, fields ...string) string {
	t.Helper()
	key, err := Key(fields...)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newStore(t *testing.T) *Store { return Open(home.At(t.TempDir())) }

// fill writes what a machine would.
func fill(f Files) (string, error) {
	return "7.2.0", errors.Join(os.WriteFile(f.Memory, []byte("memory"), 0o600),
		os.WriteFile(f.State, []byte("state"), 0o600), os.WriteFile(f.Scratch, []byte("scratch"), 0o600))
}

func made(t *testing.T, s *Store, key string) {
	t.Helper()
	if err := s.Make(t.Context(), key, fill); err != nil {
		t.Fatal(err)
	}
}

// nothing fails the test when there is more in the store than templates.
func nothing(t *testing.T, s *Store, templates int) {
	t.Helper()
	left, _ := os.ReadDir(s.staging())
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if all := s.List(); len(all) != templates {
		t.Errorf("%d templates, want %d: %v", len(all), templates, all)
	}
}

func TestMakeAndUse(t *testing.T) {
	s, key := newStore(t), newKey(t, "a")
	if _, err := s.Use(key); err != ErrNone {
		t.Fatalf("before: %v", err)
	}
	made(t, s, key)
	u, err := s.Use(key)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if data, err := os.ReadFile(u.Memory); string(data) != "memory" || u.Info.QEMU != "7.2.0" {
		t.Errorf("%q, %v, %+v", data, err, u.Info)
	}
	for _, path := range []string{filepath.Dir(u.Memory), u.Memory, u.State, u.Scratch} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v %v", path, st.Mode(), err)
		}
	}
	err = s.Make(t.Context(), key, func(Files) (string, error) { return "", errors.New("made twice") })
	if err != nil {
		t.Error(err)
	}
	nothing(t, s, 1)
}

func TestKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, fields := range [][]string{{}, {""}, {"a", "b"}, {"ab"}, {"a", "", "b"}, {"b", "a"}} {
		key := newKey(t, fields...)
		if seen[key] || !keyRule.MatchString(key) {
			t.Errorf("%q: %s", fields, key)
		}
		seen[key] = true
	}
	s := newStore(t)
	for _, key := range []string{"", "..", "../../etc", strings.Repeat("A", 64)} {
		_, err := s.Use(key)
		if merr := s.Make(t.Context(), key, fill); err == nil || err == ErrNone || merr == nil {
			t.Errorf("%q: %v, %v", key, err, merr)
		}
		s.Remove(key)
	}
}

func TestMakeFails(t *testing.T) {
	for name, f := range map[string]func(Files) (string, error){
		"an error": func(f Files) (string, error) { fill(f); return "", errors.New("sorry") },
		"no state": func(f Files) (string, error) { return "7", os.WriteFile(f.Memory, nil, 0o600) },
	} {
		s, key := newStore(t), newKey(t)
		if err := s.Make(t.Context(), key, f); err == nil {
			t.Error(name)
		}
		if _, err := s.Use(key); err != ErrNone {
			t.Errorf("%s: %v", name, err)
		}
		nothing(t, s, 0)
	}
}

// Whatever happens to a template is noticed, and it is gone after that.
func TestDamage(t *testing.T) {
	damage := map[string]func(u *Template) error{
		"memory cut short": func(u *Template) error { return os.Truncate(u.Memory, 3) },
		"a byte of memory": func(u *Template) error { return poke(u.Memory) },
		"no memory":        func(u *Template) error { return os.Remove(u.Memory) },
		"another memory": func(u *Template) error {
			before := Identity(u.Memory)
			var err error
			for err == nil && Identity(u.Memory) == before { // it may get the inode, and the time, of the other
				err = errors.Join(os.Remove(u.Memory), os.WriteFile(u.Memory, []byte("memory"), 0o600))
			}
			return err
		},
		"old memory": func(u *Template) error { // the time of a change can be set back, that of the inode not
			st, _ := os.Stat(u.Memory)
			return errors.Join(poke(u.Memory), os.Chtimes(u.Memory, st.ModTime(), st.ModTime()))
		},
		"state cut short":    func(u *Template) error { return os.Truncate(u.State, 3) },
		"a byte of the disk": func(u *Template) error { return poke(u.Scratch) },
		"no disk":            func(u *Template) error { return os.Remove(u.Scratch) },
		"a byte of state":    func(u *Template) error { return poke(u.State) },
		"no state":           func(u *Template) error { return os.Remove(u.State) },
		"no marker":          func(u *Template) error { return os.Remove(filepath.Join(u.dir, markerFile)) },
		"empty marker":       func(u *Template) error { return os.Truncate(filepath.Join(u.dir, markerFile), 0) },
		"another's marker": func(u *Template) error {
			path := filepath.Join(u.dir, markerFile)
			data, err := os.ReadFile(path)
			text := strings.Replace(string(data), u.Info.Key, strings.Repeat("0", 64), 1)
			return errors.Join(err, os.WriteFile(path, []byte(text), 0o600))
		},
		"huge marker": func(u *Template) error {
			return os.Truncate(filepath.Join(u.dir, markerFile), 1<<30)
		},
	}
	for name, act := range damage {
		t.Run(name, func(t *testing.T) {
			s, key := newStore(t), newKey(t)
			made(t, s, key)
			u, err := s.Use(key)
			if err != nil {
				t.Fatal(err)
			}
			u.Close()
			if err := act(u); err != nil {
				t.Fatal(err)
			}
			var damaged *DamagedError
			if _, err := s.Use(key); !errors.As(err, &damaged) {
				t.Errorf("it is used: %v", err)
			}
			if _, err := s.Use(key); err != ErrNone {
				t.Errorf("it is still there: %v", err)
			}
			made(t, s, key)
			nothing(t, s, 1)
		})
	}
}

// poke changes a byte, later than the file was made.
func poke(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before := Identity(path)
	for err == nil && Identity(path) == before { // file times advance with the timer tick
		data[1] ^= 1
		err = os.WriteFile(path, data, 0o600)
	}
	return err
}

// One makes it, the others wait and use it.
func TestMakeAtOnce(t *testing.T) {
	s, key := newStore(t), newKey(t)
	var count atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			err := s.Make(t.Context(), key, func(f Files) (string, error) {
				count.Add(1)
				return fill(f)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := count.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := s.Make(t.Context(), newKey(t, "slow"), func(f Files) (string, error) {
		if err := s.Make(ctx, newKey(t, "slow"), fill); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the wait does not end: %v", err)
		}
		return fill(f)
	})
	if err != nil {
		t.Error(err)
	}
}

// What a killed maker left is removed by the next, but not what a living one
// has.
func TestStagingIsSwept(t *testing.T) {
	s := newStore(t)
	dead, err := s.newStage()
	if err != nil {
		t.Fatal(err)
	}
	dead.release() // as the end of its process does
	alive, err := s.newStage()
	if err != nil {
		t.Fatal(err)
	}
	made(t, s, newKey(t))
	if _, err := os.Stat(dead.dir); err == nil {
		t.Error("the dead one's directory is left")
	}
	if _, err := os.Stat(alive.dir); err != nil {
		t.Error(err)
	}
	alive.remove()
	nothing(t, s, 1)
}

func TestEvict(t *testing.T) {
	s := newStore(t)
	var keys []string
	for i := range 4 {
		key := newKey(t, fmt.Sprint(i))
		made(t, s, key)
		then := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(filepath.Join(s.dir(key), markerFile), then, then); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if u, err := s.Use(keys[1]); err != nil { // now the last used
		t.Fatal(err)
	} else {
		u.Close()
	}
	held, err := s.Use(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	old := time.Now().Add(-time.Hour)
	os.Chtimes(filepath.Join(s.dir(keys[0]), markerFile), old, old)
	s.Evict(Limit{Count: 3, Bytes: 1 << 30})
	if got := kept(s, keys); got != "013" {
		t.Errorf("kept %s", got)
	}
	s.Evict(Limit{Count: 3, Bytes: 1})
	if got := kept(s, keys); got != "0" { // in use
		t.Errorf("kept %s", got)
	}
	held.Close()
	s.Evict(Limit{})
	nothing(t, s, 0)
}

func kept(s *Store, keys []string) (got string) {
	for i, key := range keys {
		if _, err := os.Stat(s.dir(key)); err == nil {
			got += fmt.Sprint(i)
		}
	}
	return got
}

func TestRefuse(t *testing.T) {
	s, key := newStore(t), newKey(t)
	made(t, s, key)
	s.Refuse(key, "it did not answer")
	var refused *RefusedError
	if _, err := s.Use(key); !errors.As(err, &refused) || !strings.Contains(err.Error(), "it did not answer") {
		t.Errorf("%v", err)
	}
	old := time.Now().Add(-refusal - time.Minute)
	if err := os.Chtimes(filepath.Join(s.refusals(), key), old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Use(key); err != ErrNone {
		t.Errorf("after an hour: %v", err)
	}
	s.Evict(DefaultLimit)
	if left, _ := os.ReadDir(s.refusals()); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

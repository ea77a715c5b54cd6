package results

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/stages"
)

// clear removes what run has put into a job's directory.
func clear(job *stages.Job) {
	for _, f := range []string{"artifacts.tar", "build.log"} {
		os.Remove(filepath.Join(job.Dir, f))
	}
}

// published is a bench with a result, its key, and a job that is to publish another
// one of that key.
func published(t *testing.T) (b *bench, key string, job *stages.Job, found stages.Found) {
	t.Helper()
	b = newBench(t)
	b.apply(stages.Succeeded)
	job = b.job()
	found = b.Find(t.Context(), job)
	clear(job)
	return b, keyOf(b.world.id.Parts), job, found
}

// TestReplacedMeanwhile takes a result that another run replaces between its
// entry and its files: everything is of the one whose entry was read, or nothing.
func TestReplacedMeanwhile(t *testing.T) {
	b, key, forced, found := published(t)
	k, err := b.Store.open(key)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := os.Rename(b.Store.keyDir(key), filepath.Join(b.home.Results(), "old")); err != nil {
		t.Fatal(err)
	}
	if err := b.run(forced, found, stages.Succeeded); err != nil {
		t.Fatal(err)
	}
	job := b.job()
	if err := k.take(t.Context(), job.Dir); err != nil || k.Run != "r1" {
		t.Fatalf("%s: %v", k.Run, err)
	}
	log, err := os.ReadFile(filepath.Join(job.Dir, "build.log"))
	if err != nil || string(log) != "log of r1" {
		t.Errorf("took %q: %v", log, err)
	}
	os.RemoveAll(filepath.Join(b.home.Results(), "old"))
	gone := b.job()
	if err := k.take(t.Context(), gone.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("took what is gone: %v", err)
	}
	if left, _ := os.ReadDir(gone.Dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestAlwaysThere looks for a result while it is replaced all the time.
func TestAlwaysThere(t *testing.T) {
	b, key, job, found := published(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			clear(job)
			if err := b.run(job, found, stages.Succeeded); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for looks := 1; ; looks++ {
		if _, err := b.Store.load(key); err != nil {
			t.Fatalf("look %d: %v", looks, err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// TestPruneMeanwhile prunes an old result while a new one takes its place, which
// stays.
func TestPruneMeanwhile(t *testing.T) {
	b, key, job, found := published(t)
	for i := range 200 {
		clear(job)
		b.Store.touch(key, b.now.Add(-48*time.Hour))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.Store.Prune(b.now.Add(-time.Hour)); err != nil {
				t.Error(err)
			}
		})
		if err := b.run(job, found, stages.Succeeded); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if _, err := b.Store.load(key); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}

// TestTwoAtOnce lets many keep and use the same result: nobody sees half of one.
func TestTwoAtOnce(t *testing.T) {
	b := newBench(t)
	var jobs []*stages.Job
	for range 60 {
		jobs = append(jobs, b.job())
	}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for i := k; i < len(jobs); i += 4 {
				found := b.Find(t.Context(), jobs[i])
				if found.Result != nil {
					b.check(jobs[i], found.Result)
				}
				if found.Result == nil || i%3 == 0 { // some are forced
					clear(jobs[i])
					if err := b.run(jobs[i], found, stages.Succeeded); err != nil {
						t.Error(err)
					}
				}
				if i%10 == 0 {
					if _, err := b.Store.Prune(b.now.Add(time.Hour)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	b.apply(stages.Succeeded)
	if names, _ := os.ReadDir(filepath.Join(b.home.Results(), keysDir)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

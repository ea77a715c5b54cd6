package runner

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate, 2)
		var entered, most atomic.Int64
		for range 10 {
			go func() {
				leave, err := g.enter(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if n := entered.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(time.Second)
				entered.Add(-1)
				leave()
				leave()
			}()
		}
		start := time.Now()
		time.Sleep(5*time.Second + time.Millisecond)
		synctest.Wait()
		if most.Load() != 2 || len(g) != 0 || time.Since(start) > 6*time.Second {
			t.Errorf("%d at once, %d left", most.Load(), len(g))
		}
	})
}

// One that takes long does not keep others waiting for longer than the limit,
// and leaves no second place when it leaves.
func TestGateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate, 1)
		slow, err := g.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		leave, err := g.enter(t.Context())
		if err != nil || time.Since(began) != gateLimit {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		slow()
		if len(g) != 1 {
			t.Errorf("%d places are taken", len(g))
		}
		over, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.enter(over); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		leave()
	})
}

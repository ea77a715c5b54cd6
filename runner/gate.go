package runner

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// A machine that starts keeps a processor busy up to its first action, and then
// often waits. Of many that could start, as many do at the same time as there are
// processors: all reach their first action as early as if they had shared the
// processors evenly, but the first of them much earlier, so that what they do
// afterwards overlaps with the start of the others.

// gateLimit bounds how long one that starts keeps others waiting: reading a large
// source is work of its own.
const gateLimit = 2 * time.Second

// gate lets some start at the same time.
type gate chan struct{}

func newGate() gate { return make(gate, max(1, runtime.GOMAXPROCS(0))) }

// enter waits for a place. leave gives it back, at the latest after gateLimit; it
// may be called any number of times, from several goroutines.
func (g gate) enter(ctx context.Context) (leave func(), err error) {
	select {
	case g <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	once := sync.OnceFunc(func() { <-g })
	timer := time.AfterFunc(gateLimit, once)
	return func() {
		timer.Stop()
		once()
	}, nil
}

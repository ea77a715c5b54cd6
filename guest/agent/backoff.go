package agent

import (
	"context"
	"time"
)

// maxPause bounds every pause between two tries, whatever a server asks for.
const maxPause = time.Minute

// backOff returns the pause before try number n, where 1 is the first repeat:
// 1 s, 2 s, 4 s … up to 30 s.
func backOff(n int) time.Duration {
	return min(time.Second<<min(max(n-1, 0), 5), 30*time.Second)
}

// sleep waits for d or for ctx's end, whose cause it returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

package agent

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"

	"github.com/ambient-ci/ambient/guest"
)

// errChanged ends a walk.
var errChanged = errors.New("changed")

// fileClock is a clock that no file's next time is behind: it ticks a few hundred
// times in a second (clock_gettime(2), CLOCK_REALTIME_COARSE).
func fileClock() time.Time {
	const realtimeCoarse = 5
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, realtimeCoarse, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return time.Now()
	}
	return time.Unix(ts.Unix())
}

// remember notes when a directory that is an input and an output was as the host
// gave it, or that the host gave nothing. What changes it later does so in a later
// tick of the clock.
func (w *worker) remember(dir string, nothing bool) {
	for _, out := range w.plan.Outputs {
		if out.Dir != dir {
			continue
		}
		if w.given == nil {
			w.given = map[string]time.Time{}
		}
		if nothing {
			w.given[dir] = time.Time{}
			return
		}
		then := time.Now() // not behind any time that a file has: some kernels give finer ones
		w.given[dir] = then
		for end := time.Now().Add(time.Second); !fileClock().After(then) && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	}
}

// unchanged reports whether an output is what the host gave as input: no file
// or directory in it has changed since (inode(7), ctime). Actions that set the
// clock back only deprive themselves of what they wrote.
func (w *worker) unchanged(out guest.Output) bool {
	then, ok := w.given[out.Dir]
	if !ok || then.IsZero() {
		return ok && isEmptyDir(w.path(out.Dir))
	}
	return filepath.WalkDir(w.path(out.Dir), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if time.Unix(stat(info).Ctim.Unix()).After(then) {
			return errChanged
		}
		return nil
	}) == nil
}

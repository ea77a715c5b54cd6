package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// Bounds on the search for test reports.
const (
	reportTime  = time.Minute     // for all
	reportHurry = 2 * time.Second // when the host has asked to stop
	maxVisited  = 500_000         // files and directories, for each pattern
	maxTold     = 5               // warnings about reports that can not be sent
)

// sendReports sends the test reports that actions name. It is called when no
// process of the actions runs any more.
func (w *worker) sendReports(ctx context.Context) {
	limit := reportTime
	if ctx.Err() != nil {
		limit = reportHurry
	}
	s := reportSender{w: w, until: w.now().Add(limit), left: guest.MaxReportTotal}
	for i, a := range w.plan.Actions {
		if a.Reports == nil {
			continue
		}
		seen := map[string]bool{}
		for _, pattern := range a.Reports.Files {
			if err := w.match(pattern, s.until, func(file string) error {
				if seen[file] {
					return nil
				}
				seen[file] = true
				return s.send(i, file)
			}); err != nil {
				s.tell("test reports %s: %v", pattern, err)
			}
		}
	}
	if s.told > maxTold {
		w.warn("%d more warnings about test reports", s.told-maxTold)
	}
}

// reportSender sends reports and counts what they cost.
type reportSender struct {
	w     *worker
	until time.Time
	sent  int
	left  int64 // bytes
	told  int
}

func (s *reportSender) tell(format string, args ...any) {
	if s.told++; s.told <= maxTold {
		s.w.warn(format, args...)
	}
}

var (
	errManyReports = fmt.Errorf("there are more than %d, or more than %d MiB: the rest is left out", guest.MaxReports, guest.MaxReportTotal>>20)
	errReportTime  = errors.New("looking for them takes too long: the rest is left out")
	errManyFiles   = fmt.Errorf("more than %d files to look at: the rest is left out", maxVisited)
)

// send sends one report, or tells why it can not. An error ends the search.
func (s *reportSender) send(action int, file string) error {
	f, size, err := openReport(s.w.path(file))
	if err != nil {
		s.tell("test report %s: %v", file, err)
		return nil
	}
	defer f.Close()
	if s.sent == guest.MaxReports || size > s.left {
		return errManyReports
	}
	s.sent++
	s.left -= size
	for rest := size; ; {
		data := make([]byte, min(rest, guest.MaxReportData))
		if _, err := io.ReadFull(f, data); err != nil {
			data, rest = nil, 0 // it became shorter: what is there must do
		}
		rest -= int64(len(data))
		s.w.send(guest.Message{Report: &guest.Report{Action: action, File: clipName(file), Data: data, More: rest > 0}})
		if rest <= 0 {
			return nil
		}
	}
}

// clipName bounds a name for a message.
func clipName(s string) string { return strings.ToValidUTF8(s[:min(len(s), 1000)], "?") }

// openReport opens a plain file that is not too large.
func openReport(name string) (*os.File, int64, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New("it is not a file")
	case info.Size() > guest.MaxReportBytes:
		err = fmt.Errorf("it is larger than %d MiB", guest.MaxReportBytes>>20)
	default:
		return f, info.Size(), nil
	}
	f.Close()
	return nil, 0, err
}

// match calls found with the path of every file that the pattern means, in
// order, until an error. Links to directories are not followed below the names
// of the pattern that have no wildcard.
func (w *worker) match(pattern string, until time.Time, found func(file string) error) error {
	parts := strings.Split(strings.TrimPrefix(path.Clean(pattern), "/"), "/")
	fixed := 0
	for fixed < len(parts)-1 && !strings.ContainsAny(parts[fixed], `*?[\`) {
		fixed++
	}
	base := "/" + path.Join(parts[:fixed]...)
	visited := 0
	return filepath.WalkDir(w.path(base)+"/", func(file string, d fs.DirEntry, err error) error {
		visited++
		switch {
		case visited > maxVisited:
			return errManyFiles
		case visited%64 == 0 && w.now().After(until):
			return errReportTime
		case err != nil || d.IsDir():
			return nil // what can not be read holds no report
		}
		rel, err := filepath.Rel(w.path(base), file)
		if err != nil || !matchParts(parts[fixed:], strings.Split(rel, "/")) {
			return nil
		}
		return found(path.Join(base, rel))
	})
}

// matchParts reports whether the names of a path match those of a pattern.
func matchParts(pattern, names []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			if len(pattern) == 1 {
				return len(names) > 0
			}
			for i := range names {
				if matchParts(pattern[1:], names[i:]) {
					return true
				}
			}
			return false
		}
		if len(names) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], names[0]); err != nil || !ok {
			return false
		}
		pattern, names = pattern[1:], names[1:]
	}
	return len(names) == 0
}

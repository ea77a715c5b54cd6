// Package starter writes the first configuration of a project, fitting what it
// finds in the project's directory. It reads a few files there, runs nothing and
// asks nobody.
//
// Each ecosystem is one file that holds a detector. A detector looks at the top
// of the directory and says what to install, what to fetch in a `pre` stage and
// what to run in a `plan` stage.
package starter

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Part is an ecosystem that was found.
type Part struct {
	Name string // of its stages and its image: "go"
	What string // for people: "a Go module (go.mod)"

	suite    string   // Debian's release
	packages []string // Debian packages of the image
	note     []string // comment at the image
	memory   string   // of the plan stage; empty: the default
	index    *index   // where its packages come from; nil: nothing of the user's to say
	pre      []string // lines of the pre stage, with its comments; none: nothing to fetch
	plan     []string // lines of the plan stage
}

// index is a variable for the address of a package index.
type index struct {
	variable string
	about    string
}

// Detect looks at the top of a directory and returns what it finds, in a fixed
// order; nothing when nothing is known. What can not be read, or makes no sense,
// counts as not there.
func Detect(dir fs.FS) []Part {
	t := tree{dir}
	var found []Part
	detectors := []func(tree) *Part{detectGo, detectRust, detectNode, detectPython}
	if deb := detectDebian(t); deb != nil {
		// It builds C code with what that needs, which a Makefile does not tell.
		detectors = append(detectors, func(tree) *Part { return deb })
	} else {
		detectors = append(detectors, detectC)
	}
	for _, detect := range detectors {
		if p := detect(t); p != nil {
			found = append(found, *p)
		}
	}
	return found
}

// Debian releases that images are made of.
const (
	stable = "bookworm"
	newer  = "trixie" // where an ecosystem needs newer tools than stable has
)

// maxRead bounds a file that a detector reads, in bytes.
const maxRead = 1 << 20

// tree is the directory of a project. Nothing in it is trusted.
type tree struct{ fsys fs.FS }

// read returns a regular file's text, "" if there is none.
func (t tree) read(name string) string {
	if !t.has(name) {
		return ""
	}
	f, err := t.fsys.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRead+1))
	if err != nil || len(data) > maxRead {
		return ""
	}
	return string(data)
}

// has reports whether a regular file is there.
func (t tree) has(name string) bool {
	info, err := fs.Stat(t.fsys, name)
	return err == nil && info.Mode().IsRegular()
}

// hasDir reports whether a directory is there.
func (t tree) hasDir(name string) bool {
	info, err := fs.Stat(t.fsys, name)
	return err == nil && info.IsDir()
}

// first returns the first of the files that is there, "" if none is.
func (t tree) first(names ...string) string {
	for _, n := range names {
		if t.has(n) {
			return n
		}
	}
	return ""
}

// mostSeen bounds the entries that any looks at.
const mostSeen = 20_000

// any reports whether a file's name below the directory fits one of the
// patterns of path.Match. It looks at a bounded number of entries, at no hidden
// directory and at nobody else's code.
func (t tree) any(patterns ...string) bool {
	found, seen := false, 0
	_ = fs.WalkDir(t.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if seen++; err != nil || seen > mostSeen {
			return errors.Join(err, fs.SkipAll)
		}
		base := path.Base(name)
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(base, ".") || slices.Contains([]string{"node_modules", "vendor", "target", "venv"}, base)) {
				return fs.SkipDir
			}
			return nil
		}
		found = slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, base); return ok })
		if found {
			return fs.SkipAll
		}
		return nil
	})
	return found
}

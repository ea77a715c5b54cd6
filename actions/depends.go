package actions

import (
	"slices"
	"time"

	"github.com/ambient-ci/ambient/config"
)

// Depends is what the result of a fetching action depends on, beside its
// arguments, the image and the environment.
type Depends struct {
	Files  []string      // patterns of paths in the source tree, as config.Reuse has them
	MaxAge time.Duration // how long the result is good; 0: for ever
}

// StageDepends returns what a pre stage's result depends on: what its reuse
// block says or, without one, what its actions say. Why is not empty when the
// stage must run each time: "reuse = false".
func StageDepends(s *config.Stage) (d Depends, why string) {
	if r := s.Reuse; r != nil {
		if r.Off {
			return d, "reuse = false"
		}
		return Depends{Files: r.Files, MaxAge: r.MaxAge}, ""
	}
	for _, a := range s.Actions {
		def := Lookup(a.Name)
		if def == nil || def.Depends == nil {
			return d, "nothing says what " + a.Name + " depends on (reuse block)"
		}
		one, why := def.Depends(a.Args)
		if why != "" {
			return d, why
		}
		d.Files = append(d.Files, one.Files...)
		if one.MaxAge > 0 && (d.MaxAge == 0 || one.MaxAge < d.MaxAge) {
			d.MaxAge = one.MaxAge
		}
	}
	slices.Sort(d.Files)
	d.Files = slices.Compact(d.Files)
	return d, ""
}

// goModDepends is what go_mod_download copies.
func goModDepends(config.Args) (Depends, string) {
	return Depends{Files: []string{"**/go.mod", "**/go.sum", "**/go.work", "**/go.work.sum"}}, ""
}

// httpGetDepends wants a checksum for each file.
func httpGetDepends(args config.Args) (Depends, string) {
	for _, f := range httpFiles(args) {
		if !f.Has("sha256") {
			return Depends{}, "http_get has a file without sha256"
		}
	}
	return Depends{}, ""
}

// debMaxAge is how long what an archive gave is good: a day, as apt's own
// periodic update has it.
const debMaxAge = 24 * time.Hour

func debGetDepends(config.Args) (Depends, string) { return Depends{MaxAge: debMaxAge}, "" }

func nothingDepends(config.Args) (Depends, string) { return Depends{}, "" }

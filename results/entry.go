package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/stages"
)

// Entry is a result that can be used again.
type Entry struct {
	Version int           `json:"v"`
	Key     string        `json:"key"`   // 64 hex digits
	Stage   string        `json:"stage"` // "greet/plan.build"
	Run     string        `json:"run"`   // that made it
	Made    time.Time     `json:"made"`
	Parts   []stages.Part `json:"parts"` // what the stage saw
	Output  *Output       `json:"output,omitempty"`
	Files   []File        `json:"files"`
	Tests   *stages.Tests `json:"tests,omitempty"`

	Used time.Time `json:"-"` // when it was made or last used
}

// Output says which of the files is the artifacts, or the deps of a pre stage.
type Output struct {
	File   string `json:"file"`
	Size   int64  `json:"size"`
	Digest string `json:"digest"` // "sha256:…"
}

// File is a file that was kept of the stage.
type File struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// Bytes is what the files take, shared with the record of the run.
func (e *Entry) Bytes() (sum int64) {
	for _, f := range e.Files {
		sum += f.Size
	}
	return sum
}

// kept is an entry whose directory is open. What has its name may be replaced
// or removed meanwhile: what is read here is of one and the same result.
type kept struct {
	*Entry
	dir *os.Root
}

// Close gives the directory up.
func (k *kept) Close() { k.dir.Close() }

// mostLooks bounds how often a result is looked for again because it was replaced
// while it was read.
const mostLooks = 10

// open reads an entry and checks everything but the content of its files. The
// caller closes it.
func (s *Store) open(key string) (*kept, error) {
	for look := 1; ; look++ {
		dir, err := os.OpenRoot(s.keyDir(key))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errNoResult
		}
		if err != nil {
			return nil, err
		}
		k := &kept{&Entry{}, dir}
		if err = k.load(key); err == nil {
			return k, nil
		}
		replaced := !home.DirStillThere(dir)
		k.Close()
		if look == mostLooks || !replaced {
			return nil, err
		}
	}
}

func (k *kept) load(key string) error {
	data, info, err := readBounded(k.dir, entryFile)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoResult
	}
	if err != nil {
		return err
	}
	e := k.Entry
	if err := json.Unmarshal(data, e); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if e.Version != entryVersion || e.Key != key || keyOf(e.Parts) != key || len(e.Files) > maxFiles {
		return errDamaged
	}
	e.Used = info.ModTime()
	return e.check(k.dir)
}

// load is open for those who want nothing of the files.
func (s *Store) load(key string) (*Entry, error) {
	k, err := s.open(key)
	if err != nil {
		return nil, err
	}
	k.Close()
	return k.Entry, nil
}

// check compares the files with what is there.
func (e *Entry) check(dir *os.Root) error {
	output := e.Output == nil
	for _, f := range e.Files {
		if !plainName(f.Name) {
			return errDamaged
		}
		info, err := dir.Lstat(filepath.Join(filesDir, f.Name))
		if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
			return fmt.Errorf("%w: %s", errDamaged, f.Name)
		}
		output = output || e.Output.File == f.Name && e.Output.Size == f.Size
	}
	if !output {
		return errDamaged
	}
	return nil
}

func plainName(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && name == filepath.Base(name) && filepath.IsLocal(name)
}

func readBounded(dir *os.Root, name string) ([]byte, os.FileInfo, error) {
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxEntry {
		return nil, nil, errDamaged
	}
	data, err := dir.ReadFile(name)
	return data, info, err
}

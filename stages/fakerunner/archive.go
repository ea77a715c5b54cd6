package fakerunner

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// archive is data and the directory in the guest where it appears.
type archive struct {
	stages.Data
	dir string
}

// check compares the file with what its Data says.
func (a archive) check() error {
	content, err := os.ReadFile(a.Path)
	if err != nil {
		return err
	}
	if a.From == (config.StageID{}) {
		return fmt.Errorf("%s: nobody made it", a.Path)
	}
	if a.Size != int64(len(content)) || a.Digest != digest(content) {
		return fmt.Errorf("%s: not the file that was promised", a.Path)
	}
	return nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// unpack adds the archive's regular files to files, by absolute path.
func (a archive) unpack(files map[string]string) error {
	f, err := os.Open(a.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", a.Path, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("%s: %w", a.Path, err)
		}
		files[path.Join(a.dir, h.Name)] = string(content)
	}
}

// pack writes what the stage wrote to its output directory as a tar archive;
// nil when that is nothing.
func (m *machine) pack() (*stages.Data, error) {
	dir, file := guest.DirArtifacts, "artifacts.tar"
	if m.job.Stage.ID.Phase == config.Pre {
		dir, file = guest.DirDeps, "deps.tar"
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, p := range slices.Sorted(maps.Keys(m.written)) {
		name, inside := strings.CutPrefix(p, dir+"/")
		if !inside {
			continue
		}
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(m.files[p]))}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, m.files[p]); err != nil {
			return nil, err
		}
	}
	if buf.Len() == 0 {
		return nil, nil
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	data := &stages.Data{
		From:   m.job.Stage.ID,
		Path:   filepath.Join(m.job.Dir, file),
		Size:   int64(buf.Len()),
		Digest: digest(buf.Bytes()),
	}
	return data, os.WriteFile(data.Path, buf.Bytes(), 0o600)
}

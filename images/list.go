package images

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Kept is an image, or an initial file system made of one, as it is on disk.
type Kept struct {
	Name string
	Path string
	Used time.Time // when it was last wanted; of an initial file system, made
}

// List gives what the store keeps.
func (s *Store) List() []Kept {
	var all []Kept
	dirs, _ := filepath.Glob(filepath.Join(s.home.Images(), "sha256-*"))
	for _, dir := range dirs {
		all = append(all, kept("image "+filepath.Base(dir)[:len("sha256-")+12], dir, filepath.Join(dir, infoFile)))
	}
	files, _ := filepath.Glob(filepath.Join(s.initrdDir(), "*.cpio"))
	for _, file := range files {
		all = append(all, kept("initial file system "+filepath.Base(file)[:12], file, file))
	}
	return all
}

func kept(name, path, dated string) Kept {
	k := Kept{Name: name, Path: path}
	if st, err := os.Stat(dated); err == nil {
		k.Used = st.ModTime()
	}
	return k
}

// Remove removes what List gave. The caller makes sure that nobody starts
// machines meanwhile; those that run have their files open.
func (s *Store) Remove(k Kept) error {
	if !strings.HasPrefix(k.Path, s.home.Images()+string(filepath.Separator)) {
		return fmt.Errorf("%s is no image", k.Path)
	}
	os.Remove(filepath.Join(k.Path, infoFile)) // whatever comes after, it is not used
	return os.RemoveAll(k.Path)
}

// touch notes that an image was wanted.
func (i *Image) touch() {
	now := time.Now()
	_ = os.Chtimes(filepath.Join(filepath.Dir(i.Kernel), infoFile), now, now) // an image of another user: goes earlier
}

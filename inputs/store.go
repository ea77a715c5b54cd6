package inputs

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/blockdev/erofs"
	"github.com/ambient-ci/ambient/home"
)

// Names in the directory of an image.
const (
	imageFile    = "image"
	aboutFile    = "about"
	contentsFile = "contents"
	tempPrefix   = ".tmp-"
	lastPrefix   = "last-"
)

// about tells that an image is the one that was made.
type about struct {
	Size   int64  `json:"size"`   // as in Image
	Length int64  `json:"length"` // of the file, in bytes
	Inode  uint64 `json:"inode"`
	Change int64  `json:"change"` // nanoseconds since 1970: its ctime
}

func identity(f *os.File) (about, error) {
	info, err := f.Stat()
	if err != nil {
		return about{}, err
	}
	st := info.Sys().(*syscall.Stat_t)
	return about{Length: info.Size(), Inode: st.Ino, Change: time.Unix(st.Ctim.Unix()).UnixNano()}, nil
}

// find returns the image of a key, nil if there is none that is sound. A use
// makes it newer in the eyes of Evict.
func (s *Store) find(key string) *Image {
	dir := filepath.Join(s.dir, key)
	f, err := os.Open(filepath.Join(dir, imageFile))
	if err != nil {
		return nil
	}
	if img := s.sound(dir, f); img != nil {
		now := time.Now()
		os.Chtimes(dir, now, now)
		return img
	}
	home.Unlock(f)
	return nil
}

func (s *Store) sound(dir string, f *os.File) *Image {
	if ok, err := flock(f, syscall.LOCK_SH); !ok || err != nil {
		return nil // about to be removed
	}
	data, err := os.ReadFile(filepath.Join(dir, aboutFile))
	var a about
	if err != nil || json.Unmarshal(data, &a) != nil {
		return nil // also when it was removed before it was locked
	}
	now, err := identity(f)
	now.Size = a.Size
	if err != nil || now != a {
		return nil
	}
	return &Image{Path: f.Name(), Size: a.Size, lock: f}
}

// Empty makes an image without files at path, where no file may be. All images have
// the same root, and a kernel that has mounted this one may read any other.
func Empty(path string) error { return blockdev.HostError(path, erofs.Empty(path)) }

// draft is an image that is being made. Close it.
type draft struct {
	dir      string
	image    *os.File // locked
	size     int64
	contents []byte // nil: none are kept
	done     bool
}

func (s *Store) draft() (*draft, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.dir, tempPrefix)
	if err != nil {
		return nil, blockdev.HostError(s.dir, err)
	}
	d := &draft{dir: dir}
	if d.image, err = os.OpenFile(filepath.Join(dir, imageFile), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		os.RemoveAll(dir)
		return nil, blockdev.HostError(dir, err)
	}
	if _, err = flock(d.image, syscall.LOCK_EX); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close removes what was not published.
func (d *draft) Close() {
	if !d.done {
		os.RemoveAll(d.dir)
		d.image.Close()
	}
}

// publish gives the image its key. An image that another process has published
// meanwhile is as good. With key "" the image is for one use.
func (s *Store) publish(d *draft, key string) (*Image, error) {
	a, err := identity(d.image)
	if err != nil {
		return nil, err
	}
	a.Size = d.size
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	for name, data := range map[string][]byte{aboutFile: text, contentsFile: d.contents} {
		if data == nil {
			continue
		}
		path := filepath.Join(d.dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return nil, blockdev.HostError(path, err)
		}
	}
	if _, err := flock(d.image, syscall.LOCK_SH); err != nil {
		return nil, err
	}
	img := &Image{Path: d.image.Name(), Size: d.size, lock: d.image, gone: key == ""}
	if key == "" {
		d.done = true
		return img, nil
	}
	return s.rename(d, key, img)
}

func (s *Store) rename(d *draft, key string, img *Image) (*Image, error) {
	dir := filepath.Join(s.dir, key)
	for range 3 {
		err := os.Rename(d.dir, dir)
		if err == nil {
			d.done = true
			img.Path = filepath.Join(dir, imageFile)
			s.Evict(Limits{})
			return img, nil
		}
		if !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST) {
			return nil, blockdev.HostError(dir, err)
		}
		if other := s.find(key); other != nil {
			return other, nil
		}
		s.remove(dir) // unsound
	}
	img.gone, d.done = true, true
	return img, nil
}

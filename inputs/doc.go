// Package inputs makes the file system images that stages read: of source trees,
// and of unions of archives. Images are kept by content, so that one that has
// been made before costs nothing, and one that differs in a few files takes the
// others over from the last one of its tree.
//
// On disk, below Home.Inputs, for each boot of the host:
//
//	BOOT/KEY/image      the image, read by machines
//	BOOT/KEY/about      its size and identity, as JSON
//	BOOT/KEY/contents   which contents are where, for images of trees
//	BOOT/last-…         a symbolic link to the KEY that was made last of a tree
//	BOOT/.tmp-…         an image that is being made
//
// A directory KEY appears whole, by rename, and is never changed. Images do not
// outlive the boot of the host: they need not be forced to the disk then, and
// what a power cut leaves is not used. Who uses or makes an image holds a shared
// or exclusive lock (flock(2)) on it, which ends with the process, and Evict
// leaves it alone. Several processes may use a Store at once.
package inputs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ambient-ci/ambient/home"
)

// bootIDFile changes with every boot of the host (random(4)).
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// Store keeps images. It is safe for concurrent use.
type Store struct {
	dir string // of this boot
}

// Open returns the store of a home. Nothing is created.
func Open(h *home.Home) *Store {
	boot, err := os.ReadFile(bootIDFile)
	id := strings.TrimSpace(string(boot))
	if err != nil || id == "" {
		id = rand.Text() // images are used by this process only
	}
	return &Store{dir: filepath.Join(h.Inputs(), id)}
}

// Image is an image that may be given to machines until it is closed.
type Image struct {
	Path string
	Size int64 // bytes that are in use: the file may have holes
	lock *os.File
	gone bool // it is removed when it is closed
}

// Close says that no machine needs the image any more.
func (i *Image) Close() error {
	if i.gone {
		os.RemoveAll(filepath.Dir(i.Path))
	}
	return home.Unlock(i.lock)
}

// flock takes a lock without waiting: false if somebody else has it.
func flock(f *os.File, how int) (bool, error) {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		default:
			return false, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

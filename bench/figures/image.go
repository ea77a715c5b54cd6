package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// imageInfo is what an image says of itself.
type imageInfo struct {
	dir  string
	made time.Time

	Spec     struct{ Debian bool }
	Release  string // of its kernel
	Packages []struct{ Name, SHA256 string }
}

// findImage takes the newest image without packages, which is the built-in one.
func findImage(home string) (found imageInfo, err error) {
	files, _ := filepath.Glob(filepath.Join(home, "images", "sha256-*", "image.json"))
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		st, err := os.Stat(path)
		i := imageInfo{dir: filepath.Dir(path)}
		if err == nil && json.Unmarshal(data, &i) == nil && !i.Spec.Debian && st.ModTime().After(found.made) {
			i.made = st.ModTime()
			found = i
		}
	}
	if found.dir == "" {
		err = errors.New("the built-in image is not there")
	}
	return found, err
}

// kernel is what the measured program boots.
func (i imageInfo) kernel() string { return filepath.Join(i.dir, "kernel") }

// unpackKernel unpacks the package that the image's kernel came in: other programs
// want the kernel as it is packed, and its modules.
func (b *bench) unpackKernel() error {
	for _, p := range b.image.Packages {
		if strings.HasPrefix(p.Name, "linux-image-") {
			file := filepath.Join(b.home, "downloads", "sha256-"+p.SHA256)
			_, _, err := timed(exec.Command("dpkg-deb", "-x", file, b.dir("package")))
			return err
		}
	}
	return fmt.Errorf("%s names no kernel", b.image.dir)
}

// packedKernel is the kernel as its package has it.
func (b *bench) packedKernel() string { return b.dir("package/boot/vmlinuz-" + b.image.Release) }

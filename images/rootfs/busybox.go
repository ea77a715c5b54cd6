package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// errBusybox says that a binary holds no table of applets.
var errBusybox = errors.New("this is no busybox that is known")

// Applets returns the names of a busybox binary's programs, from the table in
// it: their names in order, each ended by a zero byte. Reading it works for
// any architecture and runs nothing.
func Applets(binary []byte) ([]string, error) {
	for from := 0; ; {
		i := bytes.Index(binary[from:], []byte("\x00[\x00[[\x00"))
		if i < 0 {
			return nil, errBusybox
		}
		from += i + 1
		if names := table(binary[from:]); len(names) >= 100 {
			return names, nil
		}
	}
}

// table reads names in ascending order.
func table(b []byte) []string {
	var names []string
	for last := ""; len(names) < 2000; {
		end := bytes.IndexByte(b[:min(len(b), 64)], 0)
		if end <= 0 {
			break
		}
		name := string(b[:end])
		if name <= last || !isApplet(name) {
			break
		}
		names, last, b = append(names, name), name, b[end+1:]
	}
	return names
}

func isApplet(name string) bool {
	if name == "[" || name == "[[" {
		return true
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.") == "" && name[0] != '.'
}

// file of the built-in image.
type text struct{ name, content string }

var builtinFiles = []text{
	{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"},
	{"etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"},
	{"etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost\n"},
	{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
	{"etc/shells", "/bin/sh\n"},
	{"etc/os-release", "ID=ambient\nNAME=\"Ambient built-in image\"\nPRETTY_NAME=\"Ambient built-in image\"\n"},
	{"etc/profile", "export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"},
}

var builtinDirs = map[string]fs.FileMode{
	"usr/bin": 0o755, "usr/lib": 0o755, "usr/local/bin": 0o755, "usr/share": 0o755,
	"etc/ssl/certs": 0o755, "root": 0o700, "home": 0o755, "opt": 0o755, "mnt": 0o755,
	"var/lib": 0o755, "var/log": 0o755, "var/cache": 0o755,
	"tmp": 0o777 | fs.ModeSticky, "var/tmp": 0o777 | fs.ModeSticky,
}

var builtinLinks = map[string]string{
	"bin": "usr/bin", "sbin": "usr/bin", "usr/sbin": "bin", "lib": "usr/lib",
	"var/run": "/run", "etc/mtab": "/proc/self/mounts",
}

// Busybox fills w with a root that has the given busybox and nothing else to
// run: every name that busybox knows is a link in /usr/bin, and /bin, /sbin
// and /usr/sbin are that too.
func Busybox(w *Writer, binary []byte) error {
	applets, err := Applets(binary)
	if err != nil {
		return err
	}
	for name, mode := range builtinDirs {
		if err := w.Dir(name, w.New(mode)); err != nil {
			return err
		}
	}
	for name, target := range builtinLinks {
		if err := w.Symlink(name, target, w.New(0o777)); err != nil {
			return err
		}
	}
	if err := w.File("usr/bin/busybox", w.New(0o755), bytes.NewReader(binary)); err != nil {
		return err
	}
	for _, name := range applets {
		if name == "busybox" {
			continue
		}
		if err := w.Symlink("usr/bin/"+name, "busybox", w.New(0o777)); err != nil {
			return err
		}
	}
	for _, f := range builtinFiles {
		if err := w.File(f.name, w.New(0o644), strings.NewReader(f.content)); err != nil {
			return fmt.Errorf("built-in image: %w", err)
		}
	}
	return Common(w)
}

// Common adds what the guest program needs in every root, where it is missing:
// mount points and /ci with its link /workspace.
func Common(w *Writer) error {
	for _, name := range []string{"proc", "sys", "dev", "run", "ci"} {
		if !w.Has(name) {
			if err := w.Dir(name, w.New(0o755)); err != nil {
				return err
			}
		}
	}
	if w.Has("workspace") {
		return nil
	}
	return w.Symlink("workspace", "/ci", w.New(0o777))
}

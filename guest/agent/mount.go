package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ambient-ci/ambient/guest"
)

// Where the parts of the new root are while the machine is still in its
// initramfs.
const (
	lowerDir   = "/lower"   // the image
	scratchDir = "/scratch" // the writable layer
	newRoot    = "/new"
)

type mountSpec struct {
	source, target, kind string
	flags                uintptr
	data                 string
}

func (m mountSpec) mount() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.kind, m.target, err)
	}
	return nil
}

const quietFlags = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC

// kernelMounts are what the boot needs; they move into the new root, with what
// is mounted below them.
var kernelMounts = []mountSpec{
	{"dev", "/dev", "devtmpfs", syscall.MS_NOSUID, "mode=0755"},
	{"proc", "/proc", "proc", quietFlags, ""},
	{"sys", "/sys", "sysfs", quietFlags, ""},
}

// runMount moves as well.
var runMount = mountSpec{"run", "/run", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=0755"}

// lateMounts are what the actions need.
var lateMounts = []mountSpec{
	{"cgroup", cgroupRoot, "cgroup2", quietFlags, ""},
	{"pts", "/dev/pts", "devpts", syscall.MS_NOSUID | syscall.MS_NOEXEC, "ptmxmode=0666,mode=0620,gid=5"},
	{"shm", "/dev/shm", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=1777"},
	runMount,
}

// mountRoot mounts the image.
func mountRoot(device string) error {
	return mountSpec{device, lowerDir, "erofs", syscall.MS_RDONLY, ""}.mount()
}

// mountNewRoot puts the writable layer above the image. The machine lives for
// one stage, so nothing is written for the sake of a crash: no barriers, and an
// overlay that ignores fsync.
func mountNewRoot(device string) error {
	const data = "noinit_itable,nobarrier"
	if err := (mountSpec{device, scratchDir, "ext4", syscall.MS_NOATIME, data}).mount(); err != nil {
		return err
	}
	dirs := []string{"upper", "work"}
	for _, serial := range guest.Disks[2:guest.EarlyDisks] {
		for _, d := range layerDirs {
			dirs = append(dirs, "inputs/"+serial+"/"+d)
		}
	}
	for _, d := range guest.PlanDirs {
		dirs = append(dirs, strings.TrimPrefix(d, "/"))
	}
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(scratchDir, d), 0o755); err != nil {
			return err
		}
	}
	overlay := mountSpec{"root", newRoot, "overlay", syscall.MS_NOATIME,
		"lowerdir=" + lowerDir + ",upperdir=" + scratchDir + "/upper,workdir=" + scratchDir + "/work,volatile"}
	if err := overlay.mount(); err != nil {
		return err
	}
	// The stage's data is on the ext4 itself, which is faster than an overlay
	// and knows hard links and renames of directories.
	return mountSpec{scratchDir + "/ci", newRoot + "/ci", "", syscall.MS_BIND, ""}.mount()
}

// enterNewRoot makes the new root this machine's root. The initramfs can not be
// left by pivot_root(2), so the new root is moved over it.
func enterNewRoot() error {
	for _, m := range append(kernelMounts[:len(kernelMounts):len(kernelMounts)], runMount) {
		if err := (mountSpec{m.target, newRoot + m.target, "", syscall.MS_MOVE, ""}).mount(); err != nil {
			return err
		}
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := syscall.Mount(".", "/", "", syscall.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move to the new root: %w", err)
	}
	if err := syscall.Chroot("."); err != nil {
		return err
	}
	return os.Chdir("/")
}

// furnish mounts what programs expect, and makes its links.
func furnish() error {
	for _, m := range lateMounts {
		if err := m.mount(); err != nil {
			return err
		}
	}
	return makeLinks([][2]string{{"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"}})
}

// makeDirs makes what programs expect and an image may lack.
func makeDirs() error {
	dirs := map[string]os.FileMode{"/root": 0o700, "/tmp": os.ModeSticky | 0o777, "/var/tmp": os.ModeSticky | 0o777, "/etc": 0o755}
	for dir, mode := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if st, err := os.Stat(dir); err == nil && st.Mode() == os.ModeDir|mode {
			continue // a change would copy it to the writable layer
		}
		if err := os.Chmod(dir, mode); err != nil {
			return err
		}
	}
	return makeLinks([][2]string{{"/ci", "/workspace"}})
}

func makeLinks(links [][2]string) error {
	for _, l := range links {
		if err := os.Symlink(l[0], l[1]); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// layersDir is a directory of the writable layer, with a directory for each disk
// that may be mounted. It can still be reached once the initramfs is covered, and
// by nobody else.
type layersDir struct {
	fd     int
	failed map[string]error // why a disk is not mounted, by serial
}

// layerDirs are in each of these directories.
var layerDirs = []string{"lower", "upper", "work", "merged"}

func openLayers() (layersDir, error) {
	fd, err := syscall.Open(scratchDir+"/inputs", syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	return layersDir{fd, map[string]error{}}, err
}

// mount mounts the image on the disk with a serial, which is at device, and above
// it an overlay, whose upper layer is as short-lived as the machine. Of the files
// of the image it looks at none.
func (l layersDir) mount(serial, device string) error {
	base := l.base(serial)
	if err := (mountSpec{device, base + "/lower", "erofs", syscall.MS_RDONLY, ""}).mount(); err != nil {
		return err
	}
	// Directories of the image can be renamed (redirect_dir), and all files have
	// one device number (xino), as on the disk that programs expect.
	const data = "lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work,volatile,redirect_dir=on,xino=on,metacopy=off"
	return mountSpec{"input", base + "/merged", "overlay", syscall.MS_NOATIME, fmt.Sprintf(data, base)}.mount()
}

func (l layersDir) base(serial string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", l.fd, serial)
}

// unmounted says of disks why they are not mounted.
func (l layersDir) unmounted() map[string]string {
	var all map[string]string
	for serial, err := range l.failed {
		if err != nil {
			if all == nil {
				all = map[string]string{}
			}
			all[serial] = err.Error()
		}
	}
	return all
}

// show makes the files of an image that is mounted appear at dir: as they are, or
// so that the stage may change them.
func (l layersDir) show(serial, dir string, readOnly bool) error {
	if err := l.failed[serial]; err != nil {
		return fmt.Errorf("%s: %w", serial, err)
	}
	layer := "/merged/"
	if readOnly {
		layer = "/lower/"
	}
	if err := (mountSpec{l.base(serial) + layer + guest.ImageTop, dir, "", syscall.MS_BIND, ""}).mount(); err != nil || !readOnly {
		return err
	}
	return restrict(dir)
}

// lock makes a directory read-only and its files impossible to run.
func lock(dir string) error {
	if err := (mountSpec{dir, dir, "", syscall.MS_BIND, ""}).mount(); err != nil {
		return err
	}
	return restrict(dir)
}

// restrict makes what is mounted at dir read-only and its files impossible to run.
func restrict(dir string) error {
	const flags = syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY | quietFlags
	return mountSpec{"", dir, "", flags, ""}.mount()
}

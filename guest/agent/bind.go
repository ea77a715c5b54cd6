package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// A driver reads its device when it is bound to it: a disk's size and first
// sectors, a network device's address, the first random bytes. All of that is a
// run's own and may differ from what it was when the machine was saved, so
// before Start the drivers here have no device but the early disks: the root and
// the scratch disk, which every machine of a template has alike, and those of the
// file systems that a stage mounts. Binding is a quarter of all that a short stage
// asks of its kernel. The size of these is the same in every saved machine,
// larger than any image, and what was read of them is forgotten when the driver,
// which looked for partitions, closes them (the kernel drops the page cache of a
// block device with its last user).

const virtioBus = "/sys/bus/virtio"

// lateDrivers are drivers by the number of their devices (virtio specification,
// "Device Types").
var lateDrivers = map[string]string{"0x0001": networkDriver, "0x0002": blockDriver, "0x0004": entropyDriver}

const (
	networkDriver = "virtio_net"
	blockDriver   = "virtio_blk"
	entropyDriver = "virtio_rng"
)

// entropyPause is when a stage gets its source of further entropy; Start brought
// enough to begin with, and many stages end before.
const entropyPause = 3 * time.Second

// late reports whether a module is such a driver.
func late(path string) bool {
	_, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".ko"), "-") // NN-NAME.ko
	for _, driver := range lateDrivers {
		if strings.ReplaceAll(name, "-", "_") == driver {
			return true
		}
	}
	return false
}

// autoprobe says whether a driver that is loaded takes its devices at once. It
// fails as long as there is no bus, which is when it does not matter.
func autoprobe(on bool) {
	value := "0"
	if on {
		value = "1"
	}
	_ = write(virtioBus+"/drivers_autoprobe", value)
}

// virtioDevice is a device of the bus that a late driver is for.
type virtioDevice struct{ name, driver string }

// lateDevices lists such devices in the order in which the machine has them.
func lateDevices() []virtioDevice {
	paths, _ := filepath.Glob(virtioBus + "/devices/virtio*")
	var all []virtioDevice
	for _, path := range paths {
		id, err := os.ReadFile(path + "/device")
		if driver := lateDrivers[strings.TrimSpace(string(id))]; err == nil && driver != "" {
			all = append(all, virtioDevice{filepath.Base(path), driver})
		}
	}
	slices.SortFunc(all, func(a, b virtioDevice) int { return a.number() - b.number() })
	return all
}

func (d virtioDevice) number() int {
	n, _ := strconv.Atoi(strings.TrimPrefix(d.name, "virtio"))
	return n
}

func (d virtioDevice) path() string { return virtioBus + "/devices/" + d.name }

func (d virtioDevice) bound() bool {
	_, err := os.Lstat(d.path() + "/driver")
	return err == nil
}

// bind gives the device to its driver, or takes it away.
func (d virtioDevice) bind(on bool) error {
	if d.bound() == on {
		return nil
	}
	action := "unbind"
	if on {
		action = "bind"
	}
	if err := write(virtioBus+"/drivers/"+d.driver+"/"+action, d.name); err != nil {
		return fmt.Errorf("%s %s (%s): %w", action, d.name, d.driver, err)
	}
	return nil
}

// disks finds the machine's disks by their serials, and binds each when it is
// first wanted. It is safe for concurrent use.
type disks struct {
	mu    sync.Mutex
	all   []virtioDevice    // nil until they are all known
	paths map[string]string // of disks that are bound, by serial
}

// path returns the path of the disk with a serial.
func (d *disks) path(serial string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if path := d.paths[serial]; path != "" {
		return path, nil
	}
	for _, device := range d.candidates(serial) {
		found, err := d.look(device)
		if err != nil {
			return "", err
		}
		if found == serial {
			return d.paths[serial], nil
		}
	}
	return "", fmt.Errorf("%w %s", errNoDisk, serial)
}

var errNoDisk = errors.New("the machine has no disk")

// candidates lists the disks, first the one that has the serial by the order
// that they should have.
func (d *disks) candidates(serial string) []virtioDevice {
	devices := d.all
	if devices == nil {
		devices = lateDevices()
	}
	var all []virtioDevice
	for _, device := range devices {
		if device.driver == blockDriver {
			all = append(all, device)
		}
	}
	if i := slices.Index(guest.Disks, serial); i >= 0 && i < len(all) {
		all[0], all[i] = all[i], all[0]
	}
	return all
}

// look binds a disk and remembers its serial.
func (d *disks) look(device virtioDevice) (serial string, err error) {
	if err := device.bind(true); err != nil {
		return "", err
	}
	entries, _ := os.ReadDir(device.path() + "/block")
	if len(entries) != 1 {
		return "", nil
	}
	name := entries[0].Name()
	text, err := os.ReadFile(device.path() + "/block/" + name + "/serial")
	serial = strings.TrimSpace(string(text))
	if d.paths == nil {
		d.paths = map[string]string{}
	}
	d.paths[serial] = "/dev/" + name
	return serial, err
}

// open opens the disk with a serial.
func (d *disks) open(serial string, write bool) (*os.File, error) {
	path, err := d.path(serial)
	if err != nil {
		return nil, err
	}
	if write {
		return openDirect(path)
	}
	return os.Open(path)
}

// system finds the disks that are the machine's and no run's own: the root, and
// the scratch disk if there is one ("" if not). Of the late drivers' devices only
// the early disks are bound when it returns; one whose driver is part of the kernel
// was.
func (d *disks) system() (root, scratch string, err error) {
	root, err = waitFor("disk "+guest.SerialRoot, bootLimit, func() string {
		path, _ := d.path(guest.SerialRoot)
		return path
	})
	if err != nil {
		return "", "", err
	}
	early := map[string]string{guest.SerialRoot: root}
	for _, serial := range guest.Disks[1:guest.EarlyDisks] {
		path, err := d.path(serial)
		if errors.Is(err, errNoDisk) { // a machine that only shows that it boots has none
			continue
		}
		if err != nil {
			return "", "", err
		}
		early[serial] = path
	}
	d.paths = early
	d.all = lateDevices()
	for _, device := range d.all {
		if device.among(early) {
			continue
		}
		if err := device.bind(false); err != nil {
			return "", "", err
		}
	}
	return root, early[guest.SerialScratch], nil
}

// mountEarly mounts the file systems of the early disks. A disk that has none
// stays as it is: an archive can be unpacked. What fails is an error of the input,
// should it be wanted.
func (d *disks) mountEarly(at layersDir) {
	for _, serial := range guest.Disks[2:guest.EarlyDisks] {
		path := d.paths[serial]
		if path == "" {
			at.failed[serial] = fmt.Errorf("%w %s", errNoDisk, serial)
			continue
		}
		err := isImage(path)
		if err == nil {
			err = at.mount(serial, path)
		}
		if err == nil {
			err = forget(path)
		}
		at.failed[serial] = err
	}
}

// forget drops what is cached of a disk (BLKFLSBUF of linux/fs.h), which may be
// another when the machine goes on.
func forget(path string) error {
	const flushBuffers = 0x1261
	return withFile(atCwd, path, syscall.O_RDONLY, func(fd int) error { return ioctl(uintptr(fd), flushBuffers, nil) })
}

// isImage says why a disk has no EROFS superblock (the kernel's
// fs/erofs/erofs_fs.h), nil if it has one.
func isImage(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var magic [4]byte
	if _, err = f.ReadAt(magic[:], 1024); err == nil && binary.LittleEndian.Uint32(magic[:]) != 0xE0F5E1E2 {
		err = errors.New("it is no file system image")
	}
	return err
}

// among reports whether a bound device is one of the disks.
func (d virtioDevice) among(paths map[string]string) bool {
	for _, path := range paths {
		if _, err := os.Stat(d.path() + "/block/" + filepath.Base(path)); err == nil {
			return true
		}
	}
	return false
}

// bindAll gives every device of a driver to it, where there is such a driver.
func bindAll(driver string) error {
	if _, err := os.Stat(virtioBus + "/drivers/" + driver); err != nil {
		return nil
	}
	for _, device := range lateDevices() {
		if device.driver != driver {
			continue
		}
		if err := device.bind(true); err != nil {
			return err
		}
	}
	return nil
}

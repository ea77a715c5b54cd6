package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// A driver reads its device when it is bound to it: a disk's size and first
// sectors, a network device's address, the first random bytes. All of that is a
// run's own and may differ from what it was when the machine was saved, so
// before Start the drivers here have no device but the disk with the root.

const virtioBus = "/sys/bus/virtio"

// lateDrivers are drivers by the number of their devices (virtio specification,
// "Device Types").
var lateDrivers = map[string]string{"0x0001": "virtio_net", "0x0002": "virtio_blk", "0x0004": "virtio_rng"}

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

// bindRoot finds the disk with the root and returns its path. No other device
// of a late driver is bound when it returns; one whose driver is part of the
// kernel was.
func bindRoot() (string, error) {
	root := ""
	for end := time.Now().Add(bootLimit); root == ""; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return "", errors.New("the machine has no disk " + guest.SerialRoot)
		}
		for _, d := range lateDevices() {
			if root == "" && d.driver == "virtio_blk" {
				if err := d.bind(true); err != nil {
					return "", err
				}
				if disk := byAttribute(d.path()+"/block/*/serial", guest.SerialRoot); disk != "" {
					root = "/dev/" + disk
					continue
				}
			}
			if err := d.bind(false); err != nil {
				return "", err
			}
		}
	}
	return root, nil
}

// bindRest gives every device to its driver, where there is one.
func bindRest() error {
	autoprobe(true)
	for _, d := range lateDevices() {
		if _, err := os.Stat(virtioBus + "/drivers/" + d.driver); err != nil {
			continue
		}
		if err := d.bind(true); err != nil {
			return err
		}
	}
	return nil
}

package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bootLimit is how long to wait for a device that the kernel has yet to find.
const bootLimit = 20 * time.Second

// loadModules loads the modules of the initramfs in the order of their names
// and frees their memory.
func loadModules() error {
	files, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		autoprobe(!late(path))
		err = loadModule(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return os.RemoveAll("/modules")
}

// waitFor returns what find finds, asking until it does.
func waitFor(what string, limit time.Duration, find func() string) (string, error) {
	for end := time.Now().Add(limit); ; time.Sleep(2 * time.Millisecond) {
		if path := find(); path != "" {
			return path, nil
		}
		if time.Now().After(end) {
			return "", fmt.Errorf("the machine has no %s", what)
		}
	}
}

// byAttribute returns the name of the device below /sys whose attribute has
// that value, "" if there is none.
func byAttribute(pattern, value string) string {
	files, _ := filepath.Glob(pattern)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && strings.TrimSpace(string(b)) == value {
			return filepath.Base(filepath.Dir(f))
		}
	}
	return ""
}

// openPort opens the virtio-serial port of that name.
func openPort(name string) (*os.File, error) {
	path, err := waitFor("port "+name, bootLimit, func() string {
		if dev := byAttribute("/sys/class/virtio-ports/*/name", name); dev != "" {
			return "/dev/" + dev
		}
		return ""
	})
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}

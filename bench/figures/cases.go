package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stageCases are cases that are one `apply` of a directory of that name.
var stageCases = map[string][]string{
	"hello":  {"-force"},
	"git":    {"-force"},
	"many":   {"-force"},
	"reuse":  nil,
	"sleep1": {"-force"},
	"sleep8": {"-force", "-parallelism=8"},
	"kept":   {"-force"},
	"out":    {"-force"},
}

// prepare does for a case what must have been done before it is measured.
func (b *bench) prepare(name string) error {
	switch name {
	case "many", "edited":
		if err := b.writeTree(); err != nil {
			return err
		}
		_, _, err := b.apply("many", "-force")
		return err
	case "rust":
		return b.prepareRust()
	case "vng":
		return b.prepareVng()
	}
	if args, ok := stageCases[name]; ok {
		_, _, err := b.apply(name, args...)
		return err
	}
	return nil
}

// run measures a case once, in seconds; idle in MiB.
func (b *bench) run(name string, s sample) (float64, error) {
	switch name {
	case "floor":
		return b.floor(b.image.kernel())
	case "packed":
		return b.floor(b.packedKernel())
	case "lost":
		return b.lost()
	case "edited":
		if err := b.edit(); err != nil {
			return 0, err
		}
		return seconds(b.apply("many", "-force"))
	case "idle":
		return b.idle()
	case "rust":
		return b.rustRun()
	case "vng":
		return b.vngRun()
	}
	took, out, err := b.apply(name, stageCases[name]...)
	if err == nil && name == "reuse" && !strings.Contains(out, "reused") {
		err = errors.New("nothing was reused")
	}
	if err == nil && name == "kept" {
		s["dd"], err = ddTime(out)
	}
	return took.Seconds(), err
}

func seconds(took time.Duration, _ string, err error) (float64, error) {
	return took.Seconds(), err
}

// floor is the fastest that a cold machine can be with a kernel.
func (b *bench) floor(kernel string) (float64, error) {
	cmd := exec.Command("qemu-system-x86_64", "-M", "q35", "-m", "1024", "-nodefaults", "-no-reboot", "-display", "none",
		"-serial", "stdio", "-kernel", kernel, "-initrd", b.dir("floor.cpio"), "-append", "console=ttyS0 quiet panic=-1 reboot=t")
	took, out, err := timed(cmd)
	if err == nil && !strings.Contains(out, "hello") {
		err = errors.New("the floor said nothing: " + tail(out))
	}
	return took.Seconds(), err
}

func (b *bench) lost() (float64, error) {
	home := b.dir("lost-home")
	if err := os.RemoveAll(filepath.Join(home, "templates")); err != nil {
		return 0, err
	}
	took, out, err := b.applyIn(home, "hello", "-force")
	if err == nil && !strings.Contains(out, "kept as a template") {
		err = errors.New("no template was made: " + tail(out))
	}
	return took.Seconds(), err
}

var ddLine = regexp.MustCompile(`(?m)\| dd ([0-9]+)\.([0-9]{2})$`)

// ddTime reads how long the guest's dd took, in seconds.
func ddTime(out string) (float64, error) {
	m := ddLine.FindStringSubmatch(out)
	if m == nil {
		return 0, errors.New("no time of dd: " + tail(out))
	}
	return strconv.ParseFloat(m[1]+"."+m[2], 64)
}

// makeFloor packs the initramfs of the floor.
func (b *bench) makeFloor() error {
	busybox, err := busyboxPath()
	if err != nil {
		return err
	}
	const init = "#!/bin/busybox sh\n/bin/busybox echo hello\n/bin/busybox poweroff -f\n"
	root := b.dir("floor")
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "init"), []byte(init), 0o755); err != nil {
		return err
	}
	if err := copyFile(busybox, filepath.Join(root, "bin", "busybox"), 0o755); err != nil {
		return err
	}
	return pack(root, b.dir("floor.cpio"))
}

func busyboxPath() (string, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return "", fmt.Errorf("%w: install busybox-static", err)
	}
	return path, nil
}

// pack makes an initramfs of a directory.
func pack(root, file string) error {
	cmd := exec.Command("sh", "-c", `find . | cpio -o -H newc --quiet -R 0:0 > "$1"`, "sh", file)
	cmd.Dir = root
	_, _, err := timed(cmd)
	return err
}

func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, mode)
	}
	return err
}

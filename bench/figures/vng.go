package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// virtme-ng runs a command in a machine whose root is a copy-on-write view of the
// host's own, over virtio-fs. It has no image and no stages, keeps nothing and
// isolates nothing: it is here because it is the fastest way from a kernel to a
// shell that is in common use. It gets the kernel of our built-in image with the
// modules of the package that it came in, and the same script.

func (b *bench) prepareVng() error {
	if _, err := exec.LookPath(b.vng); err != nil {
		return &absentError{"virtme-ng"}
	}
	if b.virtiofsd() == "" {
		return &absentError{"cargo install virtiofsd"}
	}
	if _, _, err := timed(exec.Command("depmod", "-b", b.dir("package"), b.image.Release)); err != nil {
		return err
	}
	out, err := b.vngCommand("--verbose").CombinedOutput()
	if !strings.Contains(string(out), "hello from") {
		return errors.Join(errors.New("it said nothing: "+tail(string(out))), err)
	}
	return nil
}

func (b *bench) vngCommand(more ...string) *exec.Cmd {
	args := []string{"--run", b.packedKernel(), "--disable-kvm", "--cpus", "1", "--memory", "1G", "--exec", helloScript}
	cmd := exec.Command(b.vng, append(more, args...)...)
	cmd.Dir = b.dir("hello")
	if path, err := exec.LookPath(b.vng); err == nil { // its other programs are beside it
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(path)+":"+filepath.Dir(b.virtiofsd())+":"+os.Getenv("PATH"))
	}
	return cmd
}

// virtiofsd is the program of that name in Rust, or empty. virtme-ng can not use the
// one in C that QEMU 7 came with, but takes it when it runs as root and finds no
// other; its root does not mount then.
func (b *bench) virtiofsd() string {
	for _, name := range []string{filepath.Join(b.rust, "virtiofsd"), "virtiofsd", "/usr/libexec/virtiofsd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// vngRun is one run, from exec to exit. The kernel has its ports in a module that
// virtme-ng loads too late for the script's output and status to come by them, so
// that it ends with 255; that the script runs was seen on the console before.
func (b *bench) vngRun() (float64, error) {
	start := time.Now()
	err := b.vngCommand().Run()
	took := time.Since(start)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 255 {
		err = nil
	}
	return took.Seconds(), err
}

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The Rust program Ambient boots a disk image by its firmware and boot loader and
// runs its own executor there. The image made here is the smallest that it can
// run in: the kernel of our built-in image, and an initramfs with busybox, bash,
// tar and the executor's libraries, so that nothing of a distribution has to
// start. A stand-in for `kvm` runs QEMU without KVM and without the flash of UEFI,
// which would take longer than SeaBIOS. Its linter is off, and the script, the
// source, the memory and the number of processors are those of our hello.

// rustInit is the init of that image. The two lines around the executor's output
// are what the program looks for in its log.
const rustInit = `#!/bin/busybox sh
export PATH=/bin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
for m in /modules/*.ko; do insmod $m; done
while [ ! -b /dev/vdb ]; do sleep 0.01; done
cd /run && tar -xf /dev/vdb
{ echo "====================== BEGIN ======================"; ./run-ci; echo "EXIT CODE: $?"; } > /dev/ttyS1 2>&1
poweroff -f
`

// rustKvm stands in for kvm.
const rustKvm = `#!/bin/sh
n=$#
while [ $n -gt 0 ]; do
	a=$1; shift; n=$((n - 1))
	case $a in
	-enable-kvm) continue ;;
	kvm64) a=qemu64 ;;
	*accel=kvm*) a=$(echo "$a" | sed s/accel=kvm/accel=tcg/) ;;
	-drive) case $1 in if=pflash*) shift; n=$((n - 1)); continue ;; esac ;;
	esac
	set -- "$@" "$a"
done
exec qemu-system-x86_64 "$@"
`

const rustLoader = `DEFAULT linux
PROMPT 0
LABEL linux
 KERNEL kernel
 INITRD initrd
 APPEND console=ttyS0 quiet panic=-1 reboot=t
`

func (b *bench) prepareRust() error {
	for _, name := range []string{"ambient", "ambient-execute-plan"} {
		if _, err := os.Stat(filepath.Join(b.rust, name)); err != nil {
			return &absentError{"cargo install ambient-ci"}
		}
	}
	for _, tool := range []string{"qemu-img", "syslinux", "mcopy", "mkfs.vfat", "xorriso", "rsync", "bash", "cpio"} {
		if _, err := exec.LookPath(tool); err != nil {
			return &absentError{tool}
		}
	}
	if err := b.rustImage(); err != nil {
		return err
	}
	_, err := b.rustRun()
	return err
}

// rustImage makes the image, and what else the program wants.
func (b *bench) rustImage() error {
	root := b.dir("rust-root")
	if err := rustRoot(root, filepath.Join(b.image.dir, "modules"), filepath.Join(b.rust, "ambient-execute-plan")); err != nil {
		return err
	}
	dir := b.dir("rust")
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o755); err != nil {
		return err
	}
	if err := pack(root, filepath.Join(dir, "initrd")); err != nil {
		return err
	}
	for name, text := range map[string]string{"syslinux.cfg": rustLoader, "kvm": rustKvm, "firmware": "",
		"config.yaml": fmt.Sprintf("tmpdir: %[1]s/tmp\nstate: %[1]s/state\nexecutor: %[2]s\nlint: false\nqemu:\n  kvm_binary: %[1]s/kvm\n  ovmf_vars_file: %[1]s/firmware\n  ovmf_code_file: %[1]s/firmware\n",
			dir, filepath.Join(b.rust, "ambient-execute-plan")),
		"projects.yaml": fmt.Sprintf("projects:\n  bench:\n    image: %s/disk.qcow2\n    source: %s\n    plan:\n      - action: shell\n        shell: %s\n",
			dir, b.dir("hello"), helloScript)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	const script = `truncate -s 64M disk.img && mkfs.vfat disk.img && mcopy -i disk.img "$1" ::kernel &&
mcopy -i disk.img initrd ::initrd && mcopy -i disk.img syslinux.cfg ::syslinux.cfg &&
syslinux --install disk.img && qemu-img convert -f raw -O qcow2 disk.img disk.qcow2`
	cmd := exec.Command("sh", "-ec", script, "sh", b.packedKernel())
	cmd.Dir = dir
	_, _, err := timed(cmd)
	return err
}

// rustRoot fills the initramfs of that image.
func rustRoot(root, modules, executor string) error {
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "run", "ci", "root/.ssh", "etc", "bin", "modules"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	busybox, err := busyboxPath()
	if err != nil {
		return err
	}
	programs := map[string]string{"busybox": busybox}
	for _, name := range []string{"bash", "tar"} {
		if programs[name], err = exec.LookPath(name); err != nil {
			return err
		}
	}
	for name, path := range programs {
		if err := copyFile(path, filepath.Join(root, "bin", name), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"sh", "mount", "insmod", "poweroff", "uname", "sleep", "mkdir", "cat", "env", "ln"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil {
			return err
		}
	}
	if err := copyLibraries(root, programs["bash"], programs["tar"], executor); err != nil {
		return err
	}
	files, _ := filepath.Glob(filepath.Join(modules, "*.ko"))
	for _, file := range files {
		if err := copyFile(file, filepath.Join(root, "modules", filepath.Base(file)), 0o644); err != nil {
			return err
		}
	}
	return errors.Join(os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/bash\n"), 0o644),
		os.WriteFile(filepath.Join(root, "init"), []byte(rustInit), 0o755))
}

// copyLibraries copies what the dynamic linker would load for programs.
func copyLibraries(root string, programs ...string) error {
	for _, program := range programs {
		out, err := exec.Command("ldd", program).Output()
		if err != nil {
			return fmt.Errorf("ldd %s: %w", program, err)
		}
		for _, field := range strings.Fields(string(out)) {
			if !filepath.IsAbs(field) {
				continue
			}
			to := filepath.Join(root, field)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			if err := copyFile(field, to, 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// rustRun is one run, from exec to exit.
func (b *bench) rustRun() (float64, error) {
	dir := b.dir("rust")
	cmd := exec.Command(filepath.Join(b.rust, "ambient"), "--no-config", "--config", dir+"/config.yaml", "run",
		"--projects", dir+"/projects.yaml", "--force", "bench")
	cmd.Dir = dir
	return seconds(timed(cmd))
}

package blockdev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CreateSparse makes a file of size bytes, all zeroes, that takes no room until
// it is written to. Only its owner may read it. The file must not exist.
func CreateSparse(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return hostError(path, err)
	}
	err = f.Truncate(size)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
	}
	return hostError(path, err)
}

// CopySparse makes a copy of the device at from that takes as little room: what
// has never been written is left out (lseek(2), SEEK_DATA). The file at path must
// not exist.
func CopySparse(path, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return hostError(from, err)
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return hostError(from, err)
	}
	if err := CreateSparse(path, st.Size()); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return hostError(path, err)
	}
	err = copyData(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
	}
	return hostError(path, err)
}

func copyData(out, in *os.File) error {
	buf := make([]byte, 1<<20)
	for end := int64(0); ; {
		start, err := unix.Seek(int(in.Fd()), end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // no more data
		}
		if err != nil {
			return err
		}
		if end, err = unix.Seek(int(in.Fd()), start, unix.SEEK_HOLE); err != nil {
			return err
		}
		section := io.NewSectionReader(in, start, end-start)
		if _, err := io.CopyBuffer(io.NewOffsetWriter(out, start), section, buf); err != nil {
			return err
		}
	}
}

// Empty makes a device with an empty archive. The file must not exist.
func Empty(path string) error { return CreateSparse(path, MinSize) }

// ErrNoMkfs says that the host has no mkfs.ext4.
var ErrNoMkfs = errors.New("mkfs.ext4 is not installed (package e2fsprogs)")

// MinScratch is the size, in bytes, of the smallest scratch device.
const MinScratch = 8 << 20

// MakeScratch makes a device of size bytes with an empty ext4 file system for
// the writable layer of a guest. It is sparse, has no journal, since it does not
// outlive its machine, and keeps no room for root. The file must not exist.
func MakeScratch(ctx context.Context, path string, size int64) error {
	if size < MinScratch {
		return fmt.Errorf("a scratch device needs at least %d bytes, not %d", MinScratch, size)
	}
	mkfs, err := findMkfs()
	if err != nil {
		return err
	}
	if err := CreateSparse(path, size); err != nil {
		return err
	}
	if err := runMkfs(ctx, mkfs, path); err != nil {
		os.Remove(path)
		return err
	}
	return nil
}

func runMkfs(ctx context.Context, mkfs, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	// The inode tables of a sparse file are zero already, so neither mkfs nor
	// the guest's kernel has to clear them: see mke2fs(8). Before e2fsprogs 1.47
	// there is no way to say so to the kernel.
	out, err := tryMkfs(ctx, mkfs, abs, "lazy_itable_init=1,assume_storage_prezeroed=1")
	if err != nil && ctx.Err() == nil && noRoom(out) == nil {
		out, err = tryMkfs(ctx, mkfs, abs, "lazy_itable_init=1")
	}
	switch full := noRoom(out); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case full != nil:
		return &FullError{Path: path, Err: full}
	}
	return fmt.Errorf("mkfs.ext4: %w: %s", err, bytes.TrimSpace(out))
}

func tryMkfs(ctx context.Context, mkfs, path, extended string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, mkfs, "-q", "-F", "-m", "0",
		"-O", "^has_journal,^resize_inode", "-E", extended+",nodiscard,root_owner=0:0", path)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	return cmd.CombinedOutput()
}

// noRoom finds in what mkfs wrote that the host had no room.
func noRoom(out []byte) error {
	text := strings.ToLower(string(out))
	for _, no := range []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EFBIG} {
		if strings.Contains(text, no.Error()) {
			return no
		}
	}
	return nil
}

// findMkfs looks where ordinary users have no PATH to, too.
func findMkfs() (string, error) {
	for _, name := range []string{"mkfs.ext4", "/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoMkfs
}

// FreeSpace returns the bytes that an ordinary user may still write to the file
// system of dir.
func FreeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, nil
}

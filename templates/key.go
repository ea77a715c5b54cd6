package templates

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"syscall"
)

// format is a part of every key: it changes when older templates must not be
// used any more.
const format = "ambient template 1"

// bootIDFile changes with every boot of the host (random(4)). A template does
// not outlive the boot: it need not be forced to the disk then, and the host's
// processor and kernel are those it was made with.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// Key is the digest of fields, of the host's boot and of the format. Each field
// counts with its length, so that no two lists look alike.
func Key(fields ...string) (string, error) {
	boot, err := os.ReadFile(bootIDFile)
	if err != nil {
		return "", fmt.Errorf("this host can not be told from another: %w", err)
	}
	h := sha256.New()
	for _, f := range append([]string{format, string(boot)}, fields...) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(f))) // a hash takes everything
		_, _ = io.WriteString(h, f)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Identity changes when a file is replaced or written: the change time can not
// be set back, so it stands for the content. A file that is not there has an
// identity too.
func Identity(path string) string {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return err.Error()
	}
	return fmt.Sprint(st.Dev, st.Ino, st.Mode, st.Uid, st.Gid, st.Size, st.Mtim, st.Ctim)
}

package qemuvm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Bounds of the file that remembers a choice.
const (
	memoryFormat = 1
	maxMemory    = 1 << 20        // bytes
	tcgMemory    = 24 * time.Hour // KVM may have been too slow on a bad day
)

// bootIDFile changes with every boot of the host (random(4)).
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// memory is a remembered choice and what it holds for.
type memory struct {
	file string // empty: nothing is remembered
	key  string
}

// record is the content of the file.
type record struct {
	Format  int        `json:"format"`
	Key     string     `json:"key"`
	Time    time.Time  `json:"time"`
	Accel   string     `json:"accel"`
	CPU     string     `json:"cpu"`
	Reasons []Rejected `json:"reasons"`
}

// newMemory works out the key of what is tried. Its error is a *MissingError
// when there is no QEMU.
func newMemory(p ProbeOptions, kvmErr error) (*memory, error) {
	path, err := exec.LookPath(p.Machine.Binary)
	if err != nil {
		return nil, startError(&p.Machine, err)
	}
	fields := []string{string(p.Machine.Arch), path, identity(path), identity(p.Machine.Kernel), identity("/dev/kvm"), fmt.Sprint(kvmErr), fmt.Sprint(candidates)}
	for _, file := range []string{bootIDFile, "/proc/sys/kernel/osrelease"} {
		text, err := os.ReadFile(file)
		if err != nil {
			return &memory{}, nil // a host that can not be told from another is not remembered
		}
		fields = append(fields, string(text))
	}
	return &memory{file: p.CacheFile, key: digest(fields)}, nil
}

// identity changes when a file is replaced or written: the change time can not
// be set back, so it stands for content and version alike.
func identity(path string) string {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return err.Error()
	}
	return fmt.Sprint(st.Dev, st.Ino, st.Mode, st.Uid, st.Gid, st.Rdev, st.Size, st.Mtim, st.Ctim)
}

// digest hashes fields with their lengths, so that no two lists look alike.
func digest(fields []string) string {
	h := sha256.New()
	for _, f := range fields {
		_ = binary.Write(h, binary.BigEndian, uint64(len(f))) // a hash takes everything
		_, _ = io.WriteString(h, f)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// recall gives the remembered choice. A file that is missing, damaged, of
// another machine or too old is as good as none.
func (m *memory) recall() (Choice, bool) {
	if m.file == "" {
		return Choice{}, false
	}
	f, err := os.Open(m.file)
	if err != nil {
		return Choice{}, false
	}
	defer f.Close()
	var r record
	data, err := io.ReadAll(io.LimitReader(f, maxMemory))
	if err != nil || json.Unmarshal(data, &r) != nil || !r.valid(m.key, time.Now()) {
		return Choice{}, false
	}
	return Choice{Accel: r.Accel, CPU: r.CPU, Reasons: r.Reasons, Remembered: true}, true
}

func (r *record) valid(key string, now time.Time) bool {
	if r.Format != memoryFormat || r.Key != key || r.Time.After(now) {
		return false
	}
	if r.Accel != KVM && now.Sub(r.Time) > tcgMemory {
		return false
	}
	for _, c := range candidates {
		if c.accel == r.Accel && c.cpu == r.CPU {
			return true
		}
	}
	return false
}

// keep writes the choice, whole or not at all.
func (m *memory) keep(c Choice) error {
	if m.file == "" {
		return nil
	}
	data, err := json.MarshalIndent(record{
		Format: memoryFormat, Key: m.key, Time: time.Now().UTC(),
		Accel: c.Accel, CPU: c.CPU, Reasons: c.Reasons,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.file), 0o700); err != nil {
		return err
	}
	return publish(m.file, append(data, '\n'))
}

// publish replaces a file by rename.
func publish(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+strings.TrimPrefix(filepath.Base(path), ".")+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

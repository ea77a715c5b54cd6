// Package kernel takes from a Debian kernel package what a guest needs: the
// kernel and some modules, with the modules those need, in the order in which
// they can be loaded.
package kernel

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/ulikunitz/xz"

	"github.com/ambient-ci/ambient/images/deb"
)

// Wanted names the modules of a guest: its devices, its root, its writable
// layer.
var Wanted = []string{
	"virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "virtio_rng",
	"erofs", "overlay", "ext4",
}

// Bounds on one kernel package.
const (
	maxKernel  = 256 << 20
	maxModule  = 64 << 20
	maxModules = 512 << 20 // all of them
)

// ErrPackage says that a package is not a kernel this program can use.
var ErrPackage = errors.New("not a usable kernel package")

// Kernel is a kernel and its modules.
type Kernel struct {
	Release string // as uname -r says it
	Image   []byte // what QEMU boots: vmlinuz, or the vmlinux that was in it
	Modules []Module
}

// Module is a kernel module, not compressed.
type Module struct {
	Name string // with "_" for "-", as the kernel has it
	Data []byte
}

// Read takes the kernel and the wanted modules from the package at file name.
// Modules that are built into the kernel are left out; one that it does not
// have at all is an error.
func Read(ctx context.Context, name string, wanted []string) (*Kernel, error) {
	c := &collector{files: map[string][]byte{}, builtin: map[string]bool{}}
	if err := deb.Walk(ctx, name, c.take); err != nil {
		return nil, err
	}
	if c.image == nil {
		return nil, fmt.Errorf("%s: %w: it has no vmlinuz", name, ErrPackage)
	}
	k := &Kernel{Release: c.release, Image: c.image}
	if inside, err := vmlinux(c.image); err == nil {
		k.Image = inside
	}
	var err error
	if k.Modules, err = c.closure(wanted); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}

// collector keeps what may be needed of a package.
type collector struct {
	release string
	image   []byte
	files   map[string][]byte // modules by name, as stored
	builtin map[string]bool
	size    int64
}

func (c *collector) take(name string, h *tar.Header, r io.Reader) error {
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	name = strings.TrimPrefix(name, "usr/")
	dir, base := path.Split(name)
	var err error
	switch {
	case dir == "boot/" && strings.HasPrefix(base, "vmlinuz-"):
		c.release = strings.TrimPrefix(base, "vmlinuz-")
		c.image, err = read(r, maxKernel)
	case base == "modules.builtin":
		err = c.takeBuiltin(r)
	case strings.HasPrefix(name, "lib/modules/") && isModule(base):
		var data []byte
		data, err = read(r, maxModule)
		c.files[moduleName(base)] = data
		if c.size += int64(len(data)); c.size > maxModules {
			err = fmt.Errorf("%w: its modules are too large", ErrPackage)
		}
	}
	return err
}

func (c *collector) takeBuiltin(r io.Reader) error {
	data, err := read(r, 1<<20)
	for line := range strings.Lines(string(data)) {
		c.builtin[moduleName(path.Base(strings.TrimSpace(line)))] = true
	}
	return err
}

func read(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%w: a file is larger than %d bytes", ErrPackage, limit)
	}
	return data, err
}

func isModule(base string) bool {
	return strings.HasSuffix(base, ".ko") || strings.HasSuffix(base, ".ko.xz")
}

// moduleName turns a file's or a module's name into the kernel's form.
func moduleName(s string) string {
	s = strings.TrimSuffix(strings.TrimSuffix(s, ".xz"), ".ko")
	return strings.ReplaceAll(s, "-", "_")
}

// closure returns the modules and those they need, each after what it needs.
func (c *collector) closure(wanted []string) ([]Module, error) {
	var order []Module
	state := map[string]int{} // 1: being visited, 2: done
	var visit func(name string) error
	visit = func(name string) error {
		if state[name] != 0 || c.builtin[name] {
			return nil
		}
		state[name] = 1
		data, needs, err := c.module(name)
		if err != nil {
			return err
		}
		for _, n := range needs {
			if err := visit(n); err != nil {
				return fmt.Errorf("%s needs %w", name, err)
			}
		}
		state[name] = 2
		order = append(order, Module{Name: name, Data: data})
		return nil
	}
	for _, name := range wanted {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// module returns a module's content and the modules it needs first.
func (c *collector) module(name string) ([]byte, []string, error) {
	data, ok := c.files[name]
	if !ok {
		return nil, nil, fmt.Errorf("module %s: %w: it is not there", name, ErrPackage)
	}
	data, err := unpack(data)
	if err != nil {
		return nil, nil, fmt.Errorf("module %s: %w", name, err)
	}
	info, err := modinfo(data)
	if err != nil {
		return nil, nil, fmt.Errorf("module %s: %w: %w", name, ErrPackage, err)
	}
	needs := list(info["depends"], ",")
	for _, soft := range list(info["softdep"], "\n") {
		needs = append(needs, c.soft(soft)...)
	}
	return data, needs, nil
}

// soft returns those modules of a "pre: a b post: c" field that exist as files;
// others are aliases of what is built in.
func (c *collector) soft(field string) []string {
	var names []string
	pre := false
	for _, f := range strings.Fields(field) {
		if strings.HasSuffix(f, ":") {
			pre = f == "pre:"
		} else if n := moduleName(f); pre && c.files[n] != nil {
			names = append(names, n)
		}
	}
	return names
}

func list(s, sep string) []string {
	var all []string
	for part := range strings.SplitSeq(s, sep) {
		if part != "" {
			all = append(all, strings.ReplaceAll(part, "-", "_"))
		}
	}
	return all
}

// unpack undoes xz compression, if there is any.
func unpack(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte("\xfd7zXZ\x00")) {
		return data, nil
	}
	r, err := xz.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return read(r, maxModule)
}

// modinfo returns the fields of a module's .modinfo section; values of a field
// that stands there more than once are joined by "\n".
func modinfo(data []byte) (map[string]string, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	s := f.Section(".modinfo")
	if s == nil || s.Size > maxModule {
		return nil, errors.New("it has no module information")
	}
	text, err := s.Data()
	if err != nil {
		return nil, err
	}
	info := map[string]string{}
	for field := range strings.SplitSeq(string(text), "\x00") {
		if name, value, ok := strings.Cut(field, "="); ok {
			if old := info[name]; old != "" {
				value = old + "\n" + value
			}
			info[name] = value
		}
	}
	return info, nil
}

package images

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/images/apt"
	"github.com/ambient-ci/ambient/images/deb"
	"github.com/ambient-ci/ambient/images/kernel"
	"github.com/ambient-ci/ambient/images/rootfs"
)

// builder makes one image in a directory of its own.
type builder struct {
	client *apt.Client
	spec   Spec
	dir    string // holds what becomes the image
	work   string // anything else; removed at the end
	say    func(string)
	info   Info
}

// build makes an image and publishes it. The caller holds the lock of its key.
func (s *Store) build(ctx context.Context, spec Spec, progress func(string)) (*Image, error) {
	if progress == nil {
		progress = func(string) {}
	}
	stage, err := s.newStage(ctx)
	if err != nil {
		return nil, err
	}
	defer stage.remove()
	b := &builder{
		client: s.client, spec: spec, say: progress,
		dir: filepath.Join(stage.dir, "image"), work: stage.dir,
		info: Info{Version: infoVersion, Spec: spec},
	}
	if err := os.MkdirAll(filepath.Join(b.dir, moduleDir), 0o700); err != nil {
		return nil, err
	}
	if err := b.make(ctx); err != nil {
		return nil, err
	}
	return s.publish(b, stage)
}

// make fills b.dir.
func (b *builder) make(ctx context.Context) error {
	if err := b.checkDebian(); err != nil {
		return err
	}
	b.say("looking for Debian " + b.spec.Suite)
	archive, err := b.client.Open(ctx, b.spec.Suite, b.spec.Mirror)
	if err != nil {
		return err
	}
	for _, why := range archive.Skipped {
		b.say("not used: " + why)
	}
	for _, src := range archive.Sources {
		b.info.Archives = append(b.info.Archives,
			fmt.Sprintf("%s %s %s", src.URI, src.Suite, src.Date.UTC().Format(time.RFC3339)))
	}
	if err := b.checkPackages(ctx, archive); err != nil {
		return err
	}
	if err := b.kernel(ctx, archive); err != nil {
		return err
	}
	if b.spec.Debian {
		return b.debian(ctx, archive)
	}
	return b.busybox(ctx, archive)
}

// fetch downloads a package and notes it.
func (b *builder) fetch(ctx context.Context, a *apt.Archive, p apt.Package) (string, error) {
	b.say(fmt.Sprintf("fetching %s %s", p.Name, p.Version))
	b.info.Packages = append(b.info.Packages, p)
	return a.Download(ctx, p)
}

// kernel writes the kernel and its modules.
func (b *builder) kernel(ctx context.Context, a *apt.Archive) error {
	b.say("reading the package index")
	pkg, err := kernelPackage(ctx, a, b.spec.Arch)
	if err != nil {
		return err
	}
	file, err := b.fetch(ctx, a, pkg)
	if err != nil {
		return err
	}
	b.say("unpacking the kernel")
	k, err := kernel.Read(ctx, file, kernel.Wanted)
	if err != nil {
		return err
	}
	b.info.Release = k.Release
	if err := b.write(kernelFile, k.Image); err != nil {
		return err
	}
	for i, m := range k.Modules {
		if err := b.write(fmt.Sprintf("%s/%02d-%s.ko", moduleDir, i, m.Name), m.Data); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// kernelPackage follows the metapackage to the kernel it stands for now.
func kernelPackage(ctx context.Context, a *apt.Archive, arch string) (apt.Package, error) {
	meta := "linux-image-cloud-" + arch
	found, err := a.Find(ctx, arch, meta)
	if err != nil {
		return apt.Package{}, err
	}
	name := found[meta].Requires("linux-image-")
	if name == "" {
		return apt.Package{}, fmt.Errorf("package %s names no kernel", meta)
	}
	found, err = a.Find(ctx, arch, name)
	return found[name], err
}

// busybox writes the root of the built-in image.
func (b *builder) busybox(ctx context.Context, a *apt.Archive) error {
	const name = "busybox-static"
	found, err := a.Find(ctx, b.spec.Arch, name)
	if err != nil {
		return err
	}
	file, err := b.fetch(ctx, a, found[name])
	if err != nil {
		return err
	}
	binary, when, err := busyboxBinary(ctx, file)
	if err != nil {
		return err
	}
	w, err := rootfs.Create(filepath.Join(b.dir, rootFile), when)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := rootfs.Busybox(w, binary); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	b.info.MadeBy = "ambient"
	return b.note(rootFile)
}

// busyboxBinary takes the program out of its package.
func busyboxBinary(ctx context.Context, file string) (binary []byte, when time.Time, err error) {
	const limit = 64 << 20
	err = deb.Walk(ctx, file, func(name string, h *tar.Header, r io.Reader) error {
		if (name != "bin/busybox" && name != "usr/bin/busybox") || h.Typeflag != tar.TypeReg || h.Size > limit {
			return nil
		}
		var err error
		when = h.ModTime
		binary, err = io.ReadAll(r)
		return err
	})
	if err == nil && binary == nil {
		err = fmt.Errorf("%s: %w: it has no busybox", file, deb.ErrFormat)
	}
	return binary, when, err
}

// write makes a file of the image.
func (b *builder) write(name string, data []byte) error {
	if err := home.WriteFile(filepath.Join(b.dir, name), data, 0o600); err != nil {
		return err
	}
	return b.note(name)
}

// note records a file of the image that was written.
func (b *builder) note(name string) error {
	f, err := os.Open(filepath.Join(b.dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	b.info.Files = append(b.info.Files, FileInfo{Name: name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return err
}

// publish moves a finished image to its place and points its key at it.
func (s *Store) publish(b *builder, stage *stage) (*Image, error) {
	b.info.Digest = contentDigest(b.info.Files)
	data, err := json.MarshalIndent(b.info, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := home.WriteFile(filepath.Join(b.dir, infoFile), append(data, '\n'), 0o600); err != nil {
		return nil, err
	}
	img, err := s.place(b.dir, b.info.Digest, stage)
	if err != nil {
		return nil, err
	}
	file := s.indexFile(b.spec)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	data, err = json.Marshal(index{Digest: img.Digest})
	if err != nil {
		return nil, err
	}
	return img, home.WriteFile(file, append(data, '\n'), 0o600)
}

// place renames dir to the image's name. An image of that content that is
// there already stays, unless it is damaged: others may make it, too, from
// another specification.
func (s *Store) place(dir, digest string, stage *stage) (*Image, error) {
	release, err := s.home.Lock(context.Background(), "image-place")
	if err != nil {
		return nil, err
	}
	defer release()
	to := s.dir(digest)
	for range 3 {
		if img, err := s.load(digest); err == nil {
			return img, nil
		}
		err := os.Rename(dir, to)
		if err == nil {
			syncDir(filepath.Dir(to))
			return s.load(digest)
		}
		if !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST) {
			return nil, err
		}
		if err := os.Rename(to, filepath.Join(stage.dir, "damaged")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s can not be replaced", to)
}

// syncDir makes a rename last; where that is not possible nothing is lost but
// time.
func syncDir(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync()
		f.Close()
	}
}

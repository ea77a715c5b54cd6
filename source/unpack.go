package source

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// formats are the archives that are unpacked, by what their names end with.
var formats = map[string]string{
	".tar": "tar", ".tar.gz": "gz", ".tgz": "gz", ".tar.bz2": "bz2", ".tbz2": "bz2",
	".tar.xz": "xz", ".txz": "xz", ".tar.zst": "zst", ".tzst": "zst", ".zip": "zip",
}

func formatOf(name string) string {
	for end, format := range formats {
		if strings.HasSuffix(name, end) {
			return format
		}
	}
	return ""
}

// unpack unpacks the archive at file, which is hostile, into dir, which is
// empty. Symbolic links are kept as they are; nothing is written through one out
// of dir.
func unpack(ctx context.Context, format, file, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	u := &unpacker{ctx: ctx, root: root, bytes: maxTree, files: maxFiles}
	if format == "zip" {
		return u.zip(f)
	}
	r, done, err := decompress(format, bufio.NewReaderSize(f, 256<<10))
	if err != nil {
		return err
	}
	defer done()
	return u.tar(r)
}

// decompress returns the bytes of a tar archive. The memory it takes is bounded.
func decompress(format string, r io.Reader) (io.Reader, func(), error) {
	none := func() {}
	switch format {
	case "gz":
		g, err := gzip.NewReader(r)
		return g, none, err
	case "bz2":
		return bzip2.NewReader(r), none, nil
	case "xz":
		x, err := xz.ReaderConfig{DictCap: 64 << 20}.NewReader(r)
		return x, none, err
	case "zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, none, err
		}
		return z, z.Close, nil
	}
	return r, none, nil
}

// unpacker writes below root. What is left of its bounds shrinks as it goes.
type unpacker struct {
	ctx   context.Context
	root  *os.Root
	bytes int64
	files int
}

var errTooLarge = errors.New("the archive holds too much")

// begin accounts for an entry and cleans its name, which is empty if the entry
// is to be left out.
func (u *unpacker) begin(name string) (string, error) {
	if u.files--; u.files < 0 {
		return "", errTooLarge
	}
	if err := u.ctx.Err(); err != nil {
		return "", err
	}
	clean := path.Clean(name)
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("the archive's entry %q leads out of the tree", name)
	}
	if clean == "." || slices.Contains(strings.Split(clean, "/"), ".git") {
		return "", nil
	}
	return clean, u.root.MkdirAll(path.Dir(clean), 0o755)
}

func (u *unpacker) tar(r io.Reader) error {
	archive := tar.NewReader(&budget{r: r, left: maxTree + maxTree/8})
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader { // git archive writes one
			continue
		}
		name, err := u.begin(h.Name)
		if err == nil && name != "" {
			err = u.tarEntry(name, h, archive)
		}
		if err != nil {
			return err
		}
	}
}

func (u *unpacker) tarEntry(name string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return u.root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		return u.file(name, h.FileInfo().Mode(), h.ModTime, content)
	case tar.TypeSymlink:
		return u.symlink(name, h.Linkname)
	case tar.TypeLink:
		return u.hardLink(name, h.Linkname)
	}
	return fmt.Errorf("the archive's entry %q is neither file, directory nor link", name)
}

func (u *unpacker) zip(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	directory := &zipDirectory{r: f, left: maxZipDirectory}
	archive, err := zip.NewReader(directory, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return err
	}
	directory.left = math.MaxInt64
	for _, e := range archive.File {
		name, err := u.begin(e.Name)
		if err == nil && name != "" {
			err = u.zipEntry(name, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// maxZipDirectory bounds, in bytes, the list of a zip archive's files, which is
// read into memory as a whole.
const maxZipDirectory = 64 << 20

// zipDirectory bounds what is read of an archive.
type zipDirectory struct {
	r    io.ReaderAt
	left int64
}

func (d *zipDirectory) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.r.ReadAt(p, off)
	if d.left -= int64(n); d.left < 0 {
		return 0, fmt.Errorf("the archive's list of files is larger than %d bytes", maxZipDirectory)
	}
	return n, err
}

func (u *unpacker) zipEntry(name string, e *zip.File) error {
	mode := e.Mode()
	if mode.IsDir() {
		return u.root.MkdirAll(name, 0o755)
	}
	content, err := e.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	switch mode.Type() {
	case 0:
		return u.file(name, mode, e.Modified, content)
	case fs.ModeSymlink:
		target, err := io.ReadAll(io.LimitReader(content, 4096))
		if err != nil {
			return err
		}
		return u.symlink(name, string(target))
	}
	return fmt.Errorf("the archive's entry %q is neither file, directory nor link", name)
}

// clear makes way for a later entry of the same name.
func (u *unpacker) clear(name string) error {
	if err := u.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (u *unpacker) file(name string, mode fs.FileMode, mtime time.Time, content io.Reader) error {
	if err := u.clear(name); err != nil {
		return err
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(f, &budget{r: content, left: u.bytes})
	u.bytes -= n
	if err != nil {
		return err
	}
	perm := fs.FileMode(0o644)
	if mode&0o100 != 0 {
		perm = 0o755
	}
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return u.root.Chtimes(name, time.Time{}, mtime)
}

func (u *unpacker) symlink(name, target string) error {
	if err := u.clear(name); err != nil {
		return err
	}
	return u.root.Symlink(target, name)
}

func (u *unpacker) hardLink(name, target string) error {
	info, err := u.root.Lstat(target)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("the archive's entry %q is a hard link to something other than a file", name)
	}
	if err == nil && path.Clean(target) != name {
		if err = u.clear(name); err == nil {
			err = u.root.Link(target, name)
		}
	}
	return err
}

// budget is a reader that fails when it has given all it may.
type budget struct {
	r    io.Reader
	left int64
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return n, errTooLarge
	}
	return n, err
}

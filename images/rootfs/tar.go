package rootfs

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// TarOptions says how FromTar treats some files, by clean names such as
// "etc/hostname".
type TarOptions struct {
	Skip map[string]bool      // left out
	Tee  map[string]io.Writer // get a copy of the content
}

// xattrRecord starts the name of a PAX record with an extended attribute.
const xattrRecord = "SCHILY.xattr."

// FromTar adds everything in a tar archive, with owners, modes, times and
// extended attributes. Hard links become copies. Devices, pipes and sockets are
// left out, since a guest mounts a devtmpfs. Names are taken as below the root;
// one with ".." is an error.
func FromTar(ctx context.Context, w *Writer, r io.Reader, o TarOptions) error {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		name, err := safeName(h.Name)
		if err != nil {
			return err
		}
		if o.Skip[name] {
			continue
		}
		if err := w.entry(name, h, tr, o); err != nil {
			return err
		}
	}
}

func (w *Writer) entry(name string, h *tar.Header, r io.Reader, o TarOptions) error {
	a := attrOf(h)
	switch h.Typeflag {
	case tar.TypeDir:
		return w.Dir(name, a)
	case tar.TypeReg:
		if tee := o.Tee[name]; tee != nil {
			r = io.TeeReader(r, tee)
		}
		return w.File(name, a, r)
	case tar.TypeSymlink:
		return w.Symlink(name, h.Linkname, a)
	case tar.TypeLink:
		old, err := safeName(h.Linkname)
		if err != nil {
			return err
		}
		return w.Link(name, old)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return nil
	}
	return fmt.Errorf("%s: type %q is not supported", name, h.Typeflag)
}

// safeName makes a name of an archive clean and relative.
func safeName(name string) (string, error) {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("%.200q: a name that leads out of the archive", name)
		}
	}
	if strings.IndexByte(name, 0) >= 0 || len(name) > 4096 {
		return "", fmt.Errorf("%.200q: a bad name", name)
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

func attrOf(h *tar.Header) Attr {
	a := Attr{
		Mode: h.FileInfo().Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky),
		UID:  h.Uid, GID: h.Gid, Time: h.ModTime,
	}
	for record, value := range h.PAXRecords {
		if attr, ok := strings.CutPrefix(record, xattrRecord); ok {
			if a.Xattrs == nil {
				a.Xattrs = map[string]string{}
			}
			a.Xattrs[attr] = value
		}
	}
	return a
}

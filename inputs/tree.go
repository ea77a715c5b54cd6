package inputs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/blockdev/erofs"
	"github.com/ambient-ci/ambient/source"
)

// Placed is a source tree and the directory of an image that it goes to, a clean
// relative path; "" is the top.
type Placed struct {
	Prefix string
	Tree   *source.Tree
}

// Trees returns the image of source trees. Files that the last image of trees
// from the same directories has as well are not read again. An error that wraps
// source.ErrChanged says that a file is not any more what it was when its tree
// was scanned; what is there already needs no file.
func (s *Store) Trees(ctx context.Context, trees ...Placed) (*Image, error) {
	key := treesKey(trees)
	if img := s.find(key); img != nil {
		return img, nil
	}
	d, err := s.draft()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	last := filepath.Join(s.dir, lastPrefix+rootsKey(trees))
	b := builder{ctx: ctx, image: erofs.NewWriter(d.image), known: map[[sha256.Size]byte]erofs.Extent{}}
	if err := s.takeOver(&b, last, trees); err != nil {
		return nil, blockdev.HostError(d.image.Name(), err)
	}
	for _, t := range trees {
		if err := b.tree(t); err != nil {
			return nil, blockdev.HostError(d.image.Name(), err)
		}
	}
	if d.size, err = b.image.Close(); err != nil {
		return nil, blockdev.HostError(d.image.Name(), err)
	}
	d.contents = encodeContents(b.contents())
	img, err := s.publish(d, key)
	if err == nil {
		remember(last, key)
	}
	return img, err
}

// treesKey is a digest of all that an image of trees holds: what their own
// digests are made of, and times.
func treesKey(trees []Placed) string {
	sum := newKey("ambient trees 2")
	for _, t := range trees {
		field(sum, t.Prefix)
		field(sum, t.Tree.Digest)
		for _, f := range t.Tree.Files() {
			if f.Kind != source.Directory {
				number(sum, uint64(blockdev.WholeSecond(f.ModTime)))
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// rootsKey tells trees from the same directories.
func rootsKey(trees []Placed) string {
	sum := newKey("ambient roots 2")
	for _, t := range trees {
		field(sum, t.Prefix)
		field(sum, t.Tree.Root())
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

func newKey(what string) hash.Hash {
	sum := sha256.New()
	field(sum, what)
	return sum
}

// field writes a text so that no two lists of them have the same bytes.
func field(sum hash.Hash, text string) {
	number(sum, uint64(len(text)))
	io.WriteString(sum, text)
}

func number(sum hash.Hash, n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	sum.Write(b[:])
}

// remember makes a link say which image was made last. That it can not matters
// only to the time that the next one takes.
func remember(link, key string) {
	dir, err := os.MkdirTemp(filepath.Dir(link), tempPrefix)
	if err != nil {
		return
	}
	defer os.RemoveAll(dir)
	temp := filepath.Join(dir, "link")
	if os.Symlink(key, temp) == nil {
		os.Rename(temp, link)
	}
}

// builder makes the image of trees.
type builder struct {
	ctx   context.Context
	image *erofs.Writer
	known map[[sha256.Size]byte]erofs.Extent // contents of the image
}

// takeOver takes what the trees need from the image that was made last of them.
func (s *Store) takeOver(b *builder, last string, trees []Placed) error {
	key, err := os.Readlink(last)
	if err != nil || key != filepath.Base(key) {
		return nil
	}
	img := s.find(key)
	if img == nil {
		return nil
	}
	defer img.Close()
	wanted := map[[sha256.Size]byte]bool{}
	for _, t := range trees {
		for _, f := range t.Tree.Files() {
			wanted[f.Sum] = wanted[f.Sum] || f.Size > 0
		}
	}
	var found []content
	var old []erofs.Extent
	for _, c := range readContents(img) {
		if wanted[c.sum] {
			found = append(found, c)
			old = append(old, c.where)
		}
	}
	now, err := b.image.Keep(img.lock, old)
	if err != nil {
		return err
	}
	for i, c := range found {
		b.known[c.sum] = now[i]
	}
	return nil
}

func (b *builder) contents() []content {
	list := make([]content, 0, len(b.known))
	for sum, where := range b.known {
		list = append(list, content{sum, where})
	}
	return list
}

func (b *builder) tree(t Placed) error {
	if t.Prefix != "" {
		if err := b.image.Dir(t.Prefix, erofs.Attr{Mode: 0o755}); err != nil {
			return err
		}
	}
	in, err := t.Tree.Reader()
	if err != nil {
		return err
	}
	defer in.Close()
	files := t.Tree.Files()
	for i := range files {
		if err := b.file(path.Join(t.Prefix, files[i].Path), &files[i], in); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) file(name string, f *source.File, in *source.Reader) error {
	attr := erofs.Attr{Mode: 0o644, Time: blockdev.WholeSecond(f.ModTime)}
	switch f.Kind {
	case source.Directory:
		return b.image.Dir(name, erofs.Attr{Mode: 0o755})
	case source.Link:
		return b.image.Symlink(name, f.Target, attr)
	case source.Program:
		attr.Mode = 0o755
	}
	where, err := b.content(f, in)
	if err != nil {
		return err
	}
	return b.image.File(name, attr, where)
}

// content stores the content of a file, once.
func (b *builder) content(f *source.File, in *source.Reader) (erofs.Extent, error) {
	where, ok := b.known[f.Sum]
	if ok || f.Size == 0 {
		return where, nil
	}
	if err := b.ctx.Err(); err != nil {
		return where, err
	}
	var mine error // a failure to write, which has nothing to do with the file
	err := in.Read(f, func(r io.Reader) (err error) {
		where, err = b.image.Content(r, f.Size)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			mine = err
		}
		return err
	})
	if mine != nil {
		err = mine
	}
	if err != nil {
		return where, err
	}
	b.known[f.Sum] = where
	return where, nil
}

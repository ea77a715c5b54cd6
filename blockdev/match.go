package blockdev

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
)

// errDiffers says that an archive is not in canonical form.
var errDiffers = errors.New("the archive is not canonical")

// matcher compares the canonical archive, as it is made, with the one that it is
// made from, as that is read.
type matcher struct {
	seen []byte // read and not compared yet
	next int    // in seen
	over bool   // the archive has ended
}

// read takes bytes of the archive that is read.
func (m *matcher) read(p []byte) {
	if m.next == len(m.seen) {
		m.seen, m.next = m.seen[:0], 0
	}
	m.seen = append(m.seen, p...)
}

// matches reports whether p is what was read.
func (m *matcher) matches(p []byte) bool {
	n := min(len(p), len(m.seen)-m.next)
	same := n == len(p) && bytes.Equal(p, m.seen[m.next:m.next+n])
	m.next += n
	return same
}

// settle cuts the file where the archive ends. Zeroes that the writer adds to a
// small one are then the file's own.
func (m *matcher) settle(w *writer) error {
	if m.next != len(m.seen) {
		return errDiffers
	}
	m.over = true
	return w.file.Truncate(w.size)
}

// newMatcher starts a writer that writes nothing, and publishes the device in
// place of what it would have written.
func newMatcher(ctx context.Context, device, dest string, t *tree) (*writer, error) {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	w := &writer{ctx: ctx, dest: dest, tree: t, file: f, sum: sha256.New(), match: &matcher{}}
	w.tar = tar.NewWriter(w)
	return w, nil
}

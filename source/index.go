package source

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ambient-ci/ambient/home"
)

// stamp is what tells that a file was not changed without reading it. It is
// comparable.
type stamp struct {
	size, mtime, ctime int64 // bytes; nanoseconds since 1970
	inode, device      uint64
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{
		size: st.Size, mtime: time.Unix(st.Mtim.Unix()).UnixNano(), ctime: time.Unix(st.Ctim.Unix()).UnixNano(),
		inode: st.Ino, device: uint64(st.Dev),
	}
}

// index holds the content of files by their stamps: sorted by path.
type index struct {
	records []record
	last    int // where the last find ended: files are looked for in order
}

type record struct {
	path  string
	stamp stamp
	sum   [sha256.Size]byte
}

func (x *index) add(path string, s stamp, sum [sha256.Size]byte) {
	x.records = append(x.records, record{path, s, sum})
}

// find returns the digest of a file that has not changed since. Paths are asked
// for in order.
func (x *index) find(path string, s stamp) (sum [sha256.Size]byte, ok bool) {
	for x.last < len(x.records) && x.records[x.last].path < path {
		x.last++
	}
	if x.last == len(x.records) || x.records[x.last].path != path || x.records[x.last].stamp != s {
		return sum, false
	}
	return x.records[x.last].sum, true
}

const (
	indexMagic   = "ambient source index 1\n"
	maxIndex     = 256 << 20 // bytes of an index file
	maxIndexes   = 200       // files that are kept
	recordLength = 5*8 + sha256.Size
)

func indexFile(h *home.Home, root string) string {
	sum := sha256.Sum256([]byte(root))
	return filepath.Join(h.SourceIndexes(), hex.EncodeToString(sum[:16]))
}

// loadIndex returns the index of a tree, an empty one if there is none that is
// whole.
func loadIndex(h *home.Home, root string) *index {
	path := indexFile(h, root)
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxIndex {
		return &index{}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return &index{}
	}
	x, err := decodeIndex(data, root)
	if err != nil {
		return &index{}
	}
	return x
}

var errIndex = errors.New("the index is damaged")

// decodeIndex reads what encode wrote. It bounds everything by the length of
// data.
func decodeIndex(data []byte, root string) (*index, error) {
	if len(data) < len(indexMagic)+sha256.Size || !bytes.HasPrefix(data, []byte(indexMagic)) {
		return nil, errIndex
	}
	body, tail := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], tail) {
		return nil, errIndex
	}
	d := decoder{body[len(indexMagic):]}
	if name, ok := d.text(); !ok || name != root {
		return nil, errIndex
	}
	x := &index{records: make([]record, 0, len(d.left)/(recordLength+2))}
	for len(d.left) > 0 {
		path, ok := d.text()
		if !ok || len(d.left) < recordLength {
			return nil, errIndex
		}
		x.records = append(x.records, d.record(path))
	}
	return x, nil
}

type decoder struct{ left []byte }

func (d *decoder) text() (string, bool) {
	n, k := binary.Uvarint(d.left)
	if k <= 0 || n > uint64(len(d.left)-k) {
		return "", false
	}
	text := string(d.left[k : k+int(n)])
	d.left = d.left[k+int(n):]
	return text, true
}

func (d *decoder) record(path string) record {
	number := func() uint64 {
		n := binary.LittleEndian.Uint64(d.left)
		d.left = d.left[8:]
		return n
	}
	r := record{path: path}
	r.stamp.size, r.stamp.mtime, r.stamp.ctime = int64(number()), int64(number()), int64(number())
	r.stamp.inode, r.stamp.device = number(), number()
	copy(r.sum[:], d.left)
	d.left = d.left[sha256.Size:]
	return r
}

func (x *index) encode(root string) []byte {
	data := []byte(indexMagic)
	text := func(s string) { data = append(binary.AppendUvarint(data, uint64(len(s))), s...) }
	text(root)
	for _, r := range x.records {
		text(r.path)
		for _, n := range []uint64{uint64(r.stamp.size), uint64(r.stamp.mtime), uint64(r.stamp.ctime), r.stamp.inode, r.stamp.device} {
			data = binary.LittleEndian.AppendUint64(data, n)
		}
		data = append(data, r.sum[:]...)
	}
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

// save keeps the index unless it is what was there before. What can not be kept
// is worked out again next time, so errors do not matter; nor does a power cut,
// since the file has a checksum.
func (x *index) save(h *home.Home, root string, before *index) {
	if slices.Equal(x.records, before.records) {
		return
	}
	path := indexFile(h, root)
	data := x.encode(root)
	if len(data) > maxIndex || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return
	}
	defer os.Remove(f.Name())
	w := bufio.NewWriter(f)
	w.Write(data)
	err = w.Flush()
	if cerr := f.Close(); err == nil && cerr == nil {
		os.Rename(f.Name(), path)
		pruneIndexes(filepath.Dir(path))
	}
}

// pruneIndexes removes the indexes that were not changed for longest.
func pruneIndexes(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= maxIndexes {
		return
	}
	age := map[string]time.Time{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			age[e.Name()] = info.ModTime()
		}
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return age[a.Name()].Compare(age[b.Name()]) })
	for _, e := range entries[:len(entries)-maxIndexes] {
		os.Remove(filepath.Join(dir, e.Name()))
	}
}

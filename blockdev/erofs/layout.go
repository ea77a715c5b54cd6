package erofs

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
)

// Sizes and numbers of the format.
const (
	magic       = 0xE0F5E1E2
	superOffset = 1024
	inodeSize   = 64
	nidUnit     = 32 // bytes: an inode's number is its place among the inodes in these
	direntSize  = 12

	compatChecksum = 1 << 0 // the superblock has a checksum
	compatTimes    = 1 << 1 // inodes have times

	formatExtended = 1 << 0 // a 64-byte inode
	formatInline   = 2 << 1 // the end of the data stands behind the inode
)

// xattrHeader is how many bytes fsck.erofs 1.5 reads behind every inode, also
// where no extended attributes are and the image could end.
const xattrHeader = 12

// Where things are. Inodes are counted from metaBlock on; number 0 is kept free,
// which readdir(3) may take for no file.
const (
	metaBlock    = 1
	rootOffset   = 2 * nidUnit // from the start of metaBlock, in bytes
	topOffset    = BlockSize
	firstContent = 3 // the block behind the inode of Top
)

type dirent struct {
	name string
	node *inode
	kind byte
}

// Close writes inodes and superblock. It returns how many bytes of the image are
// in use, a multiple of BlockSize: it is longer by the room that contents which
// were not kept have left. The file is not forced to the disk.
func (w *Writer) Close() (int64, error) {
	if err := w.buf.Flush(); err != nil {
		return 0, err
	}
	root := newDir(Attr{Mode: 0o755})
	root.children[Top], root.links = w.top, 3
	all := w.collect(root)
	block := place(all, w.next)
	for _, n := range all {
		if blocks := n.outside(); blocks > 0 {
			n.block = block
			block += blocks
		}
	}
	if block > maxBlocks {
		return 0, ErrTooLarge
	}
	im := image{head: superblock(len(all), block), rest: make([]byte, (block-w.next)*BlockSize), from: w.next}
	for _, n := range all {
		im.encode(n)
	}
	if _, err := w.file.WriteAt(im.rest, w.next*BlockSize); err != nil {
		return 0, err
	}
	if _, err := w.file.WriteAt(im.head, 0); err != nil {
		return 0, err
	}
	return w.used + (firstContent+block-w.next)*BlockSize, w.file.Truncate(block * BlockSize)
}

// collect lists the inodes, the root and Top first, so that those of one directory
// stand together, sorts the directories, and gives times to those without.
func (w *Writer) collect(root *inode) []*inode {
	all := []*inode{root}
	parents := map[*inode]*inode{root: root}
	latest := int64(0)
	for i := 0; i < len(all); i++ {
		n := all[i]
		if n.number = uint32(i + 1); !n.isDir() {
			latest = max(latest, n.time)
			continue
		}
		n.sort(parents[n])
		for _, e := range n.sorted {
			if e.name == "." || e.name == ".." || parents[e.node] != nil {
				continue
			}
			parents[e.node] = n
			all = append(all, e.node)
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		all[i].settle(latest)
	}
	root.time = 0 // as in every image
	return all
}

// sort orders the entries of a directory and counts its size.
func (n *inode) sort(parent *inode) {
	n.sorted = append(make([]dirent, 0, len(n.children)+2), dirent{".", n, 2}, dirent{"..", parent, 2})
	for name, child := range n.children {
		kind := byte(1)
		switch child.mode & typeMask {
		case typeDir:
			kind = 2
		case typeLink:
			kind = 7
		}
		n.sorted = append(n.sorted, dirent{name, child, kind})
	}
	slices.SortFunc(n.sorted, func(a, b dirent) int { return strings.Compare(a.name, b.name) })
	n.size = 0
	for rest := n.sorted; len(rest) > 0; {
		count, bytes := fitting(rest)
		n.size += BlockSize
		if rest = rest[count:]; len(rest) == 0 {
			n.size += int64(bytes) - BlockSize
		}
	}
}

// fitting is how many entries go into one block of a directory, and their bytes.
func fitting(entries []dirent) (count, bytes int) {
	for _, e := range entries {
		more := direntSize + len(e.name)
		if bytes+more > BlockSize {
			break
		}
		bytes += more
		count++
	}
	return count, bytes
}

// settle gives a directory the latest time below it, if it has none; those below
// are settled. Other files get their sizes.
func (n *inode) settle(latest int64) {
	switch {
	case n.isDir() && n.time == 0:
		for _, child := range n.children {
			n.time = max(n.time, child.time)
		}
		if len(n.children) == 0 {
			n.time = latest
		}
	case n.mode&typeMask == typeLink:
		n.size = int64(len(n.target))
	case n.mode&typeMask == typeFile:
		n.size, n.block = n.content.Size, int64(n.content.Block)
	}
}

// behind is how many bytes of a directory or link stand behind its inode: what
// is more than whole blocks, if both fit into one block.
func (n *inode) behind() int64 {
	rest := n.size % BlockSize
	if n.mode&typeMask == typeFile || rest > BlockSize-inodeSize {
		return 0
	}
	return rest
}

// outside is how many blocks beside the inodes a directory or link needs.
func (n *inode) outside() int64 {
	if n.mode&typeMask == typeFile {
		return 0
	}
	return blocksOf(n.size - n.behind())
}

// place gives every inode its offset, those but the first two from a block on,
// and returns the block behind them. An inode and what stands behind it are in
// one block.
func place(all []*inode, from int64) int64 {
	all[0].offset, all[1].offset = rootOffset, topOffset
	start := (from - metaBlock) * BlockSize
	offset := start
	for _, n := range all[2:] {
		need := inodeSize + n.behind()
		if offset%BlockSize+need > BlockSize {
			offset = blocksOf(offset) * BlockSize
		}
		n.offset = offset
		offset += (need + nidUnit - 1) / nidUnit * nidUnit
	}
	return from + blocksOf(offset+xattrHeader-start)
}

func (n *inode) nid() uint64 { return uint64(n.offset / nidUnit) }

// image is what is written last: the blocks before the contents, and those from
// a block on.
type image struct {
	head, rest []byte
	from       int64
}

// at gives the bytes of the image from an offset on.
func (im image) at(offset int64) []byte {
	if offset < firstContent*BlockSize {
		return im.head[offset:]
	}
	return im.rest[offset-im.from*BlockSize:]
}

// encode writes an inode, and a directory's or link's data.
func (im image) encode(n *inode) {
	format := uint16(formatExtended)
	if n.behind() > 0 {
		format |= formatInline
	}
	b, le := im.at(metaBlock*BlockSize+n.offset), binary.LittleEndian
	le.PutUint16(b[0:], format)
	le.PutUint16(b[4:], n.mode)
	le.PutUint64(b[8:], uint64(n.size))
	le.PutUint32(b[16:], uint32(n.block))
	le.PutUint32(b[20:], n.number)
	le.PutUint64(b[32:], uint64(n.time))
	le.PutUint32(b[44:], n.links)
	if n.mode&typeMask == typeFile {
		return
	}
	text := []byte(n.target)
	if n.isDir() {
		text = n.directory()
	}
	rest := len(text) - int(n.behind())
	if n.outside() > 0 {
		copy(im.at(n.block*BlockSize), text[:rest])
	}
	copy(b[inodeSize:], text[rest:])
}

// directory is the content of a directory: blocks with entries first and then
// their names.
func (n *inode) directory() []byte {
	out := make([]byte, 0, n.size)
	for rest := n.sorted; len(rest) > 0; {
		count, bytes := fitting(rest)
		offset := count * direntSize
		for _, e := range rest[:count] {
			out = binary.LittleEndian.AppendUint64(out, e.node.nid())
			out = binary.LittleEndian.AppendUint16(out, uint16(offset))
			out = append(out, e.kind, 0)
			offset += len(e.name)
		}
		for _, e := range rest[:count] {
			out = append(out, e.name...)
		}
		if rest = rest[count:]; len(rest) > 0 {
			out = append(out, zeroes[:BlockSize-bytes]...)
		}
	}
	return out
}

// superblock gives the blocks before the contents, with the superblock in the
// first.
func superblock(inodes int, blocks int64) []byte {
	head := make([]byte, firstContent*BlockSize)
	b, le := head[superOffset:BlockSize], binary.LittleEndian
	le.PutUint32(b[0:], magic)
	le.PutUint32(b[8:], compatChecksum|compatTimes)
	b[12] = 12 // BlockSize is 1<<12
	le.PutUint16(b[14:], rootOffset/nidUnit)
	le.PutUint64(b[16:], uint64(inodes))
	le.PutUint32(b[36:], uint32(blocks))
	le.PutUint32(b[40:], metaBlock)
	// The kernel's CRC is not inverted at its end, Go's is.
	le.PutUint32(b[4:], ^crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return head
}

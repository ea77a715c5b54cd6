package erofs

import (
	"cmp"
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Keep takes contents over from an older image, before any other content is
// stored. Where they leave no more room between them than they take, they stay
// at their places; else they are moved together. The result has where each
// content of old is now, in the same order. Contents that overlap are an error.
//
// The kernel copies (copy_file_range(2)): file systems that can share blocks
// share them, which costs nothing.
func (w *Writer) Keep(from *os.File, old []Extent) ([]Extent, error) {
	if w.next != firstContent {
		return nil, errors.New("contents are kept before others are stored")
	}
	order := make([]int, 0, len(old))
	for i, e := range old {
		if e.Size > 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(old[a].Block, old[b].Block) })
	stay, err := staying(old, order)
	if err != nil {
		return nil, err
	}
	now := slices.Clone(old)
	var c copier
	for _, i := range order {
		if !stay {
			now[i].Block = uint32(w.next)
		}
		c.add(int64(old[i].Block), int64(now[i].Block), old[i].blocks())
		w.next = int64(now[i].Block) + old[i].blocks()
		w.used += old[i].blocks() * BlockSize
	}
	for _, r := range c.runs {
		if err := copyRange(w.file, from, r.to*BlockSize, r.from*BlockSize, r.blocks*BlockSize); err != nil {
			return nil, err
		}
	}
	w.buf.Reset(io.NewOffsetWriter(w.file, w.next*BlockSize))
	return now, nil
}

// staying reports whether contents lie close enough together.
func staying(old []Extent, order []int) (bool, error) {
	end, total := int64(firstContent), int64(0)
	for _, i := range order {
		if int64(old[i].Block) < end {
			return false, errors.New("contents overlap")
		}
		total += old[i].blocks()
		end = int64(old[i].Block) + old[i].blocks()
	}
	if end > maxBlocks {
		return false, ErrTooLarge
	}
	return end-firstContent <= 2*total, nil
}

// copier joins copies that follow each other.
type copier struct{ runs []blockRun }

type blockRun struct{ from, to, blocks int64 }

func (c *copier) add(from, to, blocks int64) {
	if n := len(c.runs) - 1; n >= 0 {
		last := &c.runs[n]
		if last.from+last.blocks == from && last.to+last.blocks == to {
			last.blocks += blocks
			return
		}
	}
	c.runs = append(c.runs, blockRun{from, to, blocks})
}

// copyRange copies n bytes, which must be there.
func copyRange(to, from *os.File, toOffset, fromOffset, n int64) error {
	for n > 0 {
		done, err := unix.CopyFileRange(int(from.Fd()), &fromOffset, int(to.Fd()), &toOffset, int(min(n, 1<<30)), 0)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EXDEV || err == unix.ENOSYS || err == unix.EOPNOTSUPP || err == unix.EINVAL:
			_, err = io.CopyN(io.NewOffsetWriter(to, toOffset), io.NewSectionReader(from, fromOffset, n), n)
			return err
		case err != nil:
			return &os.PathError{Op: "copy", Path: to.Name(), Err: err}
		case done == 0:
			return io.ErrUnexpectedEOF
		}
		n -= int64(done)
	}
	return nil
}

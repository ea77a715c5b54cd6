package agent

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"syscall"
)

// sector is the block of tar and of the devices, in bytes.
const sector = 512

// Sizes of what goes past the page cache, in bytes.
const (
	leastMapped = 128 << 10 // a smaller file is copied
	window      = 16 << 20  // of a file that is mapped at once
)

// output writes a tar archive to a device that was opened with O_DIRECT
// (open(2)), or to any file. Under emulation the processor is what takes the
// time, so that content goes from the page cache to the device without being
// copied, and nothing is cached a second time. Close it.
type output struct {
	f    *os.File
	buf  []byte // page-aligned
	n    int    // bytes in buf
	copy []byte // content on its way to buf
	off  int64  // of the device, where buf goes
	left int64  // bytes that may still come
}

func newOutput(f *os.File, limit int64) (*output, error) {
	buf, err := syscall.Mmap(-1, 0, deviceBuffer, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, err
	}
	return &output{f: f, buf: buf, copy: make([]byte, leastMapped), left: limit}, nil
}

// Close releases the memory, and not the file.
func (o *output) Close() error { return syscall.Munmap(o.buf) }

// Write takes bytes of headers, and of content that is copied.
func (o *output) Write(b []byte) (int, error) {
	if int64(len(b)) > o.left {
		return 0, errTooLarge
	}
	for rest := b; len(rest) > 0; {
		n := copy(o.buf[o.n:], rest)
		o.n, o.left, rest = o.n+n, o.left-int64(n), rest[n:]
		if o.n == len(o.buf) {
			if err := o.flush(); err != nil {
				return len(b) - len(rest), err
			}
		}
	}
	return len(b), nil
}

func (o *output) flush() error {
	err := o.put(o.buf[:o.n])
	o.n = 0
	return err
}

// put writes b, whose length is in sectors, to the device.
func (o *output) put(b []byte) error {
	n, err := o.f.WriteAt(b, o.off)
	o.off += int64(n)
	return err
}

// entry writes the header of an entry, and the content of a file.
func (o *output) entry(h *tar.Header, open func() (*os.File, error)) error {
	if err := tar.NewWriter(o).WriteHeader(h); err != nil || h.Size == 0 {
		return err
	}
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	if err := o.content(f, h.Size); err != nil {
		return err
	}
	_, err = o.Write(make([]byte, -h.Size&(sector-1)))
	return err
}

// content copies size bytes of a file. One that became shorter meanwhile is an
// error: nothing runs any more that could change it.
func (o *output) content(f *os.File, size int64) error {
	if size > o.left {
		return errTooLarge
	}
	done := int64(0)
	if size >= leastMapped {
		if err := o.flush(); err != nil {
			return err
		}
		var err error
		if done, err = o.mapped(f, size); err != nil {
			return err
		}
	}
	n, err := io.CopyBuffer(onlyWriter{o}, io.NewSectionReader(f, done, size-done), o.copy)
	if err == nil && n != size-done {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// onlyWriter keeps io.Copy from looking for other methods.
type onlyWriter struct{ io.Writer }

// mapped writes the whole sectors of a file straight from the page cache and
// returns how many bytes those were; fewer where the file can not be mapped.
func (o *output) mapped(f *os.File, size int64) (done int64, err error) {
	for whole := size &^ (sector - 1); done < whole; {
		n := min(window, whole-done)
		b, err := syscall.Mmap(int(f.Fd()), done, int(n), syscall.PROT_READ, syscall.MAP_SHARED|syscall.MAP_POPULATE)
		if err != nil {
			return done, nil
		}
		err = o.put(b)
		if uerr := syscall.Munmap(b); err == nil {
			err = uerr
		}
		if errors.Is(err, syscall.EFAULT) {
			err = io.ErrUnexpectedEOF // there is no page any more: it was cut
		}
		if err != nil {
			return done, err
		}
		done += n
		o.left -= n
	}
	return done, nil
}

// finish ends the archive and returns its length, a multiple of sector.
func (o *output) finish() (int64, error) {
	if _, err := o.Write(make([]byte, 2*sector)); err != nil {
		return 0, err
	}
	err := o.flush()
	return o.off, err
}

// openDirect opens a device for writing past the page cache, where it can be.
func openDirect(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_DIRECT, 0)
	if errors.Is(err, syscall.EINVAL) {
		return os.OpenFile(path, os.O_WRONLY, 0)
	}
	return f, err
}

// void makes a device read as an empty archive.
func void(f *os.File) error {
	o, err := newOutput(f, deviceBuffer)
	if err != nil {
		return err
	}
	defer o.Close()
	if _, err := o.finish(); err != nil {
		return err
	}
	return f.Sync()
}

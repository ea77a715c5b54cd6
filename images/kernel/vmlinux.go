package kernel

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// A bzImage is a small program that unpacks the kernel inside it: on an emulated
// processor that is a seventh of the time to boot. QEMU can start the kernel itself
// (PVH: Xen's public header arch-x86/hvm/start_info.h) if it has an entry for that.

// Places in a bzImage ("The Linux/x86 Boot Protocol" in the kernel's
// documentation).
const (
	setupSects    = 0x1f1
	headerMagic   = 0x202
	protocol      = 0x206
	payloadOffset = 0x248
	payloadLength = 0x24c
	headerEnd     = 0x250
)

var errNoPayload = errors.New("it is no bzImage with a kernel inside")

// vmlinux gives the kernel inside a bzImage, if QEMU can start it. The error says
// why not; the bzImage is as good, and slower.
func vmlinux(bzImage []byte) ([]byte, error) {
	packed, err := payload(bzImage)
	if err != nil {
		return nil, err
	}
	kernel, err := decompress(packed)
	if err != nil {
		return nil, err
	}
	return kernel, checkPVH(kernel)
}

func payload(image []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(image) < headerEnd || string(image[headerMagic:headerMagic+4]) != "HdrS" || le.Uint16(image[protocol:]) < 0x208 {
		return nil, errNoPayload
	}
	sectors := int64(image[setupSects])
	if sectors == 0 {
		sectors = 4
	}
	start := (sectors+1)*512 + int64(le.Uint32(image[payloadOffset:]))
	end := start + int64(le.Uint32(image[payloadLength:]))
	if end > int64(len(image)) || end-start < 8 {
		return nil, errNoPayload
	}
	return image[start:end], nil
}

// decompress undoes what the kernel's build can do, but for xz, whose filter for
// machine code the library does not have. The last four bytes are the size.
func decompress(packed []byte) ([]byte, error) {
	end := len(packed) - 4
	body := bytes.NewReader(packed[:end])
	var r io.Reader
	var err error
	switch {
	case bytes.HasPrefix(packed, []byte("\x02\x21\x4c\x18")):
		r = lz4.NewReader(body)
	case bytes.HasPrefix(packed, []byte("\x28\xb5\x2f\xfd")):
		r, err = zstd.NewReader(body, zstd.WithDecoderMaxMemory(maxKernel), zstd.WithDecoderConcurrency(1))
	case bytes.HasPrefix(packed, []byte("\x1f\x8b")):
		r, err = gzip.NewReader(bytes.NewReader(packed))
	default:
		err = errors.New("its kernel is compressed in a way that is not known")
	}
	if err != nil {
		return nil, err
	}
	kernel, err := read(r, maxKernel)
	if err == nil && uint32(len(kernel)) != binary.LittleEndian.Uint32(packed[end:]) {
		err = io.ErrUnexpectedEOF
	}
	return kernel, err
}

// pvhNote is XEN_ELFNOTE_PHYS32_ENTRY of Xen's public header elfnote.h.
const pvhNote = 18

// checkPVH looks for the note that has the entry.
func checkPVH(kernel []byte) error {
	f, err := elf.NewFile(bytes.NewReader(kernel))
	if err != nil {
		return err
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE || p.Filesz > 1<<20 {
			continue
		}
		notes, err := io.ReadAll(p.Open())
		if err != nil {
			return err
		}
		if hasNote(notes, f.ByteOrder, "Xen\x00", pvhNote) {
			return nil
		}
	}
	return errors.New("it has no entry for PVH")
}

// hasNote looks for a note in a segment of notes (elf(5)).
func hasNote(notes []byte, order binary.ByteOrder, name string, kind uint32) bool {
	align := func(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }
	for len(notes) >= 12 {
		nameSize, descSize, k := order.Uint32(notes), order.Uint32(notes[4:]), order.Uint32(notes[8:])
		notes = notes[12:]
		if align(nameSize)+align(descSize) > uint64(len(notes)) {
			return false
		}
		if k == kind && string(notes[:nameSize]) == name {
			return true
		}
		notes = notes[align(nameSize)+align(descSize):]
	}
	return false
}

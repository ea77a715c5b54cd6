package kernel

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// elfWithNote is the smallest ELF file with a note of Xen's.
func elfWithNote(kind uint32) []byte {
	const header, program = 64, 56
	le := binary.LittleEndian
	note := le.AppendUint32(nil, 4)
	note = le.AppendUint32(note, 8)
	note = le.AppendUint32(note, kind)
	note = append(note, "Xen\x00entry..."...)
	note = append(le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 3), 1), 7), append([]byte("ab\x00\x00c\x00\x00\x00"), note...)...) // another before it
	b := make([]byte, header+program, 4096)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2)  // executable
	le.PutUint16(b[18:], 62) // x86-64
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], header)
	le.PutUint16(b[52:], header)
	le.PutUint16(b[54:], program)
	le.PutUint16(b[56:], 1)
	p := b[header:]
	le.PutUint32(p[0:], 4) // PT_NOTE
	le.PutUint64(p[8:], header+program)
	le.PutUint64(p[32:], uint64(len(note)))
	le.PutUint64(p[40:], uint64(len(note)))
	b = append(b, note...)
	return append(b, bytes.Repeat([]byte("kernel "), 500)...)
}

// bzImage is a boot program with a payload.
func bzImage(payload []byte) []byte {
	const sectors = 2
	b := make([]byte, (1+sectors)*512+100)
	b[setupSects] = sectors
	copy(b[headerMagic:], "HdrS")
	binary.LittleEndian.PutUint16(b[protocol:], 0x20f)
	binary.LittleEndian.PutUint32(b[payloadOffset:], 100)
	binary.LittleEndian.PutUint32(b[payloadLength:], uint32(len(payload)))
	return append(append(b, payload...), "what stands behind it"...)
}

// squeezed compresses as the kernel's build does.
func squeezed(t testing.TB, how string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch how {
	case "lz4":
		l := lz4.NewWriter(&out)
		err = l.Apply(lz4.LegacyOption(true))
		w = l
	case "zstd":
		w, err = zstd.NewWriter(&out)
	case "gzip":
		w = gzip.NewWriter(&out)
	}
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if how == "gzip" {
		return out.Bytes()
	}
	return binary.LittleEndian.AppendUint32(out.Bytes(), uint32(len(data)))
}

func TestVmlinux(t *testing.T) {
	want := elfWithNote(pvhNote)
	for _, how := range []string{"lz4", "zstd", "gzip"} {
		got, err := vmlinux(bzImage(squeezed(t, how, want)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of %d, %v", how, len(got), len(want), err)
		}
	}
}

func TestVmlinuxIsNotUsed(t *testing.T) {
	good := bzImage(squeezed(t, "lz4", elfWithNote(pvhNote)))
	old := bytes.Clone(good)
	old[protocol] = 7
	long := bytes.Clone(good)
	binary.LittleEndian.PutUint32(long[payloadLength:], 1<<31)
	for name, image := range map[string][]byte{
		"no entry": bzImage(squeezed(t, "lz4", elfWithNote(17))), "no ELF": bzImage(squeezed(t, "zstd", []byte("text"))), "short": bzImage(binary.LittleEndian.AppendUint32(bytes.Clone(squeezed(t, "lz4", elfWithNote(pvhNote)))[:len(squeezed(t, "lz4", elfWithNote(pvhNote)))-4], 1)),
		"not known": bzImage([]byte("\x5d\x00\x00 lzma")), "old": old, "long": long, "cut": good[:600], "empty": nil, "text": []byte("kernel"),
	} {
		if got, err := vmlinux(image); err == nil {
			t.Errorf("%s gave %d bytes", name, len(got))
		}
	}
}

// Whatever an image has in it, it is read within bounds.
func FuzzVmlinux(f *testing.F) {
	for _, how := range []string{"lz4", "zstd", "gzip"} {
		f.Add(bzImage(squeezed(f, how, elfWithNote(pvhNote))))
	}
	f.Fuzz(func(t *testing.T, image []byte) {
		if got, err := vmlinux(image); err == nil && !bytes.HasPrefix(got, []byte("\x7fELF")) {
			t.Errorf("a kernel that begins with %q", got[:min(4, len(got))])
		}
	})
}

package blockdev

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tarOf is what a guest might write: the headers, each regular file holding its
// own name, and zeroes.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range headers {
		var body string
		if h.Typeflag == tar.TypeReg {
			body = h.Name
		}
		h.Size = int64(len(body))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(buf.Bytes(), make([]byte, 4096)...)
}

func reg(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644} }
func dir(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
func sym(name, to string) tar.Header {
	return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
}
func hard(name, to string) tar.Header {
	return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeLink}
}
func special(name string, kind byte) tar.Header { return tar.Header{Name: name, Typeflag: kind} }

// rawHeader is a USTAR header whose fields may say what no writer would.
func rawHeader(name string, kind byte, size string) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:136], size)
	copy(b[136:], "00000000000\x00        ")
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// sparse is a terabyte as the system's tar packs it.
func sparse(t testing.TB, format string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := CreateSparse(filepath.Join(dir, "bomb"), 1<<40); err != nil {
		t.Fatal(err)
	}
	data, err := exec.Command("tar", "--sparse", "--format="+format, "-C", dir, "-cf", "-", "bomb").Output()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// paxed is a file whose PAX header holds the records.
func paxed(name string, records ...string) []byte {
	var body bytes.Buffer
	for _, r := range records {
		n := len(r) + 2
		for n != len(fmt.Sprint(n))+len(r)+2 {
			n = len(fmt.Sprint(n)) + len(r) + 2
		}
		fmt.Fprintf(&body, "%d %s\n", n, r)
	}
	size := body.Len()
	body.Write(make([]byte, (512-size%512)%512))
	out := append(rawHeader("pax", 'x', fmt.Sprintf("%011o\x00", size)), body.Bytes()...)
	out = append(out, rawHeader(name, '0', "00000000004\x00")...)
	out = append(out, append([]byte("data"), make([]byte, 508)...)...)
	return append(out, make([]byte, 4096)...)
}

func device(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "device")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var attacks = []struct {
	name string
	data func(t testing.TB) []byte
	want string
}{
	{"absolute name", func(t testing.TB) []byte { return tarOf(t, reg("/etc/passwd")) }, "absolute name"},
	{"dot dot", func(t testing.TB) []byte { return tarOf(t, reg("../x")) }, "has .. in its name"},
	{"dot dot inside", func(t testing.TB) []byte { return tarOf(t, reg("a/../../x")) }, "has .. in its name"},
	{"newline", func(t testing.TB) []byte { return tarOf(t, reg("a\nb")) }, "control character in its name"},
	{"escape sequence", func(t testing.TB) []byte { return tarOf(t, reg("\x1b[2J")) }, "control character in its name"},
	{"control character in a link", func(t testing.TB) []byte { return tarOf(t, sym("l", "\x07")) }, "with a control character"},
	{"NUL in a PAX path", func(testing.TB) []byte { return paxed("f", "path=a\x00b") }, "header that is not valid"},
	{"no name", func(testing.TB) []byte { return append(rawHeader("", '0', "00000000000\x00"), make([]byte, 1024)...) }, "has no name"},
	{"a link in the archive's own place", func(t testing.TB) []byte { return tarOf(t, sym("./", "x")) }, "is named like a directory"},
	{"a file named like a directory", func(t testing.TB) []byte { return tarOf(t, sym("x/", "y")) }, "is named like a directory"},
	{"below a symbolic link", func(t testing.TB) []byte { return tarOf(t, sym("l", "/etc"), reg("l/passwd")) }, `is below "l", which is a symbolic link`},
	{"far below a symbolic link", func(t testing.TB) []byte { return tarOf(t, sym("l", "."), reg("l/l/l/x")) }, `is below "l", which is a symbolic link`},
	{"below a file", func(t testing.TB) []byte { return tarOf(t, reg("f"), dir("f/d")) }, `is below "f", which is a file`},
	{"below a hard link", func(t testing.TB) []byte { return tarOf(t, reg("f"), hard("h", "f"), reg("h/x")) }, `is below "h", which is a file`},
	{"character device", func(t testing.TB) []byte { return tarOf(t, special("d", tar.TypeChar)) }, "is a device node"},
	{"block device", func(t testing.TB) []byte { return tarOf(t, special("d", tar.TypeBlock)) }, "is a device node"},
	{"pipe", func(t testing.TB) []byte { return tarOf(t, special("p", tar.TypeFifo)) }, "is a named pipe"},
	{"unknown type", func(testing.TB) []byte {
		return append(rawHeader("x", 'Z', "00000000000\x00"), make([]byte, 1024)...)
	}, "unknown type 'Z'"},
	{"hard link outside", func(t testing.TB) []byte { return tarOf(t, hard("h", "../../etc/passwd")) }, "which is not a valid name"},
	{"absolute hard link", func(t testing.TB) []byte { return tarOf(t, hard("h", "/etc/passwd")) }, "which is not a valid name"},
	{"hard link to nothing", func(t testing.TB) []byte { return tarOf(t, hard("h", "f"), reg("f")) }, "not an earlier regular file"},
	{"hard link to itself", func(t testing.TB) []byte { return tarOf(t, hard("h", "h")) }, "not an earlier regular file"},
	{"hard link to a directory", func(t testing.TB) []byte { return tarOf(t, dir("d"), hard("h", "d")) }, "not an earlier regular file"},
	{"hard link to a symbolic link", func(t testing.TB) []byte { return tarOf(t, sym("l", "/etc/shadow"), hard("h", "l")) }, "not an earlier regular file"},
	{"symbolic link to nothing", func(testing.TB) []byte {
		return append(rawHeader("l", '2', "00000000000\x00"), make([]byte, 1024)...)
	}, "symbolic link to nothing"},
	{"size of 2^63-1", func(testing.TB) []byte {
		return append(rawHeader("f", '0', "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"), make([]byte, 4096)...)
	}, "claims 9223372036854775807 bytes of content where at most 4096 are left"},
	{"size of 2^63", func(testing.TB) []byte {
		return append(rawHeader("f", '0', "\x80\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00"), make([]byte, 4096)...)
	}, "header that is not valid"},
	{"negative size", func(testing.TB) []byte {
		return append(rawHeader("f", '0', "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), make([]byte, 4096)...)
	}, "header that is not valid"},
	{"larger than the device", func(testing.TB) []byte {
		return append(rawHeader("f", '0', "00000010001\x00"), make([]byte, 4096)...)
	}, "claims 4097 bytes of content where at most 4096 are left"},
	{"PAX size", func(testing.TB) []byte { return paxed("f", "size=9000000000000000000") }, "claims 9000000000000000000 bytes"},
	{"negative PAX size", func(testing.TB) []byte { return paxed("f", "size=-1") }, "header that is not valid"},
	{"PAX path outside", func(testing.TB) []byte { return paxed("f", "path=../../x") }, "has .. in its name"},
	{"huge PAX header", func(testing.TB) []byte {
		return append(rawHeader("p", 'x', "00010000000\x00"), make([]byte, 3<<20)...)
	}, "extended header that is too large"},
	{"GNU sparse bomb", func(t testing.TB) []byte { return sparse(t, "gnu") }, "is a sparse file"},
	{"PAX sparse bomb of tar", func(t testing.TB) []byte { return sparse(t, "pax") }, "is a sparse file"},
	{"PAX sparse bomb", func(testing.TB) []byte {
		return paxed("f", "GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name=bomb", "GNU.sparse.size=1000000000000",
			"GNU.sparse.numblocks=1", "GNU.sparse.map=0,4")
	}, "is a sparse file"},
	{"global header", func(t testing.TB) []byte {
		return tarOf(t, tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "/etc/passwd"}})
	}, "global header"},
	{"file becomes a directory", func(t testing.TB) []byte { return tarOf(t, reg("x"), dir("x")) }, "was a file earlier and is now a directory"},
	{"directory becomes a link", func(t testing.TB) []byte { return tarOf(t, dir("x"), sym("x", "/")) }, "was a directory earlier and is now a symbolic link"},
	{"parent becomes a link", func(t testing.TB) []byte { return tarOf(t, reg("x/y"), sym("x", "/")) }, "was a directory earlier"},
	{"file twice", func(t testing.TB) []byte { return tarOf(t, reg("x"), reg("./x")) }, "twice"},
	{"link twice", func(t testing.TB) []byte { return tarOf(t, sym("x", "a"), sym("x", "b")) }, "twice"},
	{"long name", func(t testing.TB) []byte { return tarOf(t, reg(strings.Repeat("a/", 2500)+"x")) }, "a name of 5001 bytes, more than 4095"},
	{"long part of a name", func(t testing.TB) []byte { return tarOf(t, reg(strings.Repeat("a", 256))) }, "a part of 256 bytes"},
	{"long link", func(t testing.TB) []byte { return tarOf(t, sym("l", strings.Repeat("a", 4096))) }, "symbolic link to 4096 bytes"},
	{"junk", func(testing.TB) []byte { return bytes.Repeat([]byte("junk"), 1024) }, "header that is not valid"},
	{"cut off in a file", func(t testing.TB) []byte { return tarOf(t, reg(strings.Repeat("d/", 300)+"f"))[:2100] }, "claims 601 bytes of content where at most 52 are left"},
	{"no end", func(t testing.TB) []byte { return tarOf(t, reg("f"))[:1024] }, "is cut off at 1024 bytes"},
	{"half an end", func(t testing.TB) []byte { return tarOf(t, reg("f"))[:1536] }, "is cut off at 1536 bytes"},
	{"nothing at all", func(testing.TB) []byte { return nil }, "is cut off at 0 bytes"},
}

// Package apttest serves small Debian archives for tests, signed by keys made
// for them.
package apttest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Archive is an archive of one suite with component main for amd64. Change its
// fields before Serve.
type Archive struct {
	Origin, Suite, Codename string
	ValidUntil              time.Time // zero: none
	Packages                []Package
	Signers                 []*openpgp.Entity
	Compress                string            // "gz", the default, or "xz": which index is listed
	Tamper                  map[string][]byte // served in place of what was signed, by path
	TamperIndex             []byte            // the same for the package index under each of its names
	NoByHash                bool              // the index is not there by its digest
	URL                     string            // after Serve

	mu    sync.Mutex
	files map[string][]byte
	hits  map[string]int
}

// Package is one binary package.
type Package struct {
	Name, Version, Depends, Provides string
	Data                             []byte // of the .deb file
}

// New returns an archive of suite bookworm that Debian could have made.
func New(signers ...*openpgp.Entity) *Archive {
	return &Archive{
		Origin: "Debian", Suite: "oldstable", Codename: "bookworm",
		Signers: signers, Tamper: map[string][]byte{}, Compress: "gz",
	}
}

// Key makes a key.
func Key(t testing.TB) *openpgp.Entity {
	t.Helper()
	return KeyAt(t, time.Now().Add(-time.Hour), 0)
}

// KeyAt makes a key at a time, which expires after life unless that is 0.
func KeyAt(t testing.TB, at time.Time, life time.Duration) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("archive", "", "archive@example.org", &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: uint32(life / time.Second),
		Time: func() time.Time { return at },
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// WriteKey writes the public half of keys to a file and returns its path.
func WriteKey(t testing.TB, keys ...*openpgp.Entity) string {
	t.Helper()
	var b bytes.Buffer
	for _, k := range keys {
		if err := k.Serialize(&b); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "keyring.gpg")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Serve starts a server for the archive, which ends with the test.
func (a *Archive) Serve(t testing.TB) {
	t.Helper()
	a.hits = map[string]int{}
	a.Update(t)
	srv := httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(srv.Close)
	a.URL = srv.URL + "/debian"
}

// Update makes a server serve what the fields say now.
func (a *Archive) Update(t testing.TB) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files = map[string][]byte{}
	a.build(t)
}

// Release returns the archive's InRelease file.
func (a *Archive) Release(t testing.TB) []byte {
	t.Helper()
	a.Update(t)
	return a.files["dists/"+a.Codename+"/InRelease"]
}

// Hits returns how often a path below the archive was asked for.
func (a *Archive) Hits(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hits[path]
}

func (a *Archive) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/debian/")
	a.mu.Lock()
	a.hits[path]++
	data, ok := a.files[path]
	if other, changed := a.Tamper[path]; changed {
		data = other
	}
	a.mu.Unlock()
	if a.TamperIndex != nil && strings.Contains(path, "/main/binary-") {
		data = a.TamperIndex
	}
	if !ok || a.NoByHash && strings.Contains(path, "/by-hash/") {
		http.NotFound(w, r)
		return
	}
	w.Write(data)
}

func (a *Archive) build(t testing.TB) {
	var index bytes.Buffer
	for _, p := range a.Packages {
		name := fmt.Sprintf("pool/%s_%s.deb", p.Name, strings.ReplaceAll(p.Version, ":", "_"))
		a.files[name] = p.Data
		fmt.Fprintf(&index, "Package: %s\nVersion: %s\nArchitecture: amd64\nDepends: %s\nProvides: %s\n"+
			"Description: for a test\n of packages\nFilename: %s\nSize: %d\nSHA256: %x\n\n",
			p.Name, p.Version, p.Depends, p.Provides, name, len(p.Data), sha256.Sum256(p.Data))
	}
	packed := Compress(t, a.Compress, index.Bytes())
	dists := "dists/" + a.Codename + "/"
	path := "main/binary-amd64/Packages." + a.Compress
	a.files[dists+path] = packed
	a.files[fmt.Sprintf("%smain/binary-amd64/by-hash/SHA256/%x", dists, sha256.Sum256(packed))] = packed
	a.files[dists+"InRelease"] = a.sign(t, fmt.Sprintf("%sSHA256:\n %x %d %s\n", a.head(), sha256.Sum256(packed), len(packed), path))
}

func (a *Archive) head() string {
	head := fmt.Sprintf("Origin: %s\nSuite: %s\nCodename: %s\nDate: %s\nAcquire-By-Hash: yes\n",
		a.Origin, a.Suite, a.Codename, date(time.Now().Add(-time.Hour)))
	if !a.ValidUntil.IsZero() {
		head += "Valid-Until: " + date(a.ValidUntil) + "\n"
	}
	return head
}

func date(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 MST") }

// sign clear-signs text by every signer, when the newest of their keys was made.
func (a *Archive) sign(t testing.TB, text string) []byte {
	t.Helper()
	if len(a.Signers) == 0 {
		return []byte(text)
	}
	var keys []*packet.PrivateKey
	var at time.Time
	for _, s := range a.Signers {
		keys = append(keys, s.PrivateKey)
		if made := s.PrivateKey.CreationTime; made.After(at) {
			at = made
		}
	}
	var out bytes.Buffer
	w, err := clearsign.EncodeMulti(&out, keys, &packet.Config{Time: func() time.Time { return at }})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// File is one file of a package.
type File struct {
	Name, Content, Link string
	Mode                int64
}

// Deb makes a package file with the given content; ext is the compression of
// its data, "gz" or "xz".
func Deb(t testing.TB, ext string, files ...File) []byte {
	t.Helper()
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	member(&out, "debian-binary", []byte("2.0\n"))
	member(&out, "control.tar.gz", Compress(t, "gz", Tar(t, File{Name: "./control", Content: "Package: x\n"})))
	member(&out, "data.tar."+ext, Compress(t, ext, Tar(t, files...)))
	return out.Bytes()
}

func member(out *bytes.Buffer, name string, data []byte) {
	fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", len(data))
	out.Write(data)
	if len(data)%2 == 1 {
		out.WriteByte('\n')
	}
}

// Tar makes an archive; a name that ends in "/" is a directory.
func Tar(t testing.TB, files ...File) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Mode: f.Mode, Size: int64(len(f.Content)), Typeflag: tar.TypeReg, ModTime: time.Unix(1e9, 0)}
		switch {
		case strings.HasSuffix(f.Name, "/"):
			h.Typeflag = tar.TypeDir
		case f.Link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.Link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.Content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

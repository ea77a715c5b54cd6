package source

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/home"
)

var longAgo = time.Unix(1_000_000_000, 0)

func fetched(t *testing.T, h *home.Home, address string) (string, []string) {
	t.Helper()
	dir, err := Fetch(context.Background(), h, address)
	check(t, err)
	names, err := Files(context.Background(), dir)
	check(t, err)
	return dir, names
}

// wantClean says that nothing half-made is left in the home.
func wantClean(t *testing.T, h *home.Home) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(h.Sources(), "*", ".tmp-*"))
	if check(t, err); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestFetchGit(t *testing.T) {
	inner := repo(t, map[string]string{"in": ""})
	dir := repo(t, map[string]string{"f": "one", "sub/g": "", "sub/l": "->../f"})
	one := testGit(t, dir, "rev-parse", "HEAD")
	testGit(t, dir, "tag", "-a", "-m", "v1", "v1")
	testGit(t, dir, "submodule", "--quiet", "add", "file://"+inner, "mod")
	testGit(t, dir, "commit", "-q", "-m", "two")
	two := testGit(t, dir, "rev-parse", "HEAD")
	old := []string{"f", "sub/g", "sub/l"}
	tests := []struct {
		query, commit string
		want          []string
	}{
		{"", two, []string{".gitmodules", "f", "mod/in", "sub/g", "sub/l"}},
		{"?ref=main", two, []string{".gitmodules", "f", "mod/in", "sub/g", "sub/l"}},
		{"?ref=v1", one, old},
		{"?ref=" + one, one, old},
		{"//sub?ref=v1", one + "/sub", []string{"g", "l"}},
		{"//s*?ref=v1", one + "/sub", []string{"g", "l"}},
	}
	h := home.At(t.TempDir())
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			got, names := fetched(t, h, "git::file://"+dir+tt.query)
			if !slices.Equal(names, tt.want) || !strings.HasSuffix(got, tt.commit) {
				t.Errorf("%s: %q, want %q of %s", got, names, tt.want, tt.commit)
			}
			wantClean(t, h)
		})
	}
	if found, _ := filepath.Glob(filepath.Join(h.Sources(), "*", "*", ".git")); len(found) > 0 {
		t.Errorf("kept %q", found)
	}
}

func TestFetchGitFollowsTheBranch(t *testing.T) {
	dir := repo(t, map[string]string{"f": "one"})
	h := home.At(t.TempDir())
	before, _ := fetched(t, h, "git::"+dir)
	tree(t, dir, map[string]string{"g": ""})
	testGit(t, dir, "add", ".")
	testGit(t, dir, "commit", "-q", "-m", "two")
	_, names := fetched(t, h, "git::"+dir)
	if !slices.Equal(names, []string{"f", "g"}) {
		t.Errorf("got %q", names)
	}
	if _, err := os.Stat(filepath.Join(before, "f")); err != nil {
		t.Errorf("an earlier tree is gone: %v", err)
	}
}

func TestFetchRefusesAddresses(t *testing.T) {
	dir := repo(t, map[string]string{"f": ""})
	secret := filepath.Join(t.TempDir(), "secret")
	check(t, os.WriteFile(secret, []byte("TOPSECRET\n"), 0o600))
	tests := []struct{ address, want string }{
		{"git::file://" + dir + "?ref=--pathspec-from-file=" + secret, "is not a branch, tag or commit"},
		{"git::file://" + dir + "?ref=a..b", "is not a branch, tag or commit"},
		{"git::file://" + dir + "?ref=-b", "is not a branch, tag or commit"},
		{"git::file://" + dir + "?ref=nope", "no branch or tag"},
		{"git::file://" + dir + "?sshkey=AAAA", `"sshkey" is not supported`},
		{"git::file://" + dir + "//..", "leads out of the tree"},
		{"git::file://" + dir + "//a/../../b", "leads out of the tree"},
		{"git::file://" + dir + "//nope", "names 0 directories"},
		{"git::file://" + dir + "//f", "is not a directory of the tree"},
		{"git::ext::sh -c touch% /tmp/pwned", "not allowed"},
		{"git::--upload-pack=touch", "not allowed"},
		{"git::http://example.org/x.git", "not allowed"},
		{"git::ssh://-oProxyCommand=touch/x", "dash"},
		{"hg::https://example.org/x", "only git"},
		{"smb://example.org/x", "only git"},
		{"s3::https://example.org/x", "only git"},
		{"ftp://example.org/x.tar", "only git"},
		{"https:///x.tar", "names no host"},
		{"https://example.org/", "names no file"},
		{"https://example.org/x?archive=rar", "not a known kind"},
		{"https://example.org/x.tar?checksum=file:///etc/passwd", "give the checksum itself"},
	}
	for _, tt := range tests {
		t.Run(tt.address, func(t *testing.T) {
			h := home.At(t.TempDir())
			_, err := Fetch(context.Background(), h, tt.address)
			if _, ok := errors.AsType[*AddressError](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an AddressError with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "TOPSECRET") {
				t.Error("the error leaks a file")
			}
			wantClean(t, h)
		})
	}
}

func TestFetchGitKeepsLinksInside(t *testing.T) {
	dir := repo(t, map[string]string{"out": "->/etc", "f": ""})
	h := home.At(t.TempDir())
	if _, names := fetched(t, h, "git::file://"+dir); !slices.Equal(names, []string{"f", "out"}) {
		t.Errorf("got %q", names)
	}
	if got, err := Fetch(context.Background(), h, "git::file://"+dir+"//out"); !errors.As(err, new(*AddressError)) {
		t.Errorf("a part that is a link out of the tree gave %q, %v", got, err)
	}
}

func TestFetchGitGone(t *testing.T) {
	h := home.At(t.TempDir())
	_, err := Fetch(context.Background(), h, "git::file:///no/such/repository")
	if fe, ok := errors.AsType[*FetchError](err); !ok || fe.Final {
		t.Errorf("got %v, want a FetchError that is not final", err)
	}
	wantClean(t, h)
}

// tarGz packs headers; a regular file holds its own name.
func tarGz(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, h := range headers {
		var body []byte
		if h.Typeflag == tar.TypeReg {
			body = []byte(h.Name)
		}
		h.Size = int64(len(body))
		check(t, w.WriteHeader(&h))
		_, err := w.Write(body)
		check(t, err)
	}
	check(t, w.Close())
	check(t, z.Close())
	return buf.Bytes()
}

func reg(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755} }
func link(name, to string) tar.Header {
	return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
}
func hard(name, to string) tar.Header {
	return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeLink}
}

func serve(t *testing.T, files map[string][]byte) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func zipped(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create("top/f")
	check(t, err)
	_, err = f.Write([]byte("zip"))
	check(t, err)
	h := &zip.FileHeader{Name: "top/l"}
	h.SetMode(os.ModeSymlink | 0o777)
	f, err = w.CreateHeader(h)
	check(t, err)
	_, err = f.Write([]byte("f"))
	check(t, err)
	check(t, w.Close())
	return buf.Bytes()
}

func TestFetchHTTP(t *testing.T) {
	good := tarGz(t, tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}},
		reg("top/f"), link("top/l", "f"), hard("top/h", "top/f"), reg(".git/config"), reg("top/f"))
	sum := sha256.Sum256(good)
	url := serve(t, map[string][]byte{"/x.tar.gz": good, "/plain": good, "/one.txt": []byte("text"), "/x.zip": zipped(t)})
	all := []string{"top/f", "top/h", "top/l"}
	tests := []struct {
		address string
		want    []string
	}{
		{"/x.tar.gz", all},
		{"/x.tar.gz?checksum=sha256:" + hex.EncodeToString(sum[:]), all},
		{"/x.tar.gz//top", []string{"f", "h", "l"}},
		{"/plain?archive=tgz", all},
		{"/x.tar.gz?archive=false", []string{"x.tar.gz"}},
		{"/one.txt", []string{"one.txt"}},
		{"/x.zip", []string{"top/f", "top/l"}},
	}
	h := home.At(t.TempDir())
	for _, tt := range tests {
		t.Run(tt.address, func(t *testing.T) {
			dir, names := fetched(t, h, url+tt.address)
			if !slices.Equal(names, tt.want) {
				t.Errorf("got %q, want %q", names, tt.want)
			}
			if to, err := os.Readlink(filepath.Join(dir, "top/l")); slices.Contains(names, "top/l") && to != "f" {
				t.Errorf("the link leads to %q, %v", to, err)
			}
			wantClean(t, h)
		})
	}
}

func TestFetchHTTPRefuses(t *testing.T) {
	good := tarGz(t, reg("f"))
	url := serve(t, map[string][]byte{
		"/good.tgz": good, "/cut.tgz": good[:len(good)-20], "/junk.tar.gz": []byte("junk, and more than ten bytes"),
		"/up.tgz":     tarGz(t, reg("../evil")),
		"/abs.tgz":    tarGz(t, reg("/tmp/evil")),
		"/link.tgz":   tarGz(t, link("l", ".."), reg("l/evil")),
		"/hard.tgz":   tarGz(t, hard("h", "../../../etc/passwd")),
		"/hard2.tgz":  tarGz(t, link("l", "/etc/passwd"), hard("h", "l")),
		"/device.tgz": tarGz(t, tar.Header{Name: "d", Typeflag: tar.TypeChar}),
	})
	tests := []struct {
		address, want string
		final         bool
	}{
		{"/good.tgz?checksum=sha256:" + strings.Repeat("0", 64), "Checksums did not match", true},
		{"/missing.tgz", "404", true},
		{"/cut.tgz", "EOF", true},
		{"/junk.tar.gz", "gzip", true},
		{"/up.tgz", "leads out of the tree", true},
		{"/abs.tgz", "leads out of the tree", true},
		{"/link.tgz", "escapes", true},
		{"/hard.tgz", "escapes", true},
		{"/hard2.tgz", "hard link to something other than a file", true},
		{"/device.tgz", "neither file, directory nor link", true},
	}
	for _, tt := range tests {
		t.Run(tt.address, func(t *testing.T) {
			top := t.TempDir()
			h := home.At(filepath.Join(top, "home"))
			_, err := Fetch(context.Background(), h, url+tt.address)
			fe, ok := errors.AsType[*FetchError](err)
			if !ok || !strings.Contains(err.Error(), tt.want) || fe.Final != tt.final {
				t.Errorf("got %v, want a FetchError with %q, final %v", err, tt.want, tt.final)
			}
			wantClean(t, h)
			if left, _ := filepath.Glob(filepath.Join(h.Sources(), "*", "*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestFetchTwiceAtOnce(t *testing.T) {
	dir := repo(t, map[string]string{"f": ""})
	h := home.At(t.TempDir())
	var wg sync.WaitGroup
	got := make([]string, 4)
	for i := range got {
		wg.Go(func() {
			dir, err := Fetch(context.Background(), h, "git::file://"+dir)
			if err != nil {
				t.Error(err)
			}
			got[i] = dir
		})
	}
	wg.Wait()
	if slices.Sort(got); got[0] == "" || got[0] != got[3] {
		t.Errorf("got %q", got)
	}
}

func TestFetchStops(t *testing.T) {
	begun := make(chan bool, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("x"))
		w.(http.Flusher).Flush()
		begun <- true
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-begun; cancel() }()
	h := home.At(t.TempDir())
	if _, err := Fetch(ctx, h, s.URL+"/x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantClean(t, h)
}

func TestErrorsHidePasswords(t *testing.T) {
	for _, err := range []error{
		&AddressError{Address: "git::https://u:hunter2@example.org/x", Why: "no"},
		&FetchError{Address: "https://u:hunter2@example.org/x", Err: errors.New("get https://u:hunter2@example.org/x: no")},
	} {
		if strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	}
}

package apt

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/ambient-ci/ambient/images/apt/apttest"
)

// testClient returns a client that trusts only the keys in the file, on a host
// without apt configuration.
func testClient(t *testing.T, keyring string) *Client {
	t.Helper()
	t.Setenv(EnvKeyring, keyring)
	t.Setenv(EnvMirror, "")
	c := NewClient(t.TempDir())
	c.host = Host{Root: t.TempDir()}
	c.pause = time.Millisecond
	return c
}

// fetchHello goes all the way: release, index, package.
func fetchHello(c *Client, mirror string) ([]byte, error) {
	ctx := context.Background()
	a, err := c.Open(ctx, "bookworm", mirror)
	if err != nil {
		return nil, err
	}
	found, err := a.Find(ctx, "amd64", "hello")
	if err != nil {
		return nil, err
	}
	path, err := a.Download(ctx, found["hello"])
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

const (
	releaseFile = "dists/bookworm/InRelease"
	poolFile    = "pool/hello_2.0.deb"
)

type keys = []*openpgp.Entity

func TestArchive(t *testing.T) {
	good, other := apttest.Key(t), apttest.Key(t)
	expired := apttest.KeyAt(t, time.Now().Add(-48*time.Hour), 24*time.Hour)
	big := bytes.Repeat([]byte("x"), 100)
	cases := []struct {
		name   string
		change func(*apttest.Archive)
		errHas string // empty: the package comes out
	}{
		{"good", func(a *apttest.Archive) {}, ""},
		{"xz index", func(a *apttest.Archive) { a.Compress = "xz" }, ""},
		{"by suite name", func(a *apttest.Archive) { a.Suite = "bookworm" }, ""},
		{"still valid", func(a *apttest.Archive) { a.ValidUntil = time.Now().Add(time.Hour) }, ""},
		{"one of two keys known", func(a *apttest.Archive) { a.Signers = append(a.Signers, other) }, ""},
		{"unknown key first", func(a *apttest.Archive) { a.Signers = keys{other, good} }, ""},
		{"expired key first", func(a *apttest.Archive) { a.Signers = keys{expired, good} }, ""},
		{"unknown key", func(a *apttest.Archive) { a.Signers = keys{other} }, "signature is not good"},
		{"expired key", func(a *apttest.Archive) { a.Signers = keys{expired} }, "signature is not good"},
		{"not signed", func(a *apttest.Archive) { a.Signers = nil }, "not clear-signed"},
		{"release expired", func(a *apttest.Archive) { a.ValidUntil = time.Now().Add(-time.Hour) }, "expired"},
		{"not Debian's", func(a *apttest.Archive) { a.Origin = "Other" }, "origin"},
		{"other release in its place", func(a *apttest.Archive) { a.Tamper[releaseFile] = otherRelease(t, good) }, "not bookworm"},
		{"release cut short", func(a *apttest.Archive) { a.Tamper[releaseFile] = []byte("-----BEGIN PGP SIGNED") }, "not clear-signed"},
		{"index not there by digest", func(a *apttest.Archive) { a.NoByHash = true }, ""},
		{"index changed", func(a *apttest.Archive) { a.TamperIndex = []byte("Package: hello") }, "SHA-256"},
		{"index too large", func(a *apttest.Archive) { a.TamperIndex = bytes.Repeat(big, 100) }, "larger"},
		{"package changed", func(a *apttest.Archive) { a.Tamper[poolFile] = []byte("HELLO") }, "SHA-256"},
		{"package cut short", func(a *apttest.Archive) { a.Tamper[poolFile] = []byte("hell") }, "SHA-256"},
		{"package too large", func(a *apttest.Archive) { a.Tamper[poolFile] = big }, "larger"},
		{"no such package", func(a *apttest.Archive) { a.Packages = nil }, "is not in Debian bookworm"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			a := apttest.New(good)
			a.Packages = []apttest.Package{
				{Name: "hello", Version: "2.0", Data: []byte("hello")},
				{Name: "hello", Version: "1.9", Data: []byte("old")},
			}
			tc.change(a)
			a.Serve(t)
			c := testClient(t, apttest.WriteKey(t, good, expired))
			data, err := fetchHello(c, a.URL)
			if tc.errHas == "" {
				if err != nil || string(data) != "hello" {
					t.Fatalf("got %q, %v", data, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.errHas) {
				t.Fatalf("got error %v, want one with %q", err, tc.errHas)
			}
			noLeftovers(t, c)
		})
	}
}

// otherRelease is a good release file of another suite.
func otherRelease(t *testing.T, key *openpgp.Entity) []byte {
	t.Helper()
	a := apttest.New(key)
	a.Codename, a.Suite = "trixie", "stable"
	return a.Release(t)
}

// noLeftovers checks that a client keeps whole files only.
func noLeftovers(t *testing.T, c *Client) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(c.dir, ".*"))
	if len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestDownloadsOnce(t *testing.T) {
	key := apttest.Key(t)
	a := apttest.New(key)
	a.Packages = []apttest.Package{{Name: "hello", Version: "2.0", Data: []byte("hello")}}
	a.Serve(t)
	c := testClient(t, apttest.WriteKey(t, key))
	for range 2 {
		if _, err := fetchHello(c, a.URL); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.Hits(poolFile); n != 1 {
		t.Errorf("the package was fetched %d times", n)
	}
	files, _ := filepath.Glob(filepath.Join(c.dir, "sha256-*"))
	for _, f := range files {
		if err := os.WriteFile(f, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := fetchHello(c, a.URL); err != nil || string(data) != "hello" {
		t.Errorf("after damage on disk: %q, %v", data, err)
	}
}

func TestMissing(t *testing.T) {
	key := apttest.Key(t)
	a := apttest.New(key)
	a.Packages = []apttest.Package{{Name: "hello", Version: "1", Provides: "greeter (= 1), world"}}
	a.Serve(t)
	archive, err := testClient(t, apttest.WriteKey(t, key)).Open(context.Background(), "bookworm", a.URL)
	if err != nil {
		t.Fatal(err)
	}
	got, err := archive.Missing(context.Background(), "amd64", []string{"hello", "nosuch", "greeter", "world"})
	if err != nil || len(got) != 1 || got[0] != "nosuch" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRetry(t *testing.T) {
	cases := []struct {
		name     string
		status   int
		failures int
		hits     int
		ok       bool
	}{
		{"at once", 0, 0, 1, true},
		{"busy twice", 503, 2, 3, true},
		{"too many requests", 429, 1, 2, true},
		{"always broken", 500, 100, tries, false},
		{"not found", 404, 100, 1, false},
		{"forbidden", 403, 100, 1, false},
		{"cut off twice", -1, 2, 3, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			hits := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if hits++; hits > tc.failures {
					w.Write([]byte("hello"))
				} else if tc.status < 0 {
					w.Header().Set("Content-Length", "5")
					w.Write([]byte("he"))
				} else {
					w.WriteHeader(tc.status)
				}
			}))
			defer srv.Close()
			f := file{size: 5, sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
			c := testClient(t, "")
			_, err := c.download(context.Background(), f, srv.URL)
			if hits != tc.hits || (err == nil) != tc.ok {
				t.Errorf("%d requests, error %v", hits, err)
			}
			noLeftovers(t, c)
		})
	}
}

func TestRetryStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer srv.Close()
	c := testClient(t, "")
	c.pause = time.Hour
	if _, err := c.download(ctx, file{size: 5}, srv.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestOutage tells an archive that does not answer from one that is wrong.
func TestOutage(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	gone := srv.URL
	for _, tc := range []struct {
		name   string
		outage bool
	}{{"not found", false}, {"no answer", true}} {
		c := testClient(t, apttest.WriteKey(t, apttest.Key(t)))
		_, err := c.Open(context.Background(), "bookworm", gone)
		var none *NoArchiveError
		if !errors.As(err, &none) || none.Outage != tc.outage {
			t.Errorf("%s: got %v", tc.name, err)
		}
		srv.Close()
	}
}

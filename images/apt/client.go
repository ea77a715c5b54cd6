package apt

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/ulikunitz/xz"
)

// Bounds on what an archive may send.
const (
	maxInRelease = 16 << 20
	maxIndex     = 256 << 20 // compressed
	maxIndexText = 4 << 30
	maxPackage   = 1 << 30
)

// Client reads Debian archives. It may be used by several goroutines.
type Client struct {
	host  Host
	dir   string
	http  *http.Client
	now   func() time.Time
	pause time.Duration
}

// NewClient returns a client that keeps what it downloads in dir, by digest.
func NewClient(dir string) *Client {
	return &Client{dir: dir, http: &http.Client{Transport: transport}, now: time.Now, pause: time.Second}
}

// Archive is a suite whose sources have been checked.
type Archive struct {
	Suite   string
	Sources []Checked
	client  *Client
}

// Checked is a source whose signed InRelease file is good.
type Checked struct {
	Source
	Date    time.Time // of the release
	Keys    []string  // files with the keys it was checked with
	KeyText string    // or the keys themselves, armored
	rel     *release
}

// Package is one package of an archive.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
	Depends string `json:"-"`
	url     string
}

// Open finds and checks the archive of a suite; see Sources for where it
// looks. Of the host's entries those are used that are signed, fresh and
// Debian's. The error is a *NoArchiveError that says what was wrong with each,
// or ctx's.
func (c *Client) Open(ctx context.Context, suite, mirror string) (*Archive, error) {
	sources, err := c.host.Sources(suite, mirror)
	if err != nil {
		return nil, err
	}
	if suite == "" {
		suite = c.host.DefaultSuite()
	}
	none := &NoArchiveError{Suite: suite}
	a := &Archive{Suite: suite, client: c}
	base := false
	for _, s := range sources {
		role := s.role(suite, c.host.Codename())
		checked, err := c.checkSource(ctx, s, role)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			var fe *FetchError
			none.Outage = none.Outage || errors.As(err, &fe) && fe.Temporary()
			none.add(s.URI, "%v", err)
			continue
		}
		base = base || role == suite
		a.Sources = append(a.Sources, *checked)
	}
	if !base {
		return nil, none
	}
	return a, nil
}

// checkSource fetches and checks the InRelease file of a source.
func (c *Client) checkSource(ctx context.Context, s Source, role string) (*Checked, error) {
	keys, err := c.host.keyring(s)
	if err != nil {
		return nil, err
	}
	if !validName(s.Suite) {
		return nil, fmt.Errorf("%q is not the name of a suite", s.Suite)
	}
	var data bytes.Buffer
	err = c.retry(ctx, func() error {
		data.Reset()
		return c.get(ctx, s.URI+"/dists/"+s.Suite+"/InRelease", &data, maxInRelease)
	})
	if err != nil {
		return nil, err
	}
	rel, err := verifyRelease(data.Bytes(), keys, c.now())
	if err != nil {
		return nil, err
	}
	if err := rel.check(role, s.Suite, s.anyDate, c.now()); err != nil {
		return nil, err
	}
	checked := &Checked{Source: s, Date: rel.date, rel: rel}
	checked.Keys, checked.KeyText = c.host.keyFiles(s)
	checked.KeyText = unfold(checked.KeyText)
	return checked, nil
}

// Find returns the newest version of each named package for an architecture.
// The error is a *NotFoundError when there is none.
func (a *Archive) Find(ctx context.Context, arch string, names ...string) (map[string]Package, error) {
	found := map[string]Package{}
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	for _, s := range a.Sources {
		if len(s.arches) > 0 && !contains(s.arches, arch) {
			continue
		}
		if err := a.client.scan(ctx, s, arch, wanted, found); err != nil {
			return nil, err
		}
	}
	for _, n := range names {
		if _, ok := found[n]; !ok {
			return nil, &NotFoundError{Package: n, Suite: a.Suite, Arch: arch}
		}
	}
	return found, nil
}

// scan reads the index of component main of one source.
func (c *Client) scan(ctx context.Context, s Checked, arch string, wanted map[string]bool, found map[string]Package) error {
	dir := "main/binary-" + arch
	for _, ext := range []string{".gz", ".xz"} {
		f, ok := s.rel.files[dir+"/Packages"+ext]
		if !ok {
			continue
		}
		if f.size > maxIndex {
			return unverified(s.URI, "its package index is larger than %d bytes", maxIndex)
		}
		base := s.URI + "/dists/" + s.Suite + "/" + dir
		urls := []string{base + "/Packages" + ext}
		if s.rel.byHash {
			urls = append([]string{base + "/by-hash/SHA256/" + f.sha256}, urls...)
		}
		path, err := c.download(ctx, f, urls...)
		if err != nil {
			return err
		}
		return scanIndex(path, ext, s.URI, wanted, found)
	}
	return unverified(s.URI, "suite %s has no package index for %s", s.Suite, arch)
}

func scanIndex(name, ext, uri string, wanted map[string]bool, found map[string]Package) error {
	fd, err := os.Open(name)
	if err != nil {
		return err
	}
	defer fd.Close()
	text, err := decompress(fd, ext)
	if err != nil {
		return unverified(uri, "its package index can not be read: %v", err)
	}
	err = stanzas(io.LimitReader(text, maxIndexText), func(s Stanza) error {
		if !wanted[s["package"]] {
			return nil
		}
		p, err := newPackage(s, uri)
		if err != nil {
			return err
		}
		if old, ok := found[p.Name]; !ok || compareVersions(old.Version, p.Version) < 0 {
			found[p.Name] = p
		}
		return nil
	})
	if err != nil {
		return unverified(uri, "its package index can not be read: %v", err)
	}
	return nil
}

// decompress undoes the compression that a file name's end tells.
func decompress(r io.Reader, ext string) (io.Reader, error) {
	if ext == ".xz" {
		return xz.NewReader(bufio.NewReaderSize(r, 1<<20))
	}
	return gzip.NewReader(r)
}

func newPackage(s Stanza, uri string) (Package, error) {
	f, err := newFile(s["size"], s["sha256"])
	if err != nil {
		return Package{}, err
	}
	name := path.Clean("/" + s["filename"])
	if f.size > maxPackage || !strings.HasSuffix(name, ".deb") {
		return Package{}, fmt.Errorf("%w: package %.60q", errStanza, s["package"])
	}
	return Package{
		Name: s["package"], Version: s["version"], Arch: s["architecture"], Depends: s["depends"],
		SHA256: f.sha256, Size: f.size, url: uri + name,
	}, nil
}

// Download returns the path of a package's file, which stays the client's.
func (a *Archive) Download(ctx context.Context, p Package) (string, error) {
	return a.client.download(ctx, file{size: p.Size, sha256: p.SHA256}, p.url)
}

// Requires returns the first package that p depends on whose name starts with
// prefix, "" if there is none.
func (p Package) Requires(prefix string) string {
	for dep := range strings.SplitSeq(p.Depends, ",") {
		if f := strings.Fields(dep); len(f) > 0 && strings.HasPrefix(f[0], prefix) && validName(f[0]) {
			return f[0]
		}
	}
	return ""
}

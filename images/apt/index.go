package apt

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/ulikunitz/xz"
)

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

// Find returns the newest version of each named package of component main for
// an architecture. The error is a *NotFoundError when there is none.
func (a *Archive) Find(ctx context.Context, arch string, names ...string) (map[string]Package, error) {
	wanted := set(names)
	found := map[string]Package{}
	err := a.each(ctx, arch, []string{"main"}, func(s Stanza, uri string) error {
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
		return nil, err
	}
	for _, n := range names {
		if _, ok := found[n]; !ok {
			return nil, &NotFoundError{Package: n, Suite: a.Suite, Arch: arch}
		}
	}
	return found, nil
}

// Missing returns those names that are neither a package of the archive, in
// any component its sources name, nor provided by one.
func (a *Archive) Missing(ctx context.Context, arch string, names []string) ([]string, error) {
	left := set(names)
	err := a.each(ctx, arch, nil, func(s Stanza, _ string) error {
		delete(left, s["package"])
		for p := range strings.SplitSeq(s["provides"], ",") {
			if f := strings.Fields(p); len(f) > 0 {
				delete(left, f[0])
			}
		}
		return nil
	})
	var missing []string
	for _, n := range names {
		if left[n] {
			missing = append(missing, n)
		}
	}
	return missing, err
}

func set(names []string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// each calls fn for every package of the given components, of all that a
// source names when components is nil.
func (a *Archive) each(ctx context.Context, arch string, components []string, fn func(s Stanza, uri string) error) error {
	for _, s := range a.Sources {
		if len(s.arches) > 0 && !contains(s.arches, arch) {
			continue
		}
		these := components
		if these == nil {
			these = s.Components
		}
		for _, component := range these {
			if err := a.client.scan(ctx, s, component, arch, fn); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// scan reads the index of one component of one source.
func (c *Client) scan(ctx context.Context, s Checked, component, arch string, fn func(Stanza, string) error) error {
	dir := component + "/binary-" + arch
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
		return scanIndex(ctx, path, ext, s.URI, fn)
	}
	if component != "main" {
		return nil
	}
	return unverified(s.URI, "suite %s has no package index for %s", s.Suite, arch)
}

func scanIndex(ctx context.Context, name, ext, uri string, fn func(Stanza, string) error) error {
	fd, err := os.Open(name)
	if err != nil {
		return err
	}
	defer fd.Close()
	text, err := decompress(fd, ext)
	if err == nil {
		bound := &io.LimitedReader{R: interruptible{ctx, text}, N: maxIndexText}
		err = stanzas(bound, func(s Stanza) error { return fn(s, uri) })
		if err == nil && bound.N == 0 {
			err = errTooLarge
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return unverified(uri, "its package index can not be read: %v", err)
	}
	return nil
}

// interruptible reads until its context ends: an index takes seconds to unpack.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
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

// Installed reads a dpkg status file.
func Installed(r io.Reader) ([]Package, error) {
	var all []Package
	err := stanzas(r, func(s Stanza) error {
		if strings.HasSuffix(s["status"], " installed") {
			all = append(all, Package{Name: s["package"], Version: s["version"], Arch: s["architecture"]})
		}
		return nil
	})
	return all, err
}

package source

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	getter "github.com/hashicorp/go-getter/v2"
)

// ref is the grammar of branches, tags and commits that git can not take for an
// option, a range or a path specification.
var ref = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./+@-]*$`)

// remote is an address that was understood.
type remote struct {
	git    bool
	url    *url.URL // without our parameters
	ref    string   // for git: branch, tag, commit; empty: what HEAD says
	subdir string   // the part of the tree that is wanted; may hold wildcards
}

// parse understands an address, or says what is wrong with it. It has no
// effects and asks nobody.
func parse(address string) (*remote, error) {
	bad := func(format string, args ...any) (*remote, error) {
		return nil, &AddressError{Address: address, Why: fmt.Sprintf(format, args...)}
	}
	src, subdir := getter.SourceDirSubdir(address)
	req := &getter.Request{Src: src}
	r := &remote{}
	gitGetter := &getter.GitGetter{Detectors: []getter.Detector{
		new(getter.GitHubDetector), new(getter.GitDetector), new(getter.GitLabDetector),
	}}
	ok, err := getter.Detect(req, gitGetter)
	if err != nil {
		return bad("%v", err)
	}
	if ok {
		r.git = true
	} else if ok, err = getter.Detect(req, new(getter.HttpGetter)); err != nil {
		return bad("%v", err)
	}
	if !ok {
		return bad("only git repositories and http or https addresses can be fetched")
	}
	src, more := getter.SourceDirSubdir(req.Src)
	if r.url, err = url.Parse(src); err != nil {
		return bad("%v", err)
	}
	if r.subdir, err = cleanSubdir(path.Join(more, subdir)); err != nil {
		return bad("%v", err)
	}
	if r.git {
		err = r.checkGit()
	} else {
		err = r.checkHTTP()
	}
	if err != nil {
		return bad("%v", err)
	}
	return r, nil
}

func cleanSubdir(dir string) (string, error) {
	dir = strings.TrimPrefix(dir, "/")
	if dir == "" || dir == "." {
		return "", nil
	}
	if !filepath.IsLocal(dir) || slices.Contains(strings.Split(dir, "/"), ".git") {
		return "", fmt.Errorf("%q leads out of the tree", dir)
	}
	return dir, nil
}

// checkGit takes our parameters off the URL. What git would run or ask for is
// refused: other transports, host names that look like options, keys.
func (r *remote) checkGit() error {
	if r.url.Scheme == "" && filepath.IsAbs(r.url.Path) {
		r.url.Scheme = "file"
	}
	if !slices.Contains([]string{"https", "ssh", "file"}, r.url.Scheme) {
		return fmt.Errorf("git over %q is not allowed: use https, ssh or file", r.url.Scheme)
	}
	if strings.HasPrefix(r.url.Host, "-") || strings.HasPrefix(r.url.User.Username(), "-") {
		return fmt.Errorf("the host must not begin with a dash")
	}
	q := r.url.Query()
	for name := range q {
		if name != "ref" && name != "depth" {
			return fmt.Errorf("parameter %q is not supported for git", name)
		}
	}
	if r.ref = q.Get("ref"); r.ref != "" && (!ref.MatchString(r.ref) || strings.Contains(r.ref, "..")) {
		return fmt.Errorf("ref %q is not a branch, tag or commit", r.ref)
	}
	r.url.RawQuery, r.url.Fragment = "", ""
	return nil
}

func (r *remote) checkHTTP() error {
	if r.url.Scheme != "http" && r.url.Scheme != "https" {
		return fmt.Errorf("scheme %q is not supported: use https, or git with an address after it", r.url.Scheme)
	}
	if r.url.Host == "" {
		return fmt.Errorf("it names no host")
	}
	if strings.HasPrefix(r.url.Query().Get("checksum"), "file:") {
		return fmt.Errorf("give the checksum itself, as in checksum=sha256:…")
	}
	return nil
}

package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ambient-ci/ambient/home"
)

func fetchModule(t *testing.T, h *home.Home, address, commit string) Module {
	t.Helper()
	m, err := FetchModule(context.Background(), h, address, commit)
	check(t, err)
	return m
}

func readIn(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	check(t, err)
	return string(data)
}

// TestFetchModule shows that a commit stays what it was when its branch goes on,
// that the digest is that of the content alone, and that it is found again.
func TestFetchModule(t *testing.T) {
	h := home.At(t.TempDir())
	dir := repo(t, map[string]string{"m/x.ambient.hcl": "one", "m/link": "->x.ambient.hcl", "other": "", "run": ""})
	first := testGit(t, dir, "rev-parse", "HEAD")
	address := "git::file://" + dir + "//m?ref=main"
	one := fetchModule(t, h, address, "")
	if one.Commit != first || readIn(t, one.Dir, "x.ambient.hcl") != "one" || !strings.HasPrefix(one.Dir, h.Sources()+"/modules/") {
		t.Errorf("got %+v", one)
	}
	put(t, dir, "other", "new")
	testGit(t, dir, "commit", "-q", "-a", "-m", "elsewhere")
	if m := fetchModule(t, h, address, ""); m.Digest != one.Digest || m.Commit == first || m.Dir != one.Dir {
		t.Errorf("a change elsewhere gives %+v", m)
	}
	put(t, dir, "m/x.ambient.hcl", "two")
	testGit(t, dir, "commit", "-q", "-a", "-m", "two")
	if m := fetchModule(t, h, address, ""); m.Digest == one.Digest || readIn(t, m.Dir, "x.ambient.hcl") != "two" {
		t.Errorf("a change gives %+v", m)
	}
	for _, at := range []*home.Home{h, home.At(t.TempDir())} {
		if m := fetchModule(t, at, address, first); m.Digest != one.Digest || m.Commit != first {
			t.Errorf("the first commit gives %+v", m)
		}
	}
	check(t, os.RemoveAll(dir))
	found, err := FindModule(h, one.Digest)
	if check(t, err); found != one.Dir || readIn(t, found, "link") != "one" {
		t.Errorf("found %s", found)
	}
	wantClean(t, h)
}

// put writes a file of a repository.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}

// TestModuleDamage shows that what someone changed on the disk is not used and
// is put right by the next fetch.
func TestModuleDamage(t *testing.T) {
	dir := repo(t, map[string]string{"x.ambient.hcl": "one", "d/y": "two"})
	address := "git::file://" + dir
	for name, damage := range map[string]func(dir string) error{
		"text":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "d/y"), []byte("2"), 0o600) },
		"more":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "z"), nil, 0o600) },
		"less":  func(dir string) error { return os.RemoveAll(filepath.Join(dir, "d")) },
		"link":  func(dir string) error { return os.Symlink("d", filepath.Join(dir, "e")) },
		"swap":  func(dir string) error { return os.Rename(filepath.Join(dir, "d/y"), filepath.Join(dir, "d/x")) },
		"empty": func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			h := home.At(t.TempDir())
			m := fetchModule(t, h, address, "")
			check(t, damage(m.Dir))
			if _, err := FindModule(h, m.Digest); !errors.Is(err, ErrModuleChanged) {
				t.Errorf("got %v", err)
			}
			fetchModule(t, h, address, m.Commit)
			if _, err := FindModule(h, m.Digest); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFindModuleRefuses(t *testing.T) {
	h := home.At(t.TempDir())
	for _, digest := range []string{"", "sha256:", "sha256:../../../etc", "sha1:" + strings.Repeat("0", 64), "sha256:" + strings.Repeat("g", 64)} {
		if dir, err := FindModule(h, digest); err == nil || errors.Is(err, ErrNoModule) {
			t.Errorf("%q: %s, %v", digest, dir, err)
		}
	}
	digest := "sha256:" + strings.Repeat("0", 64)
	if _, err := FindModule(h, digest); !errors.Is(err, ErrNoModule) {
		t.Errorf("got %v", err)
	}
	dir, err := moduleDir(h, digest)
	check(t, err)
	check(t, os.MkdirAll(filepath.Dir(dir), 0o700))
	check(t, os.Symlink(t.TempDir(), dir))
	if _, err := FindModule(h, digest); !errors.Is(err, ErrNoModule) {
		t.Errorf("a link gives %v", err)
	}
}

// TestModuleTooLarge shows that a module is bounded and that nothing is kept of
// one that is not right.
func TestModuleTooLarge(t *testing.T) {
	big := strings.Repeat("x", maxModuleBytes/2+1)
	many := map[string]string{}
	for i := range maxModuleFiles {
		many[fmt.Sprintf("f%d", i)] = ""
	}
	for name, files := range map[string]map[string]string{"big": {"a": big, "b": big}, "many": many} {
		t.Run(name, func(t *testing.T) {
			h := home.At(t.TempDir())
			_, err := FetchModule(context.Background(), h, "git::file://"+repo(t, files), "")
			var failed *FetchError
			if !errors.As(err, &failed) || !failed.Final || !strings.Contains(err.Error(), "//DIR") {
				t.Errorf("got %v", err)
			}
			if left, _ := os.ReadDir(filepath.Join(h.Sources(), "modules")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestModuleCommit shows that only a repository has a commit.
func TestModuleCommit(t *testing.T) {
	h := home.At(t.TempDir())
	dir := repo(t, map[string]string{"x": ""})
	url := serve(t, map[string][]byte{"/m.tar.gz": tarGz(t, reg("x.ambient.hcl"))})
	for address, commit := range map[string]string{
		"git::file://" + dir: "main",
		url + "/m.tar.gz":    strings.Repeat("0", 40),
	} {
		var wrong *AddressError
		if _, err := FetchModule(context.Background(), h, address, commit); !errors.As(err, &wrong) {
			t.Errorf("%s at %s: %v", address, commit, err)
		}
	}
	var failed *FetchError
	if _, err := FetchModule(context.Background(), h, "git::file://"+dir, strings.Repeat("0", 40)); !errors.As(err, &failed) {
		t.Errorf("a commit that is not there: %v", err)
	}
	if m := fetchModule(t, h, url+"/m.tar.gz", ""); m.Commit != "" || readIn(t, m.Dir, "x.ambient.hcl") == "" {
		t.Errorf("an archive gives %+v", m)
	}
}

func TestDigestTreeRefusesDevices(t *testing.T) {
	dir := t.TempDir()
	check(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	if _, err := digestTree(dir); err == nil {
		t.Error("a pipe has a digest")
	}
}

func TestFetchModuleTwiceAtOnce(t *testing.T) {
	h := home.At(t.TempDir())
	address := "git::file://" + repo(t, map[string]string{"x.ambient.hcl": "one"})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := FetchModule(context.Background(), h, address, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantClean(t, h)
}

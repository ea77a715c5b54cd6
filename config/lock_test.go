package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lock locks the modules of a directory, writes the file and returns what is
// wrong.
func lock(t *testing.T, dir string, s *shelf, upgrade bool) string {
	t.Helper()
	s.asked = nil
	r, c, diags, err := LockModules(dir, Options{Actions: testActions()}, upgrade, s)
	if err != nil || c == nil || (r == nil) != diags.HasErrors() {
		t.Fatalf("%v, %v, %v", r, diags, err)
	}
	var out []string
	for _, d := range relative(dir, diags) {
		out = append(out, fmt.Sprintf("%s:%d: %s", d.Subject.Filename, d.Subject.Start.Line, d.Summary))
	}
	if r != nil && r.Changed {
		write(t, dir, LockName, string(r.Text))
	}
	return strings.Join(out, "\n")
}

func TestLockModules(t *testing.T) {
	one, two, dir := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, one, "module.ambient.hcl", say+"variable \"without\" {}\nuse \"inner\" {\n  source = \"https://example.org/two.zip\"\n}\n")
	write(t, two, "module.ambient.hcl", say)
	commit := strings.Repeat("c", 40)
	s := &shelf{
		fetched: map[string]FetchedModule{
			remote:                        {Dir: one, Commit: commit, Digest: digestOf("1")},
			"https://example.org/two.zip": {Dir: two, Digest: digestOf("2")},
		},
		errs: map[string]error{},
	}
	write(t, dir, FileName, "variable \"given\" {}\n"+using(remote)+"use \"also\" {\n  source = \"https://example.org/two.zip\"\n}\nuse \"here\" {\n  source = \"./here\"\n}\nnonsense {}\n")
	write(t, dir, "here/x.ambient.hcl", say)
	if got := lock(t, dir, s, false); got != "" {
		t.Fatal(got)
	}
	want := fmt.Sprintf(lockHead, lockFormat) + `
# m
module "git::https://example.org/m.git?ref=v1" {
  commit = "` + commit + `"
  digest = "` + digestOf("1") + `"
}

# also, m.inner
module "https://example.org/two.zip" {
  digest = "` + digestOf("2") + `"
}
`
	read := func() string {
		text, err := os.ReadFile(filepath.Join(dir, LockName))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	compare(t, "lock", read(), want)
	if got := lock(t, dir, s, false); got != "" || read() != want || !slices.Equal(s.asked, []string{remote + " " + commit, "https://example.org/two.zip"}) {
		t.Errorf("%s: asked for %v", got, s.asked)
	}

	s.fetched["https://example.org/two.zip"] = FetchedModule{Dir: two, Digest: digestOf("3")}
	if got := lock(t, dir, s, false); got != "use.m/module.ambient.hcl:7: Module changed" {
		t.Errorf("got %q", got)
	}
	compare(t, "lock after an error", read(), want)
	if got := lock(t, dir, s, true); got != "" || !slices.Equal(s.asked, []string{remote, "https://example.org/two.zip"}) {
		t.Errorf("upgrade: %s, asked for %v", got, s.asked)
	}
	compare(t, "upgraded lock", read(), strings.ReplaceAll(want, digestOf("2"), digestOf("3")))

	write(t, dir, LockName, strings.Replace(read(), "format = 1", "format = 2", 1))
	if got := lock(t, dir, s, true); got != "ambient.lock.hcl:5: Lock file of a newer version" {
		t.Errorf("got %q", got)
	}
	write(t, dir, LockName, "")
	if got := lock(t, dir, s, false); got != "ambient.lock.hcl:1: Invalid lock file" {
		t.Errorf("got %q", got)
	}
	if err := os.Remove(filepath.Join(dir, LockName)); err != nil {
		t.Fatal(err)
	}
	delete(s.fetched, remote)
	if got := lock(t, dir, s, false); got != "ambient.hcl:3: Module can not be fetched" {
		t.Errorf("got %q", got)
	}
	s.errs[remote] = errors.New("disk full")
	if r, _, _, err := LockModules(dir, Options{}, false, s); err == nil || r != nil {
		t.Errorf("the machine's failure gives %v, %v", r, err)
	}
	write(t, dir, FileName, minimal)
	write(t, dir, LockName, want)
	if got := lock(t, dir, s, false); got != "" || read() != fmt.Sprintf(lockHead, lockFormat) {
		t.Errorf("%s: the lock of nothing is\n%s", got, read())
	}
}

// TestLockFile shows that a lock file that someone changed is not obeyed.
func TestLockFile(t *testing.T) {
	right := lockText(digestOf("a"))
	for name, tt := range map[string]struct{ text, want string }{
		"label":      {strings.Replace(right, "module \"", "module x \"", 1), "ambient.lock.hcl:7: Invalid lock file"},
		"other":      {right + "use \"x\" {}\n", "ambient.lock.hcl:10: Invalid lock file"},
		"twice":      {right + strings.TrimPrefix(right[strings.Index(right, "\nmodule"):], "\n"), "ambient.lock.hcl:10: Invalid lock file"},
		"no digest":  {strings.ReplaceAll(right, "digest", "commit"), "ambient.lock.hcl:8: Invalid lock file"},
		"bad digest": {strings.ReplaceAll(right, "sha256", "sha1"), "ambient.lock.hcl:8: Invalid lock file"},
		"reference":  {strings.ReplaceAll(right, "\""+digestOf("a")+"\"", "var.x"), "ambient.lock.hcl:8: Invalid lock file"},
		"path":       {strings.ReplaceAll(right, digestOf("a"), "sha256:../../x"), "ambient.lock.hcl:8: Invalid lock file"},
		"argument":   {strings.Replace(right, "format = 1", "format = 1\nx = 2", 1), "ambient.lock.hcl:6: Invalid lock file"},
		"format":     {strings.Replace(right, "format = 1", "format = \"1\"", 1), "ambient.lock.hcl:5: Invalid lock file"},
		"no format":  {strings.Replace(right, "format = 1", "", 1), "ambient.lock.hcl:1: Invalid lock file"},
		"fraction":   {strings.Replace(right, "format = 1", "format = 1.5", 1), "ambient.lock.hcl:5: Invalid lock file"},
		"inside":     {strings.Replace(right, "  digest", "  x {}\n  digest", 1), "ambient.lock.hcl:8: Invalid lock file"},
		"syntax":     {right + "module {", "ambient.lock.hcl:10: Unclosed configuration block"},
		"huge":       {right + strings.Repeat("#", maxFile), "ambient.lock.hcl:1: Unreadable lock file"},
		"merge":      {"<<<<<<< HEAD\n" + right, "ambient.lock.hcl:1: Argument or block definition required"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, FileName, using(remote))
			write(t, dir, LockName, tt.text)
			if got := summaries(dir, Options{}); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// FuzzLock shows that no lock file makes Load panic, and that what is read is
// what is written again.
func FuzzLock(f *testing.F) {
	f.Add(lockText(digestOf("a")))
	f.Add("format = 1\nmodule \"a\\n\\u0000$${x}%%{\" {\n  commit = \"" + strings.Repeat("c", 40) + "\"\n  digest = \"" + digestOf("0") + "\"\n}\n")
	f.Add("format = null\nmodule {}\nmodule \"x\" { digest = [] }")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<14 {
			return
		}
		write(t, dir, LockName, text)
		read := func() (*Lock, Diagnostics) {
			l := newLoader(dir, Options{})
			if !l.open() {
				t.Fatal("no directory")
			}
			defer l.root.Close()
			return l.readLock(), l.diags
		}
		k, diags := read()
		if (k == nil) != diags.HasErrors() {
			t.Fatalf("%v with %v", k, diags)
		}
		for _, d := range diags {
			if d.Subject == nil || d.Summary == "" || d.Detail == "" {
				t.Fatalf("incomplete diagnostic %+v", d)
			}
		}
		if k == nil {
			return
		}
		write(t, dir, LockName, string(k.Text()))
		again, diags := read()
		if again == nil || string(again.Text()) != string(k.Text()) {
			t.Fatalf("written again: %v\n%s\n%s", diags, text, k.Text())
		}
	})
}

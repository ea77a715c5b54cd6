//go:build vm

package runner

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// census is what a stage's script says of the directory it is in: a digest of
// the sorted lines about names, kinds, modes, owners, times, links and contents.
// Names may be anything, which only makes more lines.
const census = `(find . ! -name . -type d -exec stat -c '%F %a %u:%g %n' {} +
find . ! -type d -exec stat -c '%F %a %u:%g %s %h %Y %n' {} +
find . -type l -exec sh -c 'for l; do readlink "$l"; done' sh {} +
find . -type f -exec sha256sum {} +) | sort | sha256sum
`

// counted is what census finds in files, by path.
func counted(files map[string]oddFile) string {
	var b strings.Builder
	for name, f := range files {
		kind := "regular file"
		switch {
		case f.dir:
			fmt.Fprintf(&b, "directory 755 0:0 ./%s\n", name)
			continue
		case f.target != "":
			fmt.Fprintf(&b, "symbolic link 777 0:0 %d 1 %d ./%s\n%s\n", len(f.target), f.time, name, f.target)
			continue
		case f.text == "":
			kind = "regular empty file"
		}
		fmt.Fprintf(&b, "%s %o 0:0 %d 1 %d ./%s\n", kind, f.mode, len(f.text), f.time, name)
		fmt.Fprintf(&b, "%x  ./%s\n", sha256.Sum256([]byte(f.text)), name)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	slices.Sort(lines)
	return fmt.Sprintf("%x  -\n", sha256.Sum256([]byte(strings.Join(lines, "\n")+"\n")))
}

type oddFile struct {
	text, target string
	mode         os.FileMode // as a stage sees it
	time         int64
	dir          bool
}

// oddFiles makes files that have been trouble somewhere, below dir.
func oddFiles(t *testing.T, dir string) map[string]oddFile {
	t.Helper()
	files := map[string]oddFile{
		"empty":                  {mode: 0o644, time: 1e9},
		"new\nline":              {text: "new line", mode: 0o644, time: 1},
		"not utf8 \xff\xfe":      {text: "bytes", mode: 0o644, time: 1e9},
		strings.Repeat("n", 255): {text: "long name", mode: 0o644, time: 1<<33 - 1},
		"program":                {text: "#!/bin/sh\necho it ran\n", mode: 0o755, time: 2e9},
		"large":                  {text: strings.Repeat("0123456789abcdef", 1<<20), mode: 0o644, time: 1e9},
		"hollow":                 {dir: true},
		"-first":                 {text: "x", mode: 0o644, time: 1e9},
		"!before dots":           {text: "y", mode: 0o644, time: 1e9},
		"many":                   {dir: true},
		"link":                   {target: "program", time: 1e9},
		"far":                    {target: "/etc/" + strings.Repeat("x", 4090), time: 1e9},
		"block":                  {text: strings.Repeat("b", 4096), mode: 0o644, time: 1e9},
		"nowhere":                {target: "../../..", time: 1e9},
	}
	for i := range 1500 {
		files[fmt.Sprintf("many/%d", i)] = oddFile{text: fmt.Sprint(i), mode: 0o644, time: 1e9 + int64(i)}
	}
	for name, f := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case f.dir:
			err = os.MkdirAll(path, 0o755)
		case f.target != "":
			err = os.Symlink(f.target, path)
		default:
			if err = os.WriteFile(path, []byte(f.text), 0o600); err == nil {
				err = os.Chmod(path, f.mode|os.ModeSetuid)
			}
		}
		if name == "far" && errors.Is(err, syscall.ENAMETOOLONG) { // XFS keeps 1024 bytes
			delete(files, name)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range files {
		if f.target != "" {
			continue
		}
		if err := os.Chtimes(filepath.Join(dir, name), time.Unix(f.time, 0), time.Unix(f.time, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range files { // times of links are those of their making; not every file system has all times
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		f.time = info.ModTime().Add(time.Second - 1).Unix()
		files[name] = f
	}
	return files
}

// The kernel shows a stage what is in the source directory, and a plan stage may
// do there what it likes. What it did is gone for the next.
func TestVMInputsAreWhatTheHostHas(t *testing.T) {
	r := newRunner(t)
	job := testJob(t, config.DefaultLimits(), census, `./program; grep ' /ci/src ' /proc/mounts
echo more >> large; tail -c 9 large; rm -r many; test ! -e many; mv hollow moved && ls -d moved
mkdir many && echo back > many/1 && cat many/*; ln block hard && stat -c %h hard; mv -T many few && cat few/1
chmod 600 program && stat -c %a program; stat -c %d . block few/1 | sort -u | wc -l`)
	dir := job.Project.Source.Address
	os.Remove(filepath.Join(dir, "file"))
	files := oddFiles(t, dir)
	want := counted(files)
	got, rec := runJob(t, r, job)
	log := rec.log()
	if got.Outcome != stages.Succeeded || !strings.Contains(log, want) {
		t.Fatalf("%+v\n%s\nwant\n%s", got, log, want)
	}
	for _, want := range []string{"it ran\n", "abcdefmore\n"[2:], "moved\nback\n2\nback\n600\n1\n", "input /ci/src overlay"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
	post := phase(t, job, config.Post, "look", shell(census+`./program || echo not run; touch new || echo not written; grep ' /ci/src ' /proc/mounts`))
	got, rec = runJob(t, r, post)
	log = rec.log()
	for _, want := range []string{want, "not run\n", "not written\n", " /ci/src erofs ro,nosuid,nodev,noexec"} {
		if got.Outcome != stages.Succeeded || !strings.Contains(log, want) {
			t.Errorf("no %q: %+v\n%s", want, got, log)
		}
	}
}

// What other stages made comes as they made it, hard links included.
func TestVMInputsFromStages(t *testing.T) {
	r := newRunner(t)
	base := testJob(t, config.DefaultLimits())
	build := phase(t, base, config.Plan, "build", shell(`cd $AMBIENT_ARTIFACTS; mkdir -m 700 d; echo one > d/a; ln d/a d/b; chmod 4751 d/a
ln -s /etc/passwd d/l; touch -d @1234567890 d/a; touch -d @1111111111 d; mkfifo pipe; printf x > "$(printf 'odd\377')"`))
	built, rec := runJob(t, r, build)
	if built.Outcome != stages.Succeeded {
		t.Fatalf("%+v\n%s", built, rec.log())
	}
	script := `stat -c '%n %a %u %h %Y' d d/a d/b; readlink d/l; ls | wc -l; echo two >> d/a; cat d/a; cp -r d/. e; rm -r d; echo * | od -An -tx1`
	use := phase(t, base, config.Plan, "use", shell(`cd `+build.Stage.ID.Inputs()+` && `+script))
	use.Inputs = []stages.Data{*built.Output}
	deps := phase(t, base, config.Plan, "deps", shell(`cd $AMBIENT_DEPS && `+script))
	deps.Deps = []stages.Data{*built.Output}
	for _, job := range []*stages.Job{use, deps} {
		got, rec := runJob(t, r, job)
		want := "d 700 0 2 1111111111\nd/a 751 0 2 1234567890\nd/b 751 0 2 1234567890\n/etc/passwd\n2\none\ntwo\n 65 20 6f 64 64 ff 0a\n"
		if log := rec.log(); got.Outcome != stages.Succeeded || !strings.Contains(log, want) {
			t.Errorf("%+v\n%s\nwant\n%s", got, log, want)
		}
	}
}

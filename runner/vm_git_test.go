//go:build vm

package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/internal/vmtest"
	"github.com/ambient-ci/ambient/stages"
)

// A source that comes with its repository is what git takes it for, in every phase.
func TestVMGit(t *testing.T) {
	job := testJob(t, config.DefaultLimits(), `
		cd /ci/src
		git describe --tags --dirty
		git status --porcelain
		git log --format=%s
		git branch --all
		if test -e .git/hooks; then echo hooks; fi
		if git config --local --get-regexp '^(remote|user)'; then echo settings; fi
		echo more > file && git -c user.name=a -c user.email=a@example.org commit -qam 'in the stage'
		git log -1 --format=%s
	`)
	job.Stage.Image, job.Project.Git = toolImage, true
	dir := job.Project.Source.Address
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org"}, args...)...)
		cmd.Dir, cmd.Env = dir, vmtest.GitEnv()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	r := newRunner(t)
	git("init", "-q", "-b", "main")
	if got, _ := runJob(t, r, job); got.Outcome != stages.Failed || !strings.Contains(got.Reason, "no commit yet") {
		t.Errorf("without a commit: %+v", got)
	}
	git("add", ".")
	git("commit", "-q", "-m", "one")
	git("tag", "v1")
	git("branch", "other")
	git("remote", "add", "origin", "https://example.org/r.git")
	git("config", "user.name", "private")
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("changed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r = newRunner(t) // one sees a source once
	got, rec := runJob(t, r, job)
	if want := "v1-dirty\n M file\n?? new\none\n* main\nin the stage\n"; got.Outcome != stages.Succeeded || rec.log() != want {
		t.Errorf("%+v\n%s\nwant\n%s", got, rec.log(), want)
	}
	post := phase(t, job, config.Post, "release", shell("git -C /ci/src describe --tags"))
	got, rec = runJob(t, r, post)
	if got.Outcome != stages.Succeeded || rec.log() != "v1\n" {
		t.Errorf("%+v\n%s", got, rec.log())
	}
}

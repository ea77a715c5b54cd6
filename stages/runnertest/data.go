package runnertest

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// testData hands data from stage to stage: what pre fetched and what plan
// built, also when it failed in the end.
func testData(t *testing.T, h Harness) {
	b := newBench(t, h)
	pre := b.job(config.Pre, "deps", "echo fetched > $AMBIENT_DEPS/dep")
	deps := b.output(pre, stages.Succeeded, map[string]string{"dep": "fetched\n"})

	plan := b.job(config.Plan, "build", "cat $AMBIENT_DEPS/dep\necho built > $AMBIENT_ARTIFACTS/program", "exit 7")
	plan.Deps = []stages.Data{*deps}
	artifacts := b.output(plan, stages.Failed, map[string]string{"program": "built\n"})

	file := artifacts.From.Inputs() + "/program"
	user := b.job(config.Plan, "test", "cat "+file)
	user.Inputs = []stages.Data{*artifacts}
	if res := b.run(user); res.Outcome != stages.Succeeded {
		t.Errorf("artifacts as input: %s: %s", res.Outcome, res.Reason)
	}
	post := b.job(config.Post, "publish", "test -e $AMBIENT_ARTIFACTS/program && echo published")
	post.Union = []stages.Data{*artifacts}
	if res := b.run(post); res.Outcome != stages.Succeeded {
		t.Errorf("union of artifacts: %s: %s", res.Outcome, res.Reason)
	}
	if out := b.logged("stdout"); !slices.Equal(out, []string{"fetched", "built", "published"}) {
		b.dump()
		t.Errorf("stdout: %q", out)
	}
}

// output runs a job and returns its output, which is checked.
func (b *bench) output(job *stages.Job, want stages.Outcome, files map[string]string) *stages.Data {
	b.t.Helper()
	res := b.run(job)
	if res.Outcome != want || res.Output == nil {
		b.dump()
		b.t.Fatalf("%s: %s, output %v: %s", job.Stage.ID, res.Outcome, res.Output, res.Reason)
	}
	out := res.Output
	if rel, err := filepath.Rel(job.Dir, out.Path); err != nil || !filepath.IsLocal(rel) {
		b.t.Errorf("%s: the output is not in the job's directory: %s", job.Stage.ID, out.Path)
	}
	if out.From != job.Stage.ID {
		b.t.Errorf("the output is from %s, want %s", out.From, job.Stage.ID)
	}
	b.checkFile(out)
	for name, text := range files {
		if got, ok := b.read(out, name); !ok || got != text {
			b.t.Errorf("%s: output %s: %q (%t), want %q", job.Stage.ID, name, got, ok, text)
		}
	}
	return out
}

// checkFile compares the file with what d says of it.
func (b *bench) checkFile(d *stages.Data) {
	b.t.Helper()
	content, err := os.ReadFile(d.Path)
	if err != nil {
		b.t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	if digest := "sha256:" + hex.EncodeToString(sum[:]); d.Size != int64(len(content)) || d.Digest != digest {
		b.t.Errorf("%s: size %d, digest %s; the file has %d, %s", d.Path, d.Size, d.Digest, len(content), digest)
	}
}

// read returns the content of a regular file in a tar archive.
func (b *bench) read(d *stages.Data, name string) (text string, found bool) {
	b.t.Helper()
	f, err := os.Open(d.Path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return "", false
		}
		if err != nil {
			b.t.Fatalf("%s: %v", d.Path, err)
		}
		if head.Typeflag == tar.TypeReg && path.Clean(head.Name) == name {
			content, err := io.ReadAll(r)
			if err != nil {
				b.t.Fatalf("%s: %v", d.Path, err)
			}
			return string(content), true
		}
	}
}

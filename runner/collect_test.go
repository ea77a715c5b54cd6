package runner

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/stages"
)

// entry is one header with its content.
func entry(h tar.Header, content string) func(*tar.Writer) {
	return func(w *tar.Writer) {
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if h.Size == 0 {
			h.Size = int64(len(content))
		}
		w.WriteHeader(&h)
		io.WriteString(w, content)
	}
}

func archive(parts ...func(*tar.Writer)) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, p := range parts {
		p(w)
	}
	w.Flush() // no Close: it refuses what a hostile archive needs
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

// hugeSize forges a header whose size is 2^63-1, which archive/tar would not
// write over so little content.
func hugeSize() []byte {
	b := archive(entry(tar.Header{Name: "big"}, "x"))
	size := []byte{0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	copy(b[124:136], size)
	sum := int64(0)
	copy(b[148:156], "        ")
	for _, c := range b[:512] {
		sum += int64(c)
	}
	copy(b[148:156], []byte{byte('0' + sum>>15&7), byte('0' + sum>>12&7), byte('0' + sum>>9&7), byte('0' + sum>>6&7), byte('0' + sum>>3&7), byte('0' + sum&7), 0, ' '})
	return b
}

// collector is an execution whose machine has ended.
func collector(top, dir, devices string) *execution {
	stage := &config.Stage{ID: config.StageID{Project: "p", Phase: config.Plan, Name: "s"}, Limits: config.DefaultLimits()}
	job := &stages.Job{Stage: stage, Dir: dir, Project: &config.Project{Name: "p", Stages: []*config.Stage{stage}}}
	x := newExecution(&Runner{home: home.At(top)}, job, stages.ObserverFunc(func(stages.Event) {}))
	x.dir, x.plan = devices, &guest.Plan{Outputs: planOutputs(stage)}
	return x
}

// A stage that is killed while its outputs are read is cancelled, and does not
// wait for them.
func TestCollectEndsWhenKilled(t *testing.T) {
	top, devices := t.TempDir(), t.TempDir()
	x := collector(top, top, devices)
	if err := os.WriteFile(x.device(guest.SerialArtifacts), archive(entry(tar.Header{Name: "f", Typeflag: tar.TypeReg}, "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	x.Kill()
	r := stages.Result{Outcome: stages.Succeeded}
	x.collect(&r, story{done: &guest.Done{Outputs: []guest.Packed{{Name: guest.LimitArtifacts}}}})
	if r.Outcome != stages.Cancelled || r.Output != nil {
		t.Errorf("got %s (%s), artifacts %v", r.Outcome, r.Reason, r.Output)
	}
}

// Outputs that are not in the plan, and one named twice, are not read.
func TestCollectReadsWhatWasPlanned(t *testing.T) {
	top, devices := t.TempDir(), t.TempDir()
	x := collector(top, top, devices)
	if err := os.WriteFile(x.device(guest.SerialArtifacts), archive(entry(tar.Header{Name: "f", Typeflag: tar.TypeReg}, "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names []string
		want  bool
	}{
		{[]string{"deps", "root", ""}, false},
		{[]string{"artifacts", "artifacts"}, true},
	} {
		var done guest.Done
		for _, name := range c.names {
			done.Outputs = append(done.Outputs, guest.Packed{Name: name})
		}
		r := stages.Result{Outcome: stages.Succeeded}
		x.collect(&r, story{done: &done})
		if (r.Output != nil) != c.want || r.Outcome != stages.Succeeded {
			t.Errorf("%q: %s (%s), artifacts %v", c.names, r.Outcome, r.Reason, r.Output)
		}
		os.Remove(x.device(guest.SerialArtifacts)) // a second reading would fail
		if err := os.WriteFile(x.device(guest.SerialArtifacts), archive(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever stands on the artifacts device of a guest that claims success: the
// outcome is named, nothing outside the stage's directory changes, and what was
// there stays.
func TestCollectOfHostileDevices(t *testing.T) {
	file := entry(tar.Header{Name: "ok", Typeflag: tar.TypeReg}, "fine")
	for _, c := range []struct {
		name    string
		device  []byte
		outcome stages.Outcome
	}{
		{"absolute", archive(file, entry(tar.Header{Name: "/etc/evil", Typeflag: tar.TypeReg}, "x")), stages.Failed},
		{"dot-dot", archive(entry(tar.Header{Name: "a/../../evil", Typeflag: tar.TypeReg}, "x")), stages.Failed},
		{"through a link", archive(entry(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}, ""), entry(tar.Header{Name: "l/evil", Typeflag: tar.TypeReg}, "x")), stages.Failed},
		{"hard link outside", archive(entry(tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}, "")), stages.Failed},
		{"device", archive(entry(tar.Header{Name: "d", Typeflag: tar.TypeBlock, Devmajor: 8}, "")), stages.Failed},
		{"pipe", archive(entry(tar.Header{Name: "p", Typeflag: tar.TypeFifo}, "")), stages.Failed},
		{"2^63", hugeSize(), stages.Failed},
		{"truncated", archive(entry(tar.Header{Name: "t", Typeflag: tar.TypeReg, Size: 1 << 20}, "short"))[:1024], stages.Failed},
		{"garbage", bytes.Repeat([]byte("garbage!"), 512), stages.Failed},
		{"all zeroes", make([]byte, 8192), stages.Succeeded},
		{"a link that escapes", archive(entry(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../../../etc/passwd"}, "")), stages.Succeeded},
		{"well", archive(file), stages.Succeeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := t.TempDir()
			dir, devices := filepath.Join(top, "stage"), filepath.Join(top, "devices")
			for _, d := range []string{dir, devices} {
				if err := os.Mkdir(d, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(top, "earlier"), []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
			x := collector(top, dir, devices)
			if err := os.WriteFile(x.device(guest.SerialArtifacts), c.device, 0o600); err != nil {
				t.Fatal(err)
			}
			r := stages.Result{Outcome: stages.Succeeded}
			x.collect(&r, story{done: &guest.Done{Outputs: []guest.Packed{{Name: guest.LimitArtifacts}}}})
			if r.Outcome != c.outcome {
				t.Errorf("outcome %s (%s), want %s", r.Outcome, r.Reason, c.outcome)
			}
			if (r.Output != nil) != (c.outcome == stages.Succeeded) {
				t.Errorf("artifacts %v of an outcome %s", r.Output, r.Outcome)
			}
			entries, _ := os.ReadDir(top)
			if data, _ := os.ReadFile(filepath.Join(top, "earlier")); string(data) != "kept" || len(entries) != 3 {
				t.Errorf("outside the stage's directory: %v, %q", entries, data)
			}
			for _, path := range []string{"/etc/evil", "/tmp/evil"} {
				if _, err := os.Lstat(path); err == nil {
					t.Errorf("%s was written", path)
				}
			}
		})
	}
}

package runner

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/inputs"
	"github.com/ambient-ci/ambient/stages"
)

// scene is a job and the world around it, which a test may change.
type scene struct {
	t              *testing.T
	job            *stages.Job
	dir            string
	home           *home.Home
	image, program string // empty: not built
	host           actions.FixedHost
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, dir: t.TempDir(), home: home.At(t.TempDir()), image: "sha256:i", program: "sha256:p"}
	s.write("go.sum", "sum")
	s.write("main.go", "main")
	stage := &config.Stage{
		ID: config.StageID{Project: "p", Phase: config.Plan, Name: "build"}, Limits: config.DefaultLimits(), Network: config.NetworkNone,
		Actions: []*config.Action{shellAction("make"), shellAction("make test")},
	}
	s.job = &stages.Job{
		RunID: "r1", Dir: t.TempDir(), Stage: stage,
		Project: &config.Project{Name: "p", Source: config.Source{Address: s.dir, Local: true}, Stages: []*config.Stage{stage}},
		Env:     map[string]string{"CC": "gcc", "CI": "true"},
		Deps:    []stages.Data{{From: config.StageID{Project: "p", Phase: config.Pre, Name: "fetch"}, Path: "/d", Digest: "sha256:d"}},
		Inputs:  []stages.Data{{From: config.StageID{Project: "lib", Phase: config.Plan, Name: "build"}, Path: "/a", Digest: "sha256:a"}},
	}
	return s
}

func shellAction(script string) *config.Action {
	return &config.Action{Name: "shell", Args: config.Args{Values: map[string]any{"script": script}}}
}

func (s *scene) write(name, text string) {
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) identifier() *Identifier {
	d := NewIdentifier(s.home)
	d.Image = func(*config.Image) (string, bool, error) { return s.image, s.image != "", nil }
	d.Program = func() (string, bool, error) { return s.program, s.program != "", nil }
	d.Host = s.host
	return d
}

func (s *scene) identity() stages.Identity {
	s.t.Helper()
	id, err := s.identifier().Identity(s.t.Context(), s.job)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func parts(id stages.Identity) map[string]string {
	m := map[string]string{}
	for _, p := range id.Parts {
		m[p.Name] = p.Value
	}
	return m
}

// differing names the parts that two identities do not share.
func differing(a, b stages.Identity) string {
	x, y := parts(a), parts(b)
	var names []string
	for name := range x {
		if v, ok := y[name]; !ok || v != x[name] {
			names = append(names, name)
		}
	}
	for name := range y {
		if _, ok := x[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// TestIdentityChangesExactlyWhenItMust makes one change at a time.
func TestIdentityChangesExactlyWhenItMust(t *testing.T) {
	tests := []struct {
		name   string
		change func(*scene)
		want   string // the parts that differ
	}{
		{"nothing", func(*scene) {}, ""},
		{"another run", func(s *scene) { s.job.RunID, s.job.Dir, s.job.Attempt = "r2", "/elsewhere", 3 }, ""},
		{"times of a file", func(s *scene) { os.Chtimes(filepath.Join(s.dir, "main.go"), time.Unix(1, 0), time.Unix(1, 0)) }, ""},
		{"where inputs lie", func(s *scene) { s.job.Deps[0].Path, s.job.Inputs[0].Path = "/x", "/y" }, ""},
		{"the time limit", func(s *scene) { s.job.Stage.Limits.Timeout = time.Second }, ""},
		{"an action's time limit", func(s *scene) { s.job.Stage.Actions[0].Timeout = time.Second }, ""},
		{"how much it may keep", func(s *scene) {
			l := &s.job.Stage.Limits
			l.Artifacts, l.Cache, l.Log, l.Deps = 1, 2, 3, 4
		}, ""},
		{"when and how often", func(s *scene) { s.job.Stage.When, s.job.Stage.Retry = config.WhenAlways, &config.Retry{Attempts: 2} }, ""},
		{"where it is written", func(s *scene) {
			s.job.Stage.Range.Filename = "x.hcl"
			s.job.Stage.Image = &config.Image{Name: "new name"}
		}, ""},

		{"image", func(s *scene) { s.image = "sha256:j" }, "image"},
		{"guest program", func(s *scene) { s.program = "sha256:q" }, "guest program"},
		{"source", func(s *scene) { s.write("main.go", "Main") }, "source"},
		{"a new file", func(s *scene) { s.write("new", "") }, "source"},
		{"a mode", func(s *scene) { os.Chmod(filepath.Join(s.dir, "main.go"), 0o755) }, "source"},
		{"a further source", func(s *scene) {
			s.job.Project.Sources = []config.Sibling{{Name: "lib", Source: config.Source{Address: s.dir, Local: true}}}
		}, "source.lib"},
		{"an action", func(s *scene) { s.job.Stage.Actions[1] = shellAction("make check") }, "action 2"},
		{"one action more", func(s *scene) { s.job.Stage.Actions = append(s.job.Stage.Actions, shellAction("x")) }, "action 3"},
		{"the order of actions", func(s *scene) { slices.Reverse(s.job.Stage.Actions) }, "action 1, action 2"},
		{"an action's environment", func(s *scene) { s.job.Stage.Actions[0].Env = map[string]string{"X": "1"} }, "action 1"},
		{"environment", func(s *scene) { s.job.Env["CC"] = "clang" }, "env CC"},
		{"a variable more", func(s *scene) { s.job.Env["X"] = "" }, "env X"},
		{"a variable less", func(s *scene) { delete(s.job.Env, "CC") }, "env CC"},
		{"deps", func(s *scene) { s.job.Deps[0].Digest = "sha256:e" }, "deps of pre.fetch"},
		{"no deps", func(s *scene) { s.job.Deps = nil }, "deps of pre.fetch"},
		{"inputs", func(s *scene) { s.job.Inputs[0].Digest = "sha256:b" }, "artifacts of lib/plan.build"},
		{"cpus", func(s *scene) { s.job.Stage.Limits.CPUs = 2 }, "limit cpus"},
		{"memory", func(s *scene) { s.job.Stage.Limits.Memory *= 2 }, "limit memory, runnable plan"},
		{"disk", func(s *scene) { s.job.Stage.Limits.Disk *= 2 }, "limit disk"},
		{"processes", func(s *scene) { s.job.Stage.Limits.Processes++ }, "runnable plan"},
		{"name", func(s *scene) { s.job.Stage.ID.Name = "built" }, "runnable plan, stage name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			before := s.identity()
			if len(parts(before)) != len(before.Parts) {
				t.Fatalf("names are not unique: %v", before.Parts)
			}
			tt.change(s)
			after := s.identity()
			if got := differing(before, after); got != tt.want {
				t.Errorf("differing: %s, want %s", got, tt.want)
			}
			if again := s.identity(); differing(after, again) != "" {
				t.Errorf("two looks differ in %s", differing(after, again))
			}
		})
	}
}

// TestIdentityOfFetchers makes one change at a time to a pre stage.
func TestIdentityOfFetchers(t *testing.T) {
	tests := []struct {
		name   string
		action *config.Action
		reuse  *config.Reuse
		never  string
		maxAge time.Duration
		source string // the parts that differ once go.sum and main.go have changed
	}{
		{"shell", shellAction("x"), nil, "nothing says what shell depends on (reuse block)", 0, ""},
		{"shell that declares", shellAction("x"), &config.Reuse{Files: []string{"go.sum"}, MaxAge: time.Hour}, "", time.Hour, "file go.sum"},
		{"shell that declares a time", shellAction("x"), &config.Reuse{MaxAge: time.Hour}, "", time.Hour, ""},
		{"dummy", fetchAction("dummy", map[string]any{}), nil, "", 0, ""},
		{"off", fetchAction("dummy", map[string]any{}), &config.Reuse{Off: true}, "reuse = false", 0, ""},
		{"modules", fetchAction("go_mod_download", map[string]any{"dirs": []string{"."}}), nil, "", 0, "file **/go.sum"},
		{"a checksum", fetchAction("http_get", map[string]any{"url": "https://example.org/x", "sha256": "00"}), nil, "", 0, ""},
		{"no checksum", fetchAction("http_get", map[string]any{"url": "https://example.org/x"}), nil, "http_get has a file without sha256", 0, ""},
		{"packages", fetchAction("deb_get", map[string]any{"packages": []string{"make"}}), nil, "", 24 * time.Hour, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			s.host.Archives = []actions.DebianSource{{URI: "https://example.org/debian", Suite: "bookworm", Components: []string{"main"}}}
			s.job.Stage.ID.Phase, s.job.Stage.Network = config.Pre, config.NetworkOpen
			s.job.Stage.Actions, s.job.Stage.Reuse = []*config.Action{tt.action}, tt.reuse
			s.job.Deps, s.job.Inputs = nil, nil
			before := s.identity()
			if before.Never != tt.never || before.MaxAge != tt.maxAge {
				t.Errorf("never %q, at most %s old; want %q, %s", before.Never, before.MaxAge, tt.never, tt.maxAge)
			}
			s.write("go.sum", "more")
			s.write("main.go", "more")
			if got := differing(before, s.identity()); got != tt.source {
				t.Errorf("differing: %s, want %s", got, tt.source)
			}
			before = s.identity()
			maps.Copy(tt.action.Args.Values, map[string]any{"script": "y", "url": "https://example.org/y", "retries": int64(7), "packages": []string{"gcc"}})
			if got := differing(before, s.identity()); got != "action 1" && tt.action.Name != "dummy" {
				t.Errorf("other arguments: differing: %s", got)
			}
		})
	}
}

func fetchAction(name string, values map[string]any) *config.Action {
	return &config.Action{Name: name, Args: config.Args{Values: values}}
}

func TestIdentityThatIsNotKnown(t *testing.T) {
	s := newScene(t)
	s.image = ""
	if id := s.identity(); id.Unsure != "its image is not built yet" {
		t.Errorf("%+v", id)
	}
	s.image, s.program = "sha256:i", ""
	if id := s.identity(); id.Unsure != "the guest program is not built yet" {
		t.Errorf("%+v", id)
	}
	s = newScene(t)
	s.job.Stage.ID.Phase = config.Post
	if id := s.identity(); id.Never == "" {
		t.Error("a post stage may be reused")
	}
	s = newScene(t)
	s.job.Project.Source = config.Source{Address: "git::https://example.org/x.git"}
	d := s.identifier()
	d.Look = true
	if _, err := d.Identity(t.Context(), s.job); !errors.Is(err, errElsewhere) {
		t.Errorf("a look fetched: %v", err)
	}
	s.job.Project.Source = config.Source{Address: filepath.Join(s.dir, "none"), Local: true}
	if _, err := s.identifier().Identity(t.Context(), s.job); err == nil {
		t.Error("there is no source and no error")
	}
}

// makeImage does what a runner does before the first stage, which may fail.
func (s *scene) makeImage(d *Identifier) {
	r := &Runner{home: s.home, inputs: inputs.Open(s.home), sources: map[string]*sourceOnce{}, opts: Options{Identifier: d}}
	if image, err := r.source(s.t.Context(), s.job.Project); err == nil {
		image.Close()
	}
}

// TestConfirm changes things between the look and the end of the stage.
func TestConfirm(t *testing.T) {
	tests := []struct {
		name   string
		change func(*scene, *Identifier)
		want   bool
	}{
		{"nothing", func(s *scene, d *Identifier) { s.makeImage(d) }, true},
		{"the source, before its image is made", func(s *scene, d *Identifier) {
			s.write("main.go", "edited")
			s.makeImage(d)
		}, false},
		{"the source, after its image was made", func(s *scene, d *Identifier) {
			s.makeImage(d)
			s.write("main.go", "edited")
		}, true},
		{"the source, whose image was made before", func(s *scene, d *Identifier) {
			s.makeImage(s.identifier())
			s.write("main.go", "edited")
			s.makeImage(d)
		}, true},
		{"the source is gone", func(s *scene, d *Identifier) {
			os.RemoveAll(s.dir)
			s.makeImage(d)
		}, false},
		{"the image", func(s *scene, d *Identifier) { s.image = "sha256:j" }, false},
		{"the image goes", func(s *scene, d *Identifier) { s.image = "" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			d := s.identifier()
			if _, err := d.Identity(t.Context(), s.job); err != nil {
				t.Fatal(err)
			}
			tt.change(s, d)
			if got := d.Confirm(s.job); got != tt.want {
				t.Errorf("confirmed: %t", got)
			}
		})
	}
}

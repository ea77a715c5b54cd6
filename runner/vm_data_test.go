//go:build vm

package runner

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// phase makes another stage of a job's project.
func phase(t *testing.T, job *stages.Job, p config.Phase, name string, list ...*config.Action) *stages.Job {
	t.Helper()
	stage := *job.Stage
	stage.ID.Phase, stage.ID.Name = p, name
	stage.Actions = list
	if p != config.Plan {
		stage.Network = config.NetworkOpen
	}
	next := *job
	next.Stage, next.Dir = &stage, t.TempDir()
	next.Env = map[string]string{"AMBIENT_RECEIPTS": "/ci/receipts"}
	for k, v := range job.Env {
		next.Env[k] = v
	}
	return &next
}

func action(name string, args map[string]any) *config.Action {
	return &config.Action{Name: name, Args: config.Args{Values: args}}
}

func shell(script string) *config.Action { return action("shell", map[string]any{"script": script}) }

// flakyServer serves a file on the loopback of the host, which the guest
// reaches as 10.0.2.2. It refuses the first request, cuts the second short, and
// then serves the rest.
func flakyServer(t *testing.T, body string) (url string, hits *atomic.Int64) {
	t.Helper()
	hits = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch hits.Add(1) {
		case 1:
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case 2:
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.Header().Set("ETag", `"one"`)
			w.Write([]byte(body[:len(body)/2]))
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("ETag", `"one"`)
			http.ServeContent(w, r, "", time.Unix(1e9, 0), strings.NewReader(body))
		}
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "http://10.0.2.2:" + port + "/file", hits
}

// What a pre stage fetches reaches a plan stage, its artifacts reach a stage
// that names them and the post stages.
func TestVMDataThroughThePhases(t *testing.T) {
	r := newRunner(t)
	body := strings.Repeat("0123456789abcdef", 1<<14)
	url, hits := flakyServer(t, body)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
	base := testJob(t, config.DefaultLimits())
	fetch := phase(t, base, config.Pre, "fetch",
		action("http_get", map[string]any{"url": url, "path": "data/file", "sha256": sum, "retries": int64(4)}),
		shell(`! touch /ci/src/x 2>/dev/null && test -s "$SSL_CERT_FILE"`))
	fetched, rec := runJob(t, r, fetch)
	if fetched.Outcome != stages.Succeeded || hits.Load() != 3 {
		t.Fatalf("after %d requests: %+v\n%s", hits.Load(), fetched, rec.log())
	}
	build := phase(t, base, config.Plan, "build",
		shell(`sha256sum $AMBIENT_DEPS/data/file | cut -c1-64 > $AMBIENT_ARTIFACTS/sum; ln -s sum $AMBIENT_ARTIFACTS/link; printf '#!/bin/sh\necho ran\n' > $AMBIENT_ARTIFACTS/program; chmod +x $AMBIENT_ARTIFACTS/program; nproc`))
	build.Deps = []stages.Data{*fetched.Output}
	build.Stage.Limits.CPUs = 2
	built, rec := runJob(t, r, build)
	if built.Outcome != stages.Succeeded || !strings.Contains(rec.log(), "2\n") {
		t.Fatalf("%+v\n%s", built, rec.log())
	}
	use := phase(t, base, config.Plan, "use", shell("grep "+sum+" "+build.Stage.ID.Inputs()+"/link && "+build.Stage.ID.Inputs()+"/program"))
	use.Inputs = []stages.Data{*built.Output}
	if got, rec := runJob(t, r, use); got.Outcome != stages.Succeeded {
		t.Errorf("%+v\n%s", got, rec.log())
	}
	post := phase(t, base, config.Post, "deliver", shell(`! $AMBIENT_ARTIFACTS/program && grep `+sum+` $AMBIENT_ARTIFACTS/sum && echo delivered > $AMBIENT_RECEIPTS/receipt`))
	post.Union = []stages.Data{*built.Output}
	got, rec := runJob(t, r, post)
	if got.Outcome != stages.Succeeded {
		t.Fatalf("%+v\n%s", got, rec.log())
	}
	dir := filepath.Join(t.TempDir(), "out")
	if _, err := blockdev.Extract(t.Context(), got.Output.Path, dir, blockdev.ExtractOptions{}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "receipt")); string(data) != "delivered\n" {
		t.Errorf("receipt %q, %v", data, err)
	}
}

// A wrong checksum fails the stage, an outage errs, and neither leaves a file.
func TestVMFetchesThatFail(t *testing.T) {
	r := newRunner(t)
	url, _ := flakyServer(t, "what is there")
	base := testJob(t, config.DefaultLimits())
	for _, c := range []struct {
		name    string
		args    map[string]any
		outcome stages.Outcome
		reason  string
	}{
		{"wrong checksum", map[string]any{"url": url, "sha256": strings.Repeat("0", 64), "retries": int64(4)}, stages.Failed, "checksum"},
		{"nobody listens", map[string]any{"url": "http://10.0.2.2:1/file", "retries": int64(1)}, stages.Errored, "could not fetch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := runJob(t, r, phase(t, base, config.Pre, "fetch", action("http_get", c.args)))
			if got.Outcome != c.outcome || !strings.Contains(strings.ToLower(got.Reason), c.reason) {
				t.Errorf("got %s: %s; want %s: …%s…", got.Outcome, got.Reason, c.outcome, c.reason)
			}
			if got.Output == nil {
				return
			}
			entries, err := blockdev.List(got.Output.Path)
			if err != nil || len(entries) > 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

// custom runs a program of the source tree with its arguments.
func TestVMCustom(t *testing.T) {
	r := newRunner(t)
	job := testJob(t, config.DefaultLimits())
	dir := filepath.Join(job.Project.Source.Address, ".ambient")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho \"variable $AMBIENT_CI_colour\"\necho \"input $(cat)\"\nexit 3\n"
	if err := os.WriteFile(filepath.Join(dir, "paint"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	custom := action("custom", map[string]any{"name": "paint", "args": map[string]any{"colour": "red", "coats": int64(2)}})
	got, rec := runJob(t, r, phase(t, job, config.Plan, "paint", custom))
	if got.Outcome != stages.Failed || got.Exit != 3 {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{"variable red", `"colour":"red"`, `"coats":2`} {
		if !strings.Contains(rec.log(), want) {
			t.Errorf("no %s in\n%s", want, rec.log())
		}
	}
}

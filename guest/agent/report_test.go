package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// reportHost is a worker over a tree with the files, for one pattern each of
// which is an action.
func reportHost(t *testing.T, files map[string]string, patterns ...string) *host {
	t.Helper()
	var plan guest.Plan
	for _, p := range patterns {
		plan.Actions = append(plan.Actions, guest.Action{Name: "shell"}, guest.Action{Name: "junit", Reports: &guest.Reports{Files: []string{p}}})
	}
	h := newHost(t, plan)
	for name, text := range files {
		path := h.path(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// sentReports returns "action:file=data" for every piece, and the warnings.
func (h *host) sentReports(ctx context.Context) (sent, warned []string) {
	h.sendReports(ctx)
	for _, m := range h.messages {
		if r := m.Report; r != nil {
			data := string(r.Data)
			if len(data) > 20 {
				data = fmt.Sprint(len(data))
			}
			sent = append(sent, fmt.Sprintf("%d:%s=%s,%t", r.Action, r.File, data, r.More))
		}
		if m.Warning != nil {
			warned = append(warned, m.Warning.Text)
		}
	}
	return sent, warned
}

func TestSendReports(t *testing.T) {
	files := map[string]string{
		"/ci/src/a.xml": "A", "/ci/src/out/b.xml": "B", "/ci/src/out/deep/er/c.xml": "C", "/ci/src/out/d.txt": "D",
		"/ci/artifacts/large.xml": strings.Repeat("x", guest.MaxReportData+5),
		"/ci/artifacts/huge.xml":  strings.Repeat("x", guest.MaxReportBytes+1),
	}
	for pattern, want := range map[string][]string{
		"/ci/src/a.xml":        {"1:/ci/src/a.xml=A,false"},
		"/ci/src/*.xml":        {"1:/ci/src/a.xml=A,false"},
		"/ci/src/*/*.xml":      {"1:/ci/src/out/b.xml=B,false"},
		"/ci/src/**/*.xml":     {"1:/ci/src/a.xml=A,false", "1:/ci/src/out/b.xml=B,false", "1:/ci/src/out/deep/er/c.xml=C,false"},
		"/ci/src/**/er/**":     {"1:/ci/src/out/deep/er/c.xml=C,false"},
		"/ci/src/out/[a-c].*":  {"1:/ci/src/out/b.xml=B,false"},
		"/ci/src/fifo":         {"test report /ci/src/fifo: it is not a file"},
		"/ci/src/link/*.xml":   {"1:/ci/src/link/b.xml=B,false"},
		"/ci/src/li*/*.xml":    nil,
		"/ci/artifacts/l*.xml": {fmt.Sprintf("1:/ci/artifacts/large.xml=%d,true", guest.MaxReportData), "1:/ci/artifacts/large.xml=xxxxx,false"},
		"/ci/artifacts/h*.xml": {"test report /ci/artifacts/huge.xml: it is larger than 8 MiB"},
		"/no/such/*.xml":       nil,
	} {
		t.Run(strings.ReplaceAll(pattern, "/", " "), func(t *testing.T) {
			h := reportHost(t, files, pattern)
			if err := syscall.Mkfifo(h.path("/ci/src/fifo"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("out", h.path("/ci/src/link")); err != nil {
				t.Fatal(err)
			}
			sent, warned := h.sentReports(context.Background())
			if got := append(sent, warned...); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// The guest keeps to the bounds itself, and says what it leaves out.
func TestReportBounds(t *testing.T) {
	files := map[string]string{}
	for i := range guest.MaxReports + 1 {
		files[fmt.Sprintf("/ci/src/%d.xml", i)] = ""
	}
	h := reportHost(t, files, "/ci/src/*.xml", "/ci/src/1*.xml")
	sent, warned := h.sentReports(context.Background())
	if len(sent) != guest.MaxReports || len(warned) != 2 || !strings.Contains(warned[0], "more than 1000") {
		t.Errorf("%d reports, %q", len(sent), warned)
	}
	slow := reportHost(t, files, "/ci/src/*.xml")
	start := time.Now()
	slow.now = func() time.Time { start = start.Add(reportTime / 3); return start }
	if sent, warned := slow.sentReports(context.Background()); len(sent) >= guest.MaxReports || len(warned) != 1 || !strings.Contains(warned[0], "takes too long") {
		t.Errorf("%d reports, %q", len(sent), warned)
	}
}

// Reports are sent after an action that failed, and before the last message.
func TestReportsAfterFailure(t *testing.T) {
	h := newHost(t, guest.Plan{Actions: []guest.Action{
		{Name: "shell", Steps: []guest.Step{{Exec: &guest.Exec{Script: "echo '<testsuite/>' > r.xml; exit 3"}}}},
		{Name: "junit", Reports: &guest.Reports{Files: []string{"/ci/src/*.xml"}}},
	}})
	if done := h.work(context.Background()); done.Error != "" {
		t.Fatal(done.Error)
	}
	var kinds []string
	for _, m := range h.messages {
		switch {
		case m.Finished != nil:
			kinds = append(kinds, fmt.Sprint("finished ", m.Finished.Exit))
		case m.Report != nil:
			kinds = append(kinds, "report "+m.Report.File)
		}
	}
	if !slices.Equal(kinds, []string{"finished 3", "report /ci/src/r.xml"}) {
		t.Errorf("%q", kinds)
	}
}

//go:build vm

package runner

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/stages"
)

const download = 256 << 20 // bytes

// BenchmarkVMDownload downloads through the filter and through QEMU's own
// user-mode network, in turns, and gives the ratio of the medians of both: ours
// should be at least 0.7 times as fast. Also how long a refused connection takes,
// as the guest's own wget sees it, which is mostly the start of wget.
func BenchmarkVMDownload(b *testing.B) {
	took := make(chan time.Duration, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 1<<20)
		began := time.Now()
		for range download / len(buf) {
			if _, err := w.Write(buf); err != nil {
				return
			}
		}
		took <- time.Since(began)
	}))
	defer server.Close()
	r := newRunner(b)
	url := strings.Replace(server.URL, "127.0.0.1", hostAddress, 1)
	var ours, theirs, refused []float64
	for b.Loop() {
		for _, user := range []bool{false, true} {
			script := refusals + "wget -q -O /dev/null " + url
			r.machines = nil
			if user {
				script = "wget -q -O /dev/null " + url
				r.machines = func(o *qemuvm.Options) { o.Network, o.Frames = &qemuvm.UserNet{}, nil }
			}
			log := networkedRun(b, r, script)
			if d := (<-took).Seconds(); user {
				theirs = append(theirs, d)
				continue
			} else {
				ours = append(ours, d)
			}
			_, text, _ := strings.Cut(log, "refused in ")
			hundredths, err := strconv.ParseFloat(strings.Fields(text + " none")[0], 64)
			if err != nil {
				b.Fatal(log)
			}
			refused = append(refused, hundredths*10/20)
		}
	}
	b.ReportMetric(download/1e6/middle(ours), "MB/s-filter")
	b.ReportMetric(download/1e6/middle(theirs), "MB/s-user")
	b.ReportMetric(middle(theirs)/middle(ours), "ratio")
	b.ReportMetric(middle(refused), "ms/refused")
}

// refusals makes 20 connections that are refused and prints how long they took
// together, in hundredths of a second, with the starts of the 20 programs.
const refusals = `now() { tr -d . </proc/uptime | cut -d" " -f1; }
began=$(now)
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do nc 203.0.113.66 81 </dev/null 2>/dev/null || true; done
echo "refused in $(($(now) - began)) hundredths"
`

func networkedRun(b *testing.B, r *Runner, script string) string {
	b.Helper()
	job := testJob(b, config.DefaultLimits(), script)
	job.Stage.ID.Phase, job.Stage.Network = config.Pre, config.NetworkAllow
	job.Stage.Allow = []config.Allow{{Host: "127.0.0.1"}}
	rec := &recorder{}
	x, err := r.Start(b.Context(), job, rec)
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	if result := x.Wait(); result.Outcome != stages.Succeeded {
		b.Fatalf("%+v\n%s", result, rec.log())
	}
	return rec.log()
}

func middle(samples []float64) float64 {
	samples = slices.Sorted(slices.Values(samples))
	return samples[len(samples)/2]
}

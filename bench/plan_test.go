package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// program is the program that is measured.
var program string

func TestMain(m *testing.M) {
	if program = os.Getenv("BENCH_PROGRAM"); program != "" {
		helper(os.Args[1:])
		return
	}
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" {
		os.Exit(m.Run())
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ambient-bench-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "ambient")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "../cmd/ambient")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	return m.Run()
}

// sample is what one process took.
type sample struct {
	Wall, CPU time.Duration
	Memory    int64 // bytes at its peak
	Out       string
}

// helper runs the program and prints a sample. It is a process of its own
// because the peak that Linux tells of a process is at least that of the one
// which started it (getrusage(2)), and the process of the benchmarks is large.
func helper(args []string) {
	cmd := exec.Command(program, args...)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	wall := time.Since(start)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		os.Exit(1)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if err := json.NewEncoder(os.Stdout).Encode(sample{wall, cpu, usage.Maxrss << 10, string(out)}); err != nil {
		panic(err)
	}
}

// run runs the program and returns what it took and printed.
func run(b *testing.B, args ...string) (s sample) {
	b.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "BENCH_PROGRAM="+program)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// goals of one benchmark; 0: none.
type goals struct {
	ratio  float64 // wall time to that of the parser
	start  float64 // wall time to that of `ambient version`
	memory int64   // bytes
}

// measure runs the program on a file set again and again, each time beside the
// parser alone on the same bytes and a program that does nothing, so that what
// else the machine does is the same for all.
func measure(b *testing.B, src string, goals goals, want string, args ...string) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ambient.hcl"), []byte(src), 0o644); err != nil {
		b.Fatal(err)
	}
	var wall, cpu, parse, start []float64
	var memory []int64
	for b.Loop() {
		s := run(b, append([]string{"-chdir=" + dir}, args...)...)
		if !strings.Contains(s.Out, want) {
			b.Fatalf("no %q in\n%.2000s", want, s.Out)
		}
		wall, cpu, memory = append(wall, ms(s.Wall)), append(cpu, ms(s.CPU)), append(memory, s.Memory)
		parse, start = append(parse, ms(parseAlone(b, src))), append(start, ms(run(b, "version").Wall))
	}
	if len(wall) < 5 {
		b.Fatal("too few runs for a median: use -benchtime=9x")
	}
	ratio, toStart := median(wall)/median(parse), median(wall)/median(start)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(wall), "ms")
	b.ReportMetric(median(cpu), "ms-cpu")
	b.ReportMetric(median(parse), "ms-parser")
	b.ReportMetric(ratio, "x-parser")
	b.ReportMetric(median(start), "ms-version")
	b.ReportMetric(toStart, "x-version")
	b.ReportMetric(float64(median(memory))/(1<<20), "MiB")
	if goals.ratio > 0 && ratio > goals.ratio || goals.start > 0 && toStart > goals.start || median(memory) > goals.memory {
		b.Errorf("missed the goals %+v", goals)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median[T int64 | float64](samples []T) T {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}

// parseAlone is what hclsyntax needs for the bytes.
func parseAlone(b *testing.B, src string) time.Duration {
	start := time.Now()
	_, diags := hclsyntax.ParseConfig([]byte(src), "ambient.hcl", hcl.InitialPos)
	if took := time.Since(start); !diags.HasErrors() {
		return took
	}
	b.Fatal(diags)
	return 0
}

const mib = 1 << 20

// The goals in milliseconds are those of a machine on which they were measured;
// what fails a run are the ratios, which hold on any.

// BenchmarkPlanOneProject is the goal of 300 ms: 1000 stages with 2 edges each.
func BenchmarkPlanOneProject(b *testing.B) {
	measure(b, configuration(1, 1000), goals{ratio: 10, memory: 150 * mib}, "1000 stages", "plan")
}

// BenchmarkPlanTenProjects is the same number of stages in ten projects.
func BenchmarkPlanTenProjects(b *testing.B) {
	measure(b, configuration(10, 100), goals{ratio: 10, memory: 150 * mib}, "1000 stages", "plan")
}

func BenchmarkPlanJSON(b *testing.B) {
	measure(b, configuration(1, 1000), goals{ratio: 12, memory: 150 * mib}, `"stages"`, "plan", "-json")
}

// BenchmarkValidateSmall is the goal of 50 ms: mostly the start of a process.
func BenchmarkValidateSmall(b *testing.B) {
	measure(b, configuration(1, 3), goals{start: 5, memory: 150 * mib}, "1 project, 3 stages", "validate")
}

func BenchmarkValidateLarge(b *testing.B) {
	measure(b, configuration(1, 1000), goals{ratio: 10, memory: 150 * mib}, "1 project, 1000 stages", "validate")
}

// BenchmarkPlanInstances is 1000 stages that two blocks make with for_each.
func BenchmarkPlanInstances(b *testing.B) {
	measure(b, instances(500), goals{start: 40, memory: 150 * mib}, "1000 stages", "plan")
}

// BenchmarkPlanManyProjects is 1000 projects that refer to each other.
func BenchmarkPlanManyProjects(b *testing.B) {
	measure(b, manyProjects(1000), goals{ratio: 20, memory: 150 * mib}, "1000 stages", "plan")
}

package bench

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/secrets"
)

// BenchmarkRedact takes 20 secrets out of a build log in the pieces in which a
// guest sends it; promised are 200 MB/s on one core.
func BenchmarkRedact(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=&-_"
	word := func(n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(text)
	}
	var values []secrets.Value
	for i := range 20 {
		values = append(values, secrets.Value{Name: fmt.Sprint(i), Text: word(12 + 3*i)})
	}
	for _, kind := range []struct {
		name string
		line func() string
	}{
		{"log", func() string {
			n := random.IntN(900)
			return fmt.Sprintf("[%3d%%] Building CXX object src/CMakeFiles/parser.dir/unit_%d.cpp.o -DNDEBUG -O2 -Wall -I/usr/include/x%d\n", n/9, n, n)
		}},
		{"base64", func() string { return word(76) + "\n" }},
	} {
		var log []byte
		for len(log) < 8<<20 {
			log = append(log, kind.line()...)
			if random.IntN(1000) == 0 {
				log = append(log, values[random.IntN(20)].Text...)
			}
		}
		b.Run(kind.name, func(b *testing.B) {
			stream := secrets.Redact(values).Stream()
			var out []byte
			b.SetBytes(int64(len(log)))
			began := processorTime()
			for b.Loop() {
				for rest := log; len(rest) > 0; {
					n := min(len(rest), 16<<10)
					out = stream.Write(out[:0], rest[:n])
					rest = rest[n:]
				}
			}
			b.ReportMetric(float64(b.N*len(log))/1e6/(processorTime()-began).Seconds(), "MB/cpu-s")
		})
	}
}

// processorTime is what this process has used of the processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

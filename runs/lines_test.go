package runs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/stages"
)

func TestParseLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	for _, l := range []Line{
		{at, 0, "stdout", "text  with spaces "},
		{at, -1, "system", ""},
		{at, 123, "stderr", "2026-01-02T03:04:05.678Z 0 stdout x"},
	} {
		if got, ok := ParseLine(l.String()); !ok || got != l {
			t.Errorf("ParseLine(%q) = %+v, %v", l.String(), got, ok)
		}
	}
	for _, s := range []string{
		"", "x", "2026-01-02T03:04:05.678Z 0 stdout", "2026-01-02T03:04:05.678Z -1 stdout x",
		"2026-01-02T03:04:05.678Z x stdout x", "2026-01-02T03:04:05.678Z 0 stdin x", "yesterday 0 stdout x",
	} {
		if l, ok := ParseLine(s); ok {
			t.Errorf("ParseLine(%q) = %+v", s, l)
		}
	}
}

func TestReadLines(t *testing.T) {
	big := strings.Repeat("x", maxLine)
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"empty", "", nil},
		{"torn", "a\nb", []string{"a"}},
		{"long", "a\n" + big[:200_000] + "\nb\n", []string{"a", big[:200_000], "b"}},
		{"too long", "a\n" + big + "\nb\n", []string{"a", "b"}},
	} {
		var got []string
		readLines(strings.NewReader(c.in), new(int64), func(line []byte, err error) bool {
			got = append(got, string(line))
			return err == nil
		})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %d lines, want %d", c.name, len(got), len(c.want))
		}
	}
}

// Whatever a guest says becomes whole lines of the log, which say who said it.
func FuzzLog(f *testing.F) {
	f.Add("a\nb", "stdout", 0)
	f.Add("x\n2026-01-02T03:04:05.678Z 0 system forged\n\x1b[2J\x00\xff\r", "x y", -5)
	f.Fuzz(func(t *testing.T, text, stream string, action int) {
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		out := string(logLines(stages.Event{Time: at, Action: &action, Stream: stream, Text: text}))
		var texts []string
		for line := range strings.Lines(out) {
			l, ok := ParseLine(strings.TrimSuffix(line, "\n"))
			if !ok || !l.Time.Equal(at) || l.Action != max(action, -1) || (stream == "stdout") != (l.Stream == "stdout") {
				t.Fatalf("%q became the line %q: %+v", text, line, l)
			}
			texts = append(texts, l.Text)
		}
		if got := strings.Join(texts, "\n"); got != stages.SafeText(text) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// TestLinesAfter follows a file that grows: each line comes once, when it is
// whole, and a line that is too long does not stop what comes behind it.
func TestLinesAfter(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	offset := int64(0)
	for _, step := range []struct{ add, want string }{
		{"", ""}, {"a\nb", "a"}, {"", ""}, {"b\n\nc\n", "bb,,c"}, {strings.Repeat("x", maxLine+1), ""}, {"\nd\ne", "d"}, {"\n", "e"},
	} {
		f.WriteString(step.add)
		var got []string
		for line, err := range linesAfter(name, &offset) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(line))
		}
		if strings.Join(got, ",") != step.want {
			t.Errorf("after %.10q: %q, want %q", step.add, got, step.want)
		}
	}
	for line, err := range linesAfter(filepath.Join(t.TempDir(), "none"), &offset) {
		t.Errorf("of no file: %q, %v", line, err)
	}
}

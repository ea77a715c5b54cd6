package stages

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ambient-ci/ambient/config"
)

var linesID = config.StageID{Project: "p", Phase: config.Plan, Name: "s"}

// lineLog collects events as "action stream text".
type lineLog struct {
	mu     sync.Mutex
	lines  []string
	events []Event
}

func (l *lineLog) Event(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	action := "-"
	if e.Action != nil {
		action = fmt.Sprint(*e.Action)
	}
	l.lines = append(l.lines, action+" "+e.Stream+" "+e.Text)
	l.events = append(l.events, e)
}

func TestLineWriter(t *testing.T) {
	type piece struct {
		action int
		stream string
		data   string
	}
	long := strings.Repeat("x", maxLine)
	for _, c := range []struct {
		name   string
		pieces []piece
		want   []string
	}{
		{"whole", []piece{{0, "stdout", "a\nb\n\nc\n"}}, []string{"0 stdout a", "0 stdout b", "0 stdout ", "0 stdout c"}},
		{"pieces", []piece{{0, "stdout", "a"}, {0, "stdout", "b\nc"}, {0, "stdout", "\n"}}, []string{"0 stdout ab", "0 stdout c"}},
		{"streams", []piece{{0, "stdout", "a"}, {0, "stderr", "b"}, {1, "stdout", "c"}, {0, "stdout", "d\n"}},
			[]string{"0 stdout a", "0 stderr b", "0 stdout d", "1 stdout c"}},
		{"an action after one whose last line has no end", []piece{{0, "stdout", "a"}, {-1, "system", "s"}, {1, "stdout", "b\n"}, {1, "stdout", "c"}, {0, "stdout", "late"}, {1, "stdout", "d\n"}},
			[]string{"0 stdout a", "1 stdout b", "1 stdout cd", "- system s", "0 stdout late"}},
		{"flush", []piece{{-1, "system", "a"}}, []string{"- system a"}},
		{"crlf", []piece{{0, "stdout", "a\r"}, {0, "stdout", "\nb\rc\r\n"}}, []string{"0 stdout a", "0 stdout b␍c"}},
		{"hostile names", []piece{{7, "x", "a\n"}, {-9, "", "b\n"}}, []string{"- system a", "- system b"}},
		{"control", []piece{{0, "stdout", "\x1b]0;t\x07\xff\n"}}, []string{"0 stdout ␛]0;t␇\uFFFD"}},
		{"split character", []piece{{0, "stdout", "\xc3"}, {0, "stdout", "\xa9\n"}}, []string{"0 stdout é"}},
		{"longest", []piece{{0, "stdout", long + "\n"}}, []string{"0 stdout " + long}},
		{"too long", []piece{{0, "stdout", long + "yz\n"}}, []string{"0 stdout " + long, "0 stdout yz"}},
		{"too long in pieces", []piece{{0, "stdout", long}, {0, "stdout", "y"}}, []string{"0 stdout " + long, "0 stdout y"}},
		{"too long, cut in a character", []piece{{0, "stdout", long[1:] + "é\n"}}, []string{"0 stdout " + long[1:], "0 stdout é"}},
		{"nothing", []piece{{0, "stdout", ""}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log lineLog
			w := NewLineWriter(&log, linesID, 2)
			for _, p := range c.pieces {
				w.Write(time.Now(), p.action, p.stream, []byte(p.data))
			}
			w.Flush()
			if !slices.Equal(log.lines, c.want) {
				t.Errorf("lines %.200q, want %.200q", log.lines, c.want)
			}
			for _, e := range log.events {
				if e.Type != LogOutput || e.Stage != "p/plan.s" || e.ID != linesID {
					t.Errorf("event %+v", e)
				}
			}
		})
	}
}

func TestLineWriterTime(t *testing.T) {
	var log lineLog
	w := NewLineWriter(&log, linesID, 1)
	good := time.Now().Add(-time.Minute)
	for _, at := range []time.Time{good, {}, time.Unix(1<<40, 0), time.Unix(-1<<60, 0), time.Unix(1<<62, 0)} {
		w.Write(at, 0, "stdout", []byte("x\n"))
	}
	if !log.events[0].Time.Equal(good) {
		t.Errorf("a good time became %v", log.events[0].Time)
	}
	for _, e := range log.events[1:] {
		if d := time.Since(e.Time); d < 0 || d > time.Minute {
			t.Errorf("an impossible time became %v", e.Time)
		}
	}
}

func TestLineWriterConcurrent(t *testing.T) {
	var log lineLog
	w := NewLineWriter(&log, linesID, 4)
	w.Write(time.Now(), 3, "system", []byte("\n")) // else the first word of each action ends the lines before it
	var all sync.WaitGroup
	for action := range 4 {
		all.Go(func() {
			for range 100 {
				w.Write(time.Now(), action, "stdout", []byte("ab"))
				w.Write(time.Now(), action, "stdout", []byte("c\n"))
			}
		})
	}
	all.Wait()
	w.Flush()
	for action := range 4 {
		n := 0
		for _, l := range log.lines {
			if l == fmt.Sprintf("%d stdout abc", action) {
				n++
			}
		}
		if n != 100 {
			t.Errorf("action %d has %d lines, want 100", action, n)
		}
	}
}

// However output is cut into pieces, the same lines come out.
func FuzzLineWriter(f *testing.F) {
	f.Add([]byte("a\nb\r\n\x1b[1mc"), uint16(3))
	f.Add(bytes.Repeat([]byte("é"), maxLine/2+1), uint16(9999))
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		var whole, pieces lineLog
		w := NewLineWriter(&whole, linesID, 1)
		w.Write(time.Now(), 0, "stdout", data)
		w.Flush()
		w = NewLineWriter(&pieces, linesID, 1)
		for p := range slices.Chunk(data, int(size)+1) {
			w.Write(time.Now(), 0, "stdout", p)
		}
		w.Flush()
		if !slices.Equal(whole.lines, pieces.lines) {
			t.Errorf("in pieces of %d: %.500q, whole: %.500q", int(size)+1, pieces.lines, whole.lines)
		}
	})
}

func TestSafeText(t *testing.T) {
	for _, c := range []struct{ in, safe, plain string }{
		{"", "", ""},
		{"plain\ttext\n", "plain\ttext\n", "plain\ttext\n"},
		{"é漢🙂", "é漢🙂", "é漢🙂"},
		{"\x1b[1;31mred\x1b[m", "\x1b[1;31mred\x1b[m", "red"},
		{"\x1b[38:2::1:2:3mx", "\x1b[38:2::1:2:3mx", "x"},
		{"\x1b[2J\x1b[1;1H", "␛[2J␛[1;1H", "␛[2J␛[1;1H"},
		{"\x1b[?25l", "␛[?25l", "␛[?25l"},
		{"\x1b[>4m", "␛[>4m", "␛[>4m"}, // not a colour: xterm's key modifiers
		{"\x1b]52;c;AAAA\x07", "␛]52;c;AAAA␇", "␛]52;c;AAAA␇"},
		{"\x1b[", "␛[", "␛["},
		{"\x1b[" + strings.Repeat("1;", 50) + "m", "␛[" + strings.Repeat("1;", 50) + "m", "␛[" + strings.Repeat("1;", 50) + "m"},
		{"\x1b\x1b[1m", "␛\x1b[1m", "␛"},
		{"a\rb\bc\x00\x7f", "a␍b␈c␀␡", "a␍b␈c␀␡"},
		{"\u009b2J\x9b2J", "\uFFFD2J\uFFFD2J", "\uFFFD2J\uFFFD2J"},
		{"\u202egnp.exe\u2066\u200f\u061c", "\uFFFDgnp.exe\uFFFD\uFFFD\uFFFD", "\uFFFDgnp.exe\uFFFD\uFFFD\uFFFD"},
		{"a\u2028b", "a\uFFFDb", "a\uFFFDb"},
		{"\xc3\x28\xff", "\uFFFD(\uFFFD", "\uFFFD(\uFFFD"},
	} {
		if got := SafeText(c.in); got != c.safe {
			t.Errorf("SafeText(%q) = %q, want %q", c.in, got, c.safe)
		}
		if got := PlainText(c.in); got != c.plain {
			t.Errorf("PlainText(%q) = %q, want %q", c.in, got, c.plain)
		}
	}
}

func FuzzSafeText(f *testing.F) {
	for _, s := range []string{"\x1b[1m\x1b[", "\x1b[1\x1b[m;31m", "\x9b31m", "\xe2\x80\xae", "\x1b[0;m\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		safe, plain := SafeText(s), PlainText(s)
		if !utf8.ValidString(safe) || SafeText(safe) != safe || PlainText(plain) != plain {
			t.Errorf("%q became %q and %q", s, safe, plain)
		}
		if strings.ContainsRune(plain, '\x1b') {
			t.Errorf("plain text of %q is %q", s, plain)
		}
		for i, r := range safe {
			if r == '\x1b' && sgrLen(safe[i:]) == 0 || r != '\x1b' && r != safeRune(r) {
				t.Errorf("%q became %q", s, safe)
			}
		}
		if strings.Count(safe, "\n") != strings.Count(s, "\n") {
			t.Errorf("%q has other lines than %q", safe, s)
		}
	})
}

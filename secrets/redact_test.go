package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestRedactor(t *testing.T) {
	r := NewRedactor([]string{"hunter2", "hunter2hunter2", "ab", "first line\nsecond line\n", "", "a\nb\nc\nd\ne\n"})
	for in, want := range map[string]string{
		"the word is hunter2!":          "the word is (sensitive)!",
		"hunter2hunter2":                "(sensitive)",
		"ab is too short":               "ab is too short",
		"only the second line of it":    "only the (sensitive) of it",
		"first line\nsecond line\n":     "(sensitive)\n",
		"first line\r\nsecond line\r\n": "(sensitive)\r\n",
		"it was first line second line": "it was (sensitive)",
		"hun\nter2 and hunter\n":        "(sensitive) and hunter\n",
		"a\nb\nc\nd\ne":                 "(sensitive)",
		"huhunter2":                     "hu(sensitive)",
	} {
		if got := r.Text(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if got := (Redactor{}).Text("as it is"); got != "as it is" {
		t.Errorf("the zero value: %q", got)
	}
	var b bytes.Buffer
	w := (Redactor{}).Writer(&b)
	fmt.Fprint(w, "as it is")
	if w.Close(); b.String() != "as it is" {
		t.Errorf("the zero value: %q", b.String())
	}
}

// Programs print a value in many forms; none of it is left but the characters
// of base64 that the neighbours of the value decide as well.
func TestForms(t *testing.T) {
	const value = `p@ss/wörd <&> "it's" ~100%?`
	js, _ := json.Marshal(value)
	forms := map[string]string{
		"plain":      value,
		"query":      url.QueryEscape(value),
		"path":       url.PathEscape(value),
		"lower hex":  regexp.MustCompile(`%..`).ReplaceAllStringFunc(url.QueryEscape(value), strings.ToLower),
		"JSON":       string(js),
		"ASCII JSON": `"p@ss/w\u00f6rd <&> \"it's\" ~100%?"`,
		"PHP's JSON": `"p@ss\/w\u00f6rd <&> \"it's\" ~100%?"`,
		"HTML":       html.EscapeString(value),
		"set -x":     `'p@ss/wörd <&> "it'\''s" ~100%?'`,
		"Python":     "p%40ss/w%C3%B6rd%20%3C%26%3E%20%22it%27s%22%20~100%25%3F",
		"JavaScript": "p%40ss%2Fw%C3%B6rd%20%3C%26%3E%20%22it's%22%20~100%25%3F",
		"form":       "p%40ss%2Fw%C3%B6rd+%3C%26%3E+%22it%27s%22+%7E100%25%3F",
		"wrapped":    "p@ss/wörd <\n&> \"it's\"\n ~100%?",
	}
	for name, text := range forms {
		got := Redact([]Value{{"x", value}}).Text("before " + text + " after")
		if rest := strings.Trim(strings.TrimSuffix(strings.TrimPrefix(got, "before "), " after"), `'"`); rest != Mark {
			t.Errorf("%s: %q became %q", name, text, got)
		}
	}
}

func TestBase64(t *testing.T) {
	const value = "a?>secret~~value"
	r := Redact([]Value{{"x", value}})
	for before := range 7 {
		for after := range 4 {
			text := strings.Repeat("~", before) + value + strings.Repeat("?", after)
			for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
				encoded := e.EncodeToString([]byte(text))
				for wrap := 1; wrap <= len(encoded); wrap++ {
					wrapped := encoded[:wrap] + "\n" + encoded[wrap:]
					got := r.Text(wrapped)
					i := strings.Index(got, Mark)
					if i < 0 || len(got)-len(Mark) > (before+after)*8/6+6 {
						t.Fatalf("%q became %q", wrapped, got)
					}
				}
			}
		}
	}
}

func TestCounts(t *testing.T) {
	r := Redact([]Value{{"secret.token.a", "alphaalpha"}, {"secret.token.b", "bravobravo"}, {"secret.token.c", "tiny"}, {"secret.token.d", "never seen"}})
	r.Text("alphaalpha " + base64.StdEncoding.EncodeToString([]byte("alphaalpha")) + " bravobravo")
	if c := r.Counts(); c["secret.token.a"] != 2 || c["secret.token.b"] != 1 || len(c) != 2 {
		t.Errorf("counted %v", c)
	}
	if s := r.Short(); len(s) != 1 || s[0] != "secret.token.c" {
		t.Errorf("too short: %v", s)
	}
}

// Only what may be the beginning of a value is held back, and over a line's end
// only as long as something may follow.
func TestHoldsLittle(t *testing.T) {
	s := NewRedactor([]string{"hunter2", "apassword"}).Stream()
	for _, step := range []struct{ in, out, idle string }{
		{"a whole line\n", "a whole line\n", ""},
		{"ends with h", "ends with ", ""},
		{"at\n", "hat\n", ""},
		{"an a\n", "an ", "a\n"},
		{"an a\np", "an ", "a\np"},
		{"an a\npassword", "an " + Mark, ""},
		{"an apas\n", "an ", ""},
		{"sage\n", "apas\nsage\n", ""},
		{"a\n", "", "a\n"},
		{"hunte\n", "", ""},
		{"r2\n", Mark + "\n", ""},
		{"hunte", "", ""},
		{"d\n", "hunted\n", ""},
	} {
		if got := string(s.Write(nil, []byte(step.in))); got != step.out {
			t.Errorf("%q gave %q, want %q", step.in, got, step.out)
		}
		if got := string(s.Idle(nil)); got != step.idle {
			t.Errorf("%q gave %q when idle, want %q", step.in, got, step.idle)
		}
	}
	if got := string(s.Flush(nil)); got != "" {
		t.Errorf("%q at the end", got)
	}
}

// Whatever the values, the text and the pieces it comes in, no value of the
// least length is left, and what is no value comes through.
func FuzzRedactor(f *testing.F) {
	f.Add("hunter2", "hunter", "xhunter2hunter2hunterx", uint64(1))
	f.Add("aaaaa", "aaaaaa", "aaaaaaaaa", uint64(2))
	f.Add("one\ntwo2", "abc\n\n\ndef", "two2 one\ntwo2 abc\n\n\ndef", uint64(3))
	f.Add("bcdef", "abcdefghij", "ab\ncdef\nxabcdefghi", uint64(4))
	f.Add("\n\n\n\n\nabcde", "x\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nyzyzy", "x\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nyzyzy", uint64(5))
	f.Fuzz(func(t *testing.T, a, b, text string, seed uint64) {
		values := []string{a, b}
		for _, v := range values {
			if len(v) > 0 && strings.ContainsAny(Mark, v[:1]+v[len(v)-1:]+core(v)[:1]+core(v)[len(core(v))-1:]) {
				return // what the mark itself brings in
			}
		}
		random := rand.New(rand.NewPCG(seed, 0))
		insert := func(s string) string {
			at := random.IntN(len(text) + 1)
			return text[:at] + s + text[at:]
		}
		text = insert(values[random.IntN(2)])
		s := NewRedactor(values).Stream()
		var out []byte
		for p := []byte(text); len(p) > 0; {
			n := 1 + random.IntN(len(p))
			out = s.Write(out, p[:n])
			p = p[n:]
			if random.IntN(3) == 0 {
				out = s.Idle(out)
			}
		}
		out = s.Flush(out)
		checkClean(t, values, text, string(out))
		if len(out) > len(text)+len(Mark)*len(text) {
			t.Errorf("%d bytes became %d", len(text), len(out))
		}
		checkClean(t, values, text, NewRedactor(values).Text(text))
	})
}

func checkClean(t *testing.T, values []string, text, out string) {
	t.Helper()
	for _, v := range values {
		if bare(v) >= Shortest && strings.Contains(out, v) {
			t.Errorf("%q is left: %q became %q", v, text, out)
		}
	}
	if !strings.Contains(out, Mark) && out != text {
		t.Errorf("%q became %q and nothing was in it", text, out)
	}
}

package secrets

import (
	"strings"
	"testing"
)

func TestRedactor(t *testing.T) {
	r := NewRedactor([]string{"hunter2", "hunter2hunter2", "ab", "first line\nsecond line\n", ""})
	for in, want := range map[string]string{
		"the word is hunter2!":       "the word is (sensitive)!",
		"hunter2hunter2":             "(sensitive)",
		"ab is too short":            "ab is too short",
		"only the second line of it": "only the (sensitive) of it",
		"first line\nsecond line\n":  "(sensitive)",
	} {
		if got := r.Text(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if got := (Redactor{}).Text("as it is"); got != "as it is" {
		t.Errorf("the zero value: %q", got)
	}
}

// Whatever the values and the text, no value of the least length is left.
func FuzzRedactor(f *testing.F) {
	f.Add("hunter2", "hunter", "xhunter2hunter2hunterx")
	f.Add("aaaa", "aaaaa", "aaaaaaaaa")
	f.Add("one\ntwo2", "(sensitive)", "two2 one (sensitive)")
	f.Fuzz(func(t *testing.T, a, b, text string) {
		if strings.Contains(Mark, a) || strings.Contains(Mark, b) || strings.Contains(a+b, Mark[:1]) || strings.Contains(a+b, Mark[len(Mark)-1:]) {
			return // what the mark itself brings in
		}
		got := NewRedactor([]string{a, b}).Text(text)
		for _, v := range []string{a, b} {
			if len(v) >= Shortest && strings.Contains(got, v) {
				t.Errorf("%q is left in %q", v, got)
			}
		}
	})
}

package planfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func sum(c string) string { return strings.Repeat(c, 64) }

func sample() *Plan {
	return &Plan{
		Program: "v1",
		Inputs:  Inputs{Targets: []string{}, Vars: []string{"a=<b>"}, VarFiles: []string{}, Environ: []string{}, Sensitive: []string{"s"}},
		Files:   []Entry{{"ambient.hcl", File, sum("a")}},
		Trees:   []Tree{{".", []Entry{{"\"q", File, sum("1")}, {"a\xff", Link, sum("b")}, {"empty", Directory, ""}, {"x", Program, sum("c")}}}},
		Stages:  []Evaluated{{"p/plan.x", json.RawMessage(`{"a":1}`)}},
		Shown:   json.RawMessage(`{"v":1}`),
	}
}

func TestEncodeDecode(t *testing.T) {
	p := sample()
	data, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(bytes.NewReader(data), "v1")
	if err != nil || !reflect.DeepEqual(p, again) {
		t.Errorf("got %+v, %v, want %+v", again, err, p)
	}
	if same, _ := Encode(again); !bytes.Equal(data, same) {
		t.Error("the same plan gives other bytes")
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("%q is not in %s", old, good)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for _, tt := range []struct{ text, want string }{
		{"", "not a plan file"},
		{"project {}", "not a plan file"},
		{`{"format":"other"}`, "not a plan file"},
		{change(`"v":1,`, `"v":2,`), "of version 2"},
		{change(`"program":"v1"`, `"program":"v2"`), "made by ambient v2, and this is ambient v1"},
		{change(`"files":`, `"more":1,"files":`), "damaged"},
		{change(`"kind":"file"`, `"kind":"pipe"`), `"ambient.hcl" makes no sense`},
		{change(sum("a"), "aa"), `"ambient.hcl" makes no sense`},
		{change(`"empty"`, `"zzz"`), `"x" is not in order`},
		{change(`{"path":"x"`, `{"path":"empty"`), "not in order"},
		{change(`"\"\\\"q\""`, `"\"\\q"`), "damaged"},
		{change(`"shown"`, `"seal":{"salt":"00","pbkdf2":"11"},"shown"`), "its seal makes no sense"},
		{change(`"trees":[`, `"trees":[{"source":".","entries":[]},`), "twice"},
		{string(good) + "{}", "not a plan file"},
		{string(good[:len(good)/2]), "not a plan file"},
	} {
		_, err := Decode(strings.NewReader(tt.text), "v1")
		var format *FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.80q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

func TestCompare(t *testing.T) {
	before := []Entry{{"a", File, "1"}, {"b", File, "1"}, {"c", File, "1"}, {"d", File, "1"}}
	now := []Entry{{"0", File, "1"}, {"b", File, "2"}, {"c", Program, "1"}, {"d", File, "1"}, {"e", File, "1"}}
	want := []Change{{"0", "added"}, {"a", "removed"}, {"b", "changed"}, {"c", "changed"}, {"e", "added"}}
	if got := Compare(before, now); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Compare(now, now); got != nil {
		t.Errorf("got %v for the same", got)
	}
}

func TestReadTree(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("b/c/deep", "one", 0o600)
	write("a", "two", 0o755)
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "hollow"), 0o755), os.Symlink("/etc/passwd", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	tree, err := ReadTree(context.Background(), dir, []string{"link", "hollow", "b/c/deep", "a", "gone"})
	if err != nil {
		t.Fatal(err)
	}
	hash := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	want := []Entry{{"a", Program, hash("two")}, {"b/c/deep", File, hash("one")}, {"hollow", Directory, ""}, {"link", Link, hash("/etc/passwd")}}
	if !reflect.DeepEqual(tree, want) {
		t.Errorf("got %v, want %v", tree, want)
	}
}

func TestCanonical(t *testing.T) {
	type place struct {
		Filename   string
		Start, End struct{ Line int }
	}
	type thing struct {
		Name    string
		Range   place
		Address string
		N       any
		List    []string
	}
	hide := func(s string) string { return strings.ReplaceAll(s, "secret", "***") }
	got, err := Canonical(thing{"a <secret>", place{Filename: "x"}, "/dir/sub", 12345678901234567, []string{"secret"}}, "/dir", hide)
	want := `{"Address":"sub","List":["***"],"N":12345678901234567,"Name":"a <***>"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestSeal(t *testing.T) {
	s, err := NewSeal([]byte("text"))
	if err != nil || !s.Fits([]byte("text")) || s.Fits([]byte("other")) || s.check() != nil {
		t.Errorf("seal %v, %v", s, err)
	}
	if other, _ := NewSeal([]byte("text")); *other == *s {
		t.Error("two seals of a text are the same")
	}
}

func FuzzDecode(f *testing.F) {
	good, err := Encode(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":"ambient-plan","v":1,"program":"v1","trees":[{"entries":[{"path":"\"\\"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(bytes.NewReader(data), "v1")
		var format *FormatError
		if err != nil {
			if !errors.As(err, &format) {
				t.Errorf("%v is no FormatError", err)
			}
			return
		}
		text, err := Encode(p)
		if err != nil {
			t.Fatalf("what was read can not be written: %v", err)
		}
		again, err := Decode(bytes.NewReader(text), "v1")
		if err != nil || !reflect.DeepEqual(again.Files, p.Files) || !reflect.DeepEqual(again.Trees, p.Trees) {
			t.Errorf("read again: %v", err)
		}
	})
}

package reports

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// Reports as common tools write them, each with what it says.
func TestTools(t *testing.T) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var s Summary
			if err := s.Add(filepath.Base(file), f, asItIs); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(strings.TrimSuffix(file, ".xml") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var want Summary
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(s, want) {
				got, _ := json.MarshalIndent(s, "", "  ")
				t.Errorf("got %s", got)
			}
		})
	}
}

func asItIs(s string) string { return s }

// What is kept is cleaned before it is shortened.
func TestClean(t *testing.T) {
	var s Summary
	text := "<testsuite name='s'><testcase name='" + strings.Repeat("x", MaxName-3) + "secret'><error>a secret</error></testcase></testsuite>"
	if err := s.Add("secret.xml", strings.NewReader(text), func(s string) string { return strings.ReplaceAll(s, "secret", "…") }); err != nil {
		t.Fatal(err)
	}
	want := []Case{{Name: strings.Repeat("x", MaxName-3) + "…", Suite: "s", Kind: KindError, Message: "a …", Report: "….xml"}}
	if !reflect.DeepEqual(s.Failing, want) {
		t.Errorf("%+v", s.Failing)
	}
}

func add(t *testing.T, text string) (Summary, string) {
	t.Helper()
	var s Summary
	if err := s.Add("x.xml", strings.NewReader(text), asItIs); err != nil {
		return s, err.Error()
	}
	return s, ""
}

func TestWrongReports(t *testing.T) {
	for name, c := range map[string]struct {
		text, err string
		total     int
		reports   int
	}{
		"empty":          {"", "it is no test report in JUnit's format", 0, 0},
		"no XML":         {"{}", "it is no test report in JUnit's format", 0, 0},
		"another kind":   {"<html><testcase/></html>", "it is no test report in JUnit's format", 0, 0},
		"cut off":        {"<testsuite><testcase/><testcase><failure>x", "it is damaged at line 1: unexpected EOF", 1, 1},
		"entity":         {"<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b SYSTEM \"file:///etc/passwd\">]><testsuite><testcase name='&a;'/></testsuite>", "it is damaged at line 1: invalid character entity &a;", 0, 1},
		"external":       {"<!DOCTYPE testsuite SYSTEM \"http://h/x.dtd\"><testsuite><testcase/></testsuite>", "", 1, 1},
		"deep":           {strings.Repeat("<testsuite>", MaxDepth+1), "its elements are nested more than 100 deep", 0, 1},
		"too large":      {"<testsuite><testcase/>" + strings.Repeat(" ", MaxBytes), "it is larger than 8 MiB", 1, 1},
		"nested cases":   {"<testsuite><testcase><testcase/></testcase></testsuite>", "it has a case within a case", 0, 1},
		"control":        {"<testsuite>\x00\x1b[31m<testcase name='\x07'/></testsuite>", "", 1, 1},
		"encoding":       {"<?xml version='1.0' encoding='ISO-8859-1'?><testsuite><testcase name='\xe4'/></testsuite>", "", 1, 1},
		"wrong end":      {"<testsuite><testcase></testsuite>", "it is damaged at line 1: element <testcase> closed by </testsuite>", 0, 1},
		"many of a name": {"<testsuite a='1' a='2'/>", "", 0, 1},
		"UTF-16":         {"\xff\xfe<\x00t\x00", "it is no test report in JUnit's format", 0, 0},
	} {
		s, err := add(t, c.text)
		if err != c.err || s.Total != c.total || s.Reports != c.reports {
			t.Errorf("%s: %q and %+v, want %q, %d cases, %d reports", name, err, s, c.err, c.total, c.reports)
		}
	}
}

func TestBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("<testsuites>")
	for i := range MaxFailing + 5 {
		fmt.Fprintf(&b, "<testcase name='%d %s' classname='%s' time='NaN'><failure message='%s'/></testcase>",
			i, strings.Repeat("ä", 300), strings.Repeat("c", 300), strings.Repeat("€", 300))
	}
	b.WriteString("<testcase time='1e9'/><testcase time='-1'/><testcase time='1,000.5'/></testsuites>")
	s, err := add(t, b.String())
	if err != "" || s.Failed != MaxFailing+5 || len(s.Failing) != MaxFailing || s.Time != 1000.5 || s.Bad() != s.Failed {
		t.Fatalf("%q %+v", err, s)
	}
	for _, c := range s.Failing {
		if len(c.Name) > MaxName || len(c.Suite) > MaxName || len(c.Message) > MaxMessage || !utf8.ValidString(c.Name+c.Message) {
			t.Errorf("%+v", c)
		}
	}
}

// No report panics or brings more than the bounds, and what is counted adds up.
func FuzzAdd(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.xml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("<testsuite><error/><testcase><error/><failure/><skipped/></testcase></testsuite>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Summary
		_ = s.Add("f", strings.NewReader(string(data)), asItIs)
		if s.Bad()+s.Skipped > s.Total || s.Reports > 1 || len(s.Failing) > MaxFailing || s.Time < 0 {
			t.Fatalf("%+v", s)
		}
		for _, c := range s.Failing {
			if len(c.Name) > MaxName || len(c.Suite) > MaxName || len(c.Message) > MaxMessage ||
				!utf8.ValidString(c.Name+c.Suite+c.Message) || strings.ContainsRune(c.Name+c.Message, 0) {
				t.Fatalf("%+v", c)
			}
		}
	})
}

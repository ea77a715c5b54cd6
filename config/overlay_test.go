package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goodProject = "project \"p\" {\n  plan \"s\" {\n    action \"shell\" { script = \"true\" }\n  }\n}\n"

func TestFilesStandInForThoseOnDisk(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, FileName, "this is broken {")
	write(t, dir, "other.ambient.hcl", "limits \"l\" {}\n")
	files := map[string][]byte{
		FileName:                []byte("\ufeff" + strings.ReplaceAll(goodProject, "\n", "\r\n")),
		"new.ambient.hcl":       []byte("locals {\n  a = nope\n}\n"),
		"../out.ambient.hcl":    []byte("broken {"),
		"ignored.hcl":           []byte("broken {"),
		".hidden.ambient.hcl":   []byte("broken {"),
		"sub/deep.ambient.hcl":  []byte("broken {"),
		"other.ambient.hcl.bak": []byte("broken {"),
	}
	_, diags := Load(dir, Options{Actions: testActions(), Files: files})
	if len(diags) != 1 || filepath.Base(diags[0].Subject.Filename) != "new.ambient.hcl" || diags[0].Subject.Start.Line != 2 {
		t.Errorf("diagnostics %v; want one in line 2 of the file that is not on disk", diags)
	}
	got := Sources(dir, files)
	if len(got) != 3 || string(got[FileName]) != "\ufeff"+goodProject || string(got["other.ambient.hcl"]) != "limits \"l\" {}\n" {
		t.Errorf("sources %q", got)
	}
	if _, diags = Load(dir, Options{Actions: testActions()}); !diags.HasErrors() {
		t.Error("the file on disk is broken, and Load without Files did not read it")
	}
}

func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	_, diags := Load(dir, Options{Files: map[string][]byte{FileName: make([]byte, maxFile+1)}})
	if len(diags) != 1 || diags[0].Summary != "Unreadable file" {
		t.Errorf("diagnostics %v", diags)
	}
	if Sources(filepath.Join(dir, "missing"), nil) != nil {
		t.Error("a directory that does not exist has sources")
	}
	if err := os.WriteFile(filepath.Join(dir, "a.ambient.hcl"), make([]byte, maxFile+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := Sources(dir, nil); len(got) != 0 {
		t.Errorf("read %d files, one of which is too large", len(got))
	}
}

func TestUnsetVariablesOfAnEditor(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, FileName, `
variable "a" {}
variable "b" {
  type = object({ x = optional(string) })
  sensitive = true
}
locals {
  upper = upper(var.a)
  wrong = nope.x
}
`+strings.Replace(goodProject, "{ script = \"true\" }", "{\n script = \"${var.a} ${local.upper}\"\n env = var.b\n}", 1))
	opts := Options{Actions: testActions()}
	if _, diags := Load(dir, opts); len(diags) != 3 {
		t.Errorf("without UnsetVars: %v; want two variables and a local", diags)
	}
	opts.UnsetVars = true
	if _, diags := Load(dir, opts); len(diags) != 1 || diags[0].Summary != "Unknown reference" {
		t.Errorf("with UnsetVars: %v; want the local only", diags)
	}
}

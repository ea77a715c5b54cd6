package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const rightFile = "project \"p\" {\n  plan \"x\" {\n    action \"shell\" { script = \"true\" }\n  }\n}\n"

// badInput makes, in the working directory, directories with configurations of
// every bad kind, named by it.
func badInput() int {
	matrix := func(axis string) string {
		return strings.Replace(rightFile, "    action", "    matrix {\n"+axis+"    }\n    action", 1)
	}
	wide := "      a = range(1000)\n"
	var stages strings.Builder
	stages.WriteString("project \"p\" {\n")
	for i := range 11 {
		stages.WriteString("  plan \"s" + string(rune('a'+i)) + "\" {\n    matrix {\n" + wide + "    }\n    action \"shell\" { script = \"true\" }\n  }\n")
	}
	stages.WriteString("}\n")
	files := map[string]string{
		"nesting/ambient.hcl":        "locals {\n  x = " + strings.Repeat("[", 100_000) + "\n}\n",
		"huge/ambient.hcl":           strings.Repeat("# a comment\n", 1<<17),
		"cycle/ambient.hcl":          "locals {\n  a = local.b\n  b = \"${local.a}\"\n}\n" + rightFile,
		"binary/ambient.hcl":         "\x7fELF\x00\x01\xff\xfe",
		"names/ambient.hcl":          strings.Replace(rightFile, `"p"`, `"a\"b\n\u001b[31m"`, 1),
		"many/ambient.hcl":           matrix(wide + "      b = [1, 2]\n"),
		"stages/ambient.hcl":         stages.String(),
		"crlf/ambient.hcl":           "\ufeff" + strings.ReplaceAll(rightFile, "\n", "\r\n"),
		"crlf-bad/ambient.hcl":       "\ufeff" + strings.ReplaceAll(strings.Replace(rightFile, "{ script = \"true\" }", "{ script = \"true\" }\n    scrpt = 1", 1), "\n", "\r\n"),
		"inside/other":               rightFile,
		"elsewhere":                  rightFile,
		"odd \"name\n/ambient.hcl":   "x = 1\n",
		"odd \"name/ambient.hcl":     "x = 1\n",
		"dangling/.keep":             "",
		"loop/.keep":                 "",
		"outside/.keep":              "",
		"pipe/.keep":                 "",
		"names of files/ambient.hcl": rightFile,
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fail(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return fail(err)
		}
	}
	for link, to := range map[string]string{"dangling": "nowhere", "loop": "ambient.hcl", "outside": "../elsewhere", "inside": "other"} {
		if err := os.Symlink(to, filepath.Join(link, "ambient.hcl")); err != nil {
			return fail(err)
		}
	}
	if err := syscall.Mkfifo("pipe/ambient.hcl", 0o600); err != nil {
		return fail(err)
	}
	return 0
}

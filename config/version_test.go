package config

import (
	"strings"
	"testing"
)

// TestRequiredVersion reads constraints of every form. What else is wrong with
// the files is told only to a program that may read them.
func TestRequiredVersion(t *testing.T) {
	const wrong, invalid, future = "Wrong version of ambient", "Invalid version constraint", "Unknown block, Unknown argument, Unknown reference"
	tests := []struct{ version, value, want string }{
		{"0.3.1", `">= 0.1, < 2"`, future},
		{"0.3.1", `"~> 0.3"`, future},
		{"0.3.1", `"~> 0.3.0"`, future},
		{"0.3.1", `"~> 0.2.0"`, wrong},
		{"0.3.1", `"!= 0.3.1"`, wrong},
		{"0.3.1", `"= 0.3.1"`, future},
		{"0.3.1", `"0.3.2"`, wrong},
		{"0.3.1", `"> 0.3.1"`, wrong},
		{"0.3.1", `">= 1.0, < 0.5"`, wrong},
		{"0.3.1-dev+g123", `">= 0.3.1"`, future},
		{"v0.3.1", `">= 0.3"`, future},
		{"(devel)", `">= 99"`, future},
		{"0.3.1", `">= one"`, invalid + ", " + future},
		{"0.3.1", `""`, invalid + ", " + future},
		{"0.3.1", `1`, invalid + ", " + future},
		{"0.3.1", `null`, invalid + ", " + future},
		{"0.3.1", `local.v`, invalid + ", " + future},
		{"0.3.1", `[">= 0.1"]`, invalid + ", " + future},
	}
	for _, tt := range tests {
		src := "ambient {\n  required_version = " + tt.value + "\n}\nfuture \"block\" {}\nnew = 1\n" + minimal + "locals {\n  x = new.thing\n}\n"
		_, diags := loadText(t, src, Options{Version: tt.version})
		var got []string
		for _, d := range diags {
			got = append(got, d.Summary)
		}
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("%s with %s: %s, want %s", tt.version, tt.value, text, tt.want)
		}
	}
}

// TestOldProgramAndNewSyntax shows that a file that this program can not even
// parse still says that it is for a newer one.
func TestOldProgramAndNewSyntax(t *testing.T) {
	for _, broken := range []string{"project \"p\" {\n  a = @new\n}\n", "locals {\n  x = 1 +\n}\n", "plan := 3\n"} {
		_, diags := loadText(t, "ambient {\n  required_version = \">= 2\"\n}\n"+broken, Options{Version: "0.1.0"})
		if len(diags) != 1 || diags[0].Summary != "Wrong version of ambient" {
			t.Errorf("%q gives %v", broken, diags)
		}
	}
}

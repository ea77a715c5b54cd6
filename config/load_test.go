package config

import (
	"bytes"
	"encoding/json"
	"testing"
)

// testActions are schemas of every shape.
func testActions() map[string]*ActionSchema {
	return map[string]*ActionSchema{
		"shell": {
			Name: "shell", Doc: "Runs a script.", Phases: Phases,
			Params: []Param{
				{Name: "script", Type: TypeString, Required: true, Doc: "The script."},
				{Name: "shell", Type: TypeString, Doc: "The interpreter."},
			},
		},
		"http_get": {
			Name: "http_get", Doc: "Fetches.", Phases: []Phase{Pre, Post},
			Params: []Param{
				{Name: "url", Type: TypeString, Doc: "What to fetch."},
				{Name: "sha256", Type: TypeString, Doc: "Its checksum."},
				{Name: "retries", Type: TypeNumber, Default: int64(3), Doc: "How often."},
			},
			Blocks: []BlockSchema{{Name: "file", Doc: "A file.", Params: []Param{{Name: "url", Type: TypeString, Required: true, Doc: "What to fetch."}}}},
			Check: func(a Args) []Problem {
				if a.Has("url") && len(a.Blocks["file"]) > 0 {
					return []Problem{{Param: "url", Summary: "Both url and file", Detail: "Use one of the two."}}
				}
				var out []Problem
				for i, f := range a.Blocks["file"] {
					if f.String("url") == "bad" {
						out = append(out, Problem{Param: "url", Block: "file", Index: i, Summary: "Bad address", Detail: "Write a good one."})
					}
				}
				return out
			},
		},
		"custom": {
			Name: "custom", Doc: "Runs the project's own.", Phases: []Phase{Plan},
			Params: []Param{
				{Name: "name", Type: TypeString, Required: true, Doc: "Which."},
				{Name: "args", Type: TypeAny, Doc: "Anything."},
				{Name: "strings", Type: TypeStrings, Doc: "Strings."},
				{Name: "map", Type: TypeMap, Doc: "Map."},
				{Name: "flag", Type: TypeBool, Default: true, Doc: "Flag."},
				{Name: "number", Type: TypeNumber, Doc: "Number."},
			},
		},
		"cargo_fmt": {Name: "cargo_fmt", Doc: "Checks.", Phases: []Phase{Plan}, NeedsDebian: true},
	}
}

func TestDesign(t *testing.T) {
	c, diags := Load("testdata/valid/design", Options{Actions: testActions(), Version: "0.1.0-dev"})
	var b bytes.Buffer
	WriteDiagnostics(&b, c, diags, 80, false)
	t.Log(b.String())
	j, _ := json.MarshalIndent(c, "", "  ")
	t.Log(string(j))
}

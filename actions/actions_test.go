package actions

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
)

func TestSchemas(t *testing.T) {
	names := []string{
		"cargo_build",
		"cargo_clippy",
		"cargo_deny",
		"cargo_doc",
		"cargo_fetch",
		"cargo_fmt",
		"cargo_install",
		"cargo_test",
		"custom",
		"deb",
		"deb_get",
		"dput",
		"dummy",
		"git_get",
		"git_push",
		"go_build",
		"go_mod_download",
		"go_test",
		"go_vet",
		"http_get",
		"http_put",
		"junit",
		"make",
		"mkdir",
		"npm_ci",
		"npm_get",
		"npm_test",
		"oci_push",
		"pip_get",
		"pip_install",
		"pnpm_get",
		"pnpm_install",
		"pwd",
		"pytest",
		"rsync",
		"rustup",
		"scp",
		"setenv",
		"shell",
		"yarn_get",
		"yarn_install",
	}
	var got []string
	for _, d := range All() {
		got = append(got, d.Name)
		t.Run(d.Name, func(t *testing.T) { checkDefinition(t, d) })
	}
	if !slices.Equal(got, names) {
		t.Errorf("All() = %v, want %v", got, names)
	}
	if len(Schemas()) != len(names) || Schemas()["shell"].Name != "shell" {
		t.Errorf("Schemas() = %v", Schemas())
	}
}

var snake = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

func checkDefinition(t *testing.T, d *Definition) {
	if Lookup(d.Name) != d {
		t.Error("Lookup does not find it")
	}
	if !snake.MatchString(d.Name) {
		t.Error("its name is not in snake case")
	}
	checkDoc(t, d.Name, d.Doc)
	if !strings.HasPrefix(d.Example, "action \""+d.Name+"\" {") {
		t.Errorf("its example begins with %.30q", d.Example)
	}
	if d.Steps == nil {
		t.Error("it has no steps")
	}
	if len(d.Phases) == 0 {
		t.Error("it is allowed nowhere")
	}
	for _, p := range d.Phases {
		if !slices.Contains(config.Phases, p) {
			t.Errorf("unknown phase %q", p)
		}
	}
	if d.PlanEnv != nil && slices.Contains(d.Phases, config.Plan) {
		t.Error("it fetches for plan stages and is allowed in them")
	}
	checkParams(t, d.Params)
	for _, b := range d.Blocks {
		checkDoc(t, b.Name, b.Doc)
		checkParams(t, b.Params)
	}
}

func checkDoc(t *testing.T, name, doc string) {
	first, _, _ := strings.Cut(doc, "\n\n")
	if !strings.HasSuffix(first, ".") || !strings.HasSuffix(doc, ".") || strings.Contains(first, "\n") {
		t.Errorf("the doc of %s is not a sentence and then details: %q", name, doc)
	}
}

func checkParams(t *testing.T, params []config.Param) {
	seen := map[string]bool{}
	for _, p := range params {
		if !snake.MatchString(p.Name) || seen[p.Name] {
			t.Errorf("parameter %q is not in snake case, or there twice", p.Name)
		}
		seen[p.Name] = true
		checkDoc(t, p.Name, p.Doc)
		if p.Required && p.Default != nil {
			t.Errorf("parameter %s is required and has a default", p.Name)
		}
		if p.Default != nil && !hasType(p.Default, p.Type) {
			t.Errorf("the default of %s is a %T, not a %s", p.Name, p.Default, p.Type)
		}
	}
}

func hasType(v any, want config.ParamType) bool {
	switch v.(type) {
	case string:
		return want == config.TypeString
	case int64:
		return want == config.TypeNumber
	case bool:
		return want == config.TypeBool
	case []string:
		return want == config.TypeStrings
	case map[string]string:
		return want == config.TypeMap
	}
	return false
}

func TestRegisterTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a second shell was taken")
		}
	}()
	register(Definition{ActionSchema: config.ActionSchema{Name: "shell"}})
}

// withDefaults returns arguments as config gives them: checked, with defaults.
func withDefaults(t *testing.T, d *Definition, args config.Args) config.Args {
	t.Helper()
	full := fill(d.Params, args)
	for _, b := range d.Blocks {
		for _, one := range args.Blocks[b.Name] {
			if full.Blocks == nil {
				full.Blocks = map[string][]config.Args{}
			}
			full.Blocks[b.Name] = append(full.Blocks[b.Name], fill(b.Params, one))
		}
	}
	return full
}

func fill(params []config.Param, args config.Args) config.Args {
	full := config.Args{Values: map[string]any{}}
	for _, p := range params {
		if v, given := args.Values[p.Name]; given {
			full.Values[p.Name] = v
		} else if p.Default != nil {
			full.Values[p.Name] = p.Default
		}
	}
	return full
}

func values(pairs ...any) config.Args {
	a := config.Args{Values: map[string]any{}}
	for i := 0; i < len(pairs); i += 2 {
		a.Values[pairs[i].(string)] = pairs[i+1]
	}
	return a
}

func files(args ...config.Args) config.Args {
	return config.Args{Values: map[string]any{}, Blocks: map[string][]config.Args{"file": args}}
}

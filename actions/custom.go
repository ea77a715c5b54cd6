package actions

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"sort"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// customDir holds the programs of a project's own actions.
const customDir = ".ambient"

// maxEnv is the most bytes that Linux takes for one variable with its name, '='
// and the final NUL (MAX_ARG_STRLEN, execve(2)).
const maxEnv = 128 << 10

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "custom",
		Doc: "Runs a program of the source tree: `.ambient/NAME`, which must be executable.\n\n" +
			"Each argument reaches it as the environment variable `AMBIENT_CI_` and the argument's name: strings as they are, everything else as JSON. " +
			"All of them are on its standard input as one JSON object. It starts in the top of the source tree.",
		Phases: []config.Phase{config.Plan},
		Params: []config.Param{
			{Name: "name", Type: config.TypeString, Required: true, Doc: "The program's file name in the directory `.ambient` of the source tree."},
			{Name: "args", Type: config.TypeAny, Doc: "Its arguments: a map of anything. Names have letters, digits and underscores."},
		},
		Example: "action \"custom\" {\n  name = \"check-style\"\n  args = {\n    strict = true\n    paths  = [\"src\", \"tests\"]\n  }\n}",
		Check:   checkCustom,
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		values, _ := customArgs(args)
		env := map[string]string{}
		for name, v := range values {
			env[customVar(name)] = customValue(v)
		}
		return []guest.Step{{Exec: &guest.Exec{
			Argv:  []string{path.Join(guest.DirSource, customDir, args.String("name"))},
			Env:   env,
			Stdin: append(toJSON(values), '\n'),
		}}}, nil
	},
	Title: func(args config.Args) string { return "custom " + args.String("name") },
})

// customArgs returns the arguments by name, never nil, and whether they are a
// map.
func customArgs(args config.Args) (map[string]any, bool) {
	switch m := args.Any("args").(type) {
	case nil:
		return map[string]any{}, true
	case map[string]any:
		return m, true
	case map[string]string:
		values := map[string]any{}
		for name, v := range m {
			values[name] = v
		}
		return values, true
	}
	return map[string]any{}, false
}

func customVar(name string) string { return "AMBIENT_CI_" + name }

// customValue returns an argument as text for the environment.
func customValue(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(toJSON(v))
}

// toJSON returns v as JSON on one line, with sorted keys and without HTML's
// escapes. It returns nil for what JSON can not say: an infinite number.
func toJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

var (
	customName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+-]*$`)
	customArg  = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

func checkCustom(args config.Args) []config.Problem {
	var c checker
	if !customName.MatchString(args.String("name")) {
		c.problem("name", "Not a plain file name", "Name a file in the directory .ambient of the source tree, without its directory. It begins with a letter, digit or underscore.")
	}
	values, ok := customArgs(args)
	if !ok {
		c.problem("args", "Arguments are not a map", "Write args = { name = value }.")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		c.customArg(name, values[name])
	}
	return c.problems
}

func (c *checker) customArg(name string, v any) {
	if !customArg.MatchString(name) {
		c.problem("args", "Not a name for an argument", "Each argument becomes a variable of the environment, so its name has letters, digits and underscores only.")
		return
	}
	if toJSON(v) == nil {
		c.problem("args", "Not a value for an argument", "The argument "+name+" has a value that JSON can not say.")
		return
	}
	text := customValue(v)
	if !c.text("args", text) {
		return
	}
	if len(customVar(name))+len(text)+2 > maxEnv {
		c.problem("args", "Argument too long", "The argument "+name+" has more than the 128 KiB that fit into a variable of the environment. Put it into a file of the source tree.")
	}
}

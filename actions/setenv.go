package actions

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "setenv",
		Doc: "Sets environment variables for all later actions of the stage.\n\n" +
			"They win over those of the project and of the stage; the `env` of an action wins over them. " +
			"The values are those of the configuration: what a program finds out in the machine can not be set.",
		Phases: []config.Phase{config.Pre, config.Plan, config.Post},
		Params: []config.Param{
			{Name: "set", Type: config.TypeMap, Required: true, Doc: "Variables and their values: `{ NAME = \"value\" }`."},
		},
		Example: "action \"setenv\" {\n  set = { CFLAGS = \"-O1\" }\n}",
		Check:   checkSetenv,
	},
	Steps:   func(config.Args, Host) ([]guest.Step, error) { return nil, nil },
	SetEnv:  func(args config.Args) map[string]string { return args.Map("set") },
	Title:   func(args config.Args) string { return "setenv " + strings.Join(sortedKeys(args.Map("set")), " ") },
	Depends: nothingDepends,
})

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func checkSetenv(args config.Args) []config.Problem {
	var c checker
	for _, name := range sortedKeys(args.Map("set")) {
		switch {
		case !envName.MatchString(name):
			c.problem("set", "Invalid name of an environment variable", "A name holds letters, digits and \"_\" only and does not begin with a digit.")
		case strings.HasPrefix(name, "AMBIENT_"):
			c.problem("set", "Reserved environment variable", "Variables that begin with AMBIENT_ are set by ambient itself. Choose another name.")
		case !c.text("set", args.Map("set")[name]):
		case len(name)+len(args.Map("set")[name])+2 > maxEnv:
			c.problem("set", "Value too long", "The variable "+name+" has more than the 128 KiB that fit into the environment. Put it into a file of the source tree.")
		}
	}
	return c.problems
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

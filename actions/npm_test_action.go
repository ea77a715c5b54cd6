package actions

import (
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "npm_test",
		Doc: "Runs a script of `package.json`, `test` unless it says otherwise, with npm, pnpm or Yarn.\n\n" +
			"What the script needs must be installed before it, in the same stage: with `npm_ci`, `pnpm_install` or `yarn_install`.",
		Phases: []config.Phase{config.Plan},
		Params: []config.Param{
			{Name: "script", Type: config.TypeString, Default: "test", Doc: "The name of the script under `scripts`, such as `build`."},
			{Name: "args", Type: config.TypeStrings, Doc: "Arguments for the script."},
			nodeDir,
			{Name: "tool", Type: config.TypeString, Default: "npm", Doc: "What runs it: `npm`, `pnpm` or `yarn`."},
		},
		Example:     "action \"npm_test\" {\n  script = \"lint\"\n}",
		NeedsDebian: true,
		Check:       checkNpmTest,
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		tool := args.String("tool")
		argv := []string{tool, "run", args.String("script")}
		if more := args.Strings("args"); len(more) > 0 && tool == "npm" {
			argv = append(argv, "--") // npm would take options for its own; the others hand all on
		}
		return nodeRun(args, tool, append(argv, args.Strings("args")...)), nil
	},
	Title: func(args config.Args) string {
		return strings.Join(append([]string{args.String("tool"), "run", args.String("script")}, args.Strings("args")...), " ")
	},
})

func checkNpmTest(args config.Args) []config.Problem {
	var c checker
	c.nodeDir(args)
	c.words("script", "name of a script", []string{args.String("script")})
	switch args.String("tool") {
	case "npm", "pnpm", "yarn":
	default:
		c.problem("tool", "Unknown package manager", "Write \"npm\", \"pnpm\" or \"yarn\".")
	}
	for _, a := range args.Strings("args") {
		if !c.text("args", a) {
			break
		}
	}
	return c.problems
}

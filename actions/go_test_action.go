package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "go_test",
		Doc: "Tests Go packages with `go test`.\n\n" +
			"What it compiles, and the results of tests that passed, stay in the stage's cache; `args = [\"-count=1\"]` runs every test again.",
		Phases: []config.Phase{config.Plan},
		Params: []config.Param{
			goPackages,
			{Name: "race", Type: config.TypeBool, Default: false, Doc: "Whether to look for data races, which needs a C compiler in the image."},
			{Name: "args", Type: config.TypeStrings, Doc: "More arguments for `go test`, after the packages: `[\"-v\", \"-run=Parse\"]`."},
			goTags, goDir, goCgo,
		},
		Example: "action \"go_test\" {\n  args = [\"-short\"]\n}",
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.checkGo(args)
			for _, a := range args.Strings("args") {
				if !c.text("args", a) {
					break
				}
			}
			return c.problems
		},
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		var flags []string
		if args.Bool("race") {
			flags = append(flags, "-race")
		}
		return []guest.Step{goStep(args, "test", flags, args.Strings("args")...)}, nil
	},
	Title: goTitle("go_test"),
	Env:   goEnv,
})

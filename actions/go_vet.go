package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "go_vet",
		Doc: "Looks for mistakes in Go packages with `go vet`.\n\n" +
			"What it compiles on the way stays in the stage's cache.",
		Phases:  []config.Phase{config.Plan},
		Params:  []config.Param{goPackages, goTags, goDir, goCgo},
		Example: "action \"go_vet\" {}",
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.checkGo(args)
			return c.problems
		},
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		return []guest.Step{goStep(args, "vet", nil)}, nil
	},
	Title: goTitle("go_vet"),
	Env:   goEnv,
})

package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name:   "pwd",
		Doc:    "Writes the directory in which actions start to the log.",
		Phases: []config.Phase{config.Pre, config.Plan, config.Post},
		Params: []config.Param{
			{Name: "dir", Type: config.TypeString, Default: ".", Doc: "The directory to start in, relative to the source tree or absolute. It must exist."},
		},
		Example: "action \"pwd\" {}",
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.text("dir", args.String("dir"))
			return c.problems
		},
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		return []guest.Step{{Exec: &guest.Exec{Script: "pwd\n", Shell: "sh", Dir: workDir(args.String("dir"))}}}, nil
	},
	Depends: nothingDepends,
})

package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "pnpm_install",
		Doc: "Installs the packages that `pnpm_get` fetched into `node_modules`, with `pnpm install`, offline.\n\n" +
			"`node_modules` is in the source tree as this stage sees it, and goes with the stage. " +
			"Install scripts run here, where there is no network; from version 10 on pnpm runs only those that the project names.",
		Phases:      []config.Phase{config.Plan},
		Params:      []config.Param{nodeDir, nodeScripts},
		Example:     "action \"pnpm_install\" {}",
		NeedsDebian: true,
		Check:       checkNodeInstall,
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		argv := []string{"pnpm", "install", "--offline", "--frozen-lockfile", "--reporter=append-only"}
		return nodeRun(args, "pnpm", ignoreScripts(args, argv)), nil
	},
	Title: nodeDirTitle("pnpm_install"),
})

func checkNodeInstall(args config.Args) []config.Problem {
	var c checker
	c.nodeDir(args)
	return c.problems
}

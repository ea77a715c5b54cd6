package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "yarn_install",
		Doc: "Installs the packages that `yarn_get` fetched, with `yarn install`, offline.\n\n" +
			"What it makes (`node_modules`, or `.pnp.cjs`) is in the source tree as this stage sees it, and goes with the stage. " +
			"Install scripts run here, where there is no network.",
		Phases:      []config.Phase{config.Plan},
		Params:      []config.Param{nodeDir, nodeScripts},
		Example:     "action \"yarn_install\" {}",
		NeedsDebian: true,
		Check:       checkNodeInstall,
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		flags, mode := "", ""
		if args.Bool("ignore_scripts") {
			flags, mode = " --ignore-scripts", " --mode=skip-build"
		}
		return []guest.Step{{Exec: &guest.Exec{
			Script: "if grep -q ^__metadata: yarn.lock; then exec yarn install --immutable" + mode + "; fi\n" +
				"exec yarn install --frozen-lockfile --offline --non-interactive --no-progress" + flags + "\n",
			Shell: "sh", Dir: workDir(args.String("dir")), Needs: []guest.Tool{nodeTool, nodeManager("yarn")},
		}}}, nil
	},
	Title: nodeDirTitle("yarn_install"),
})

package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// Parameters that the installing Node actions share.
var (
	nodeDir     = config.Param{Name: "dir", Type: config.TypeString, Default: ".", Doc: "The directory of the package, relative to the source tree."}
	nodeScripts = config.Param{Name: "ignore_scripts", Type: config.TypeBool, Default: false, Doc: "Whether to leave out the install scripts of packages. They run without a network, in this stage only."}
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "npm_ci",
		Doc: "Installs the packages that `npm_get` fetched into `node_modules`, with `npm ci`, offline.\n\n" +
			"`node_modules` is in the source tree as this stage sees it, and goes with the stage. " +
			"Install scripts run here, where there is no network.",
		Phases:      []config.Phase{config.Plan},
		Params:      []config.Param{nodeDir, npmOmit, nodeScripts},
		Example:     "action \"npm_ci\" {}",
		NeedsDebian: true,
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.nodeDir(args)
			c.npmOmit(args)
			return c.problems
		},
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		argv := []string{"npm", "ci", "--offline", "--no-audit", "--no-fund"}
		for _, o := range args.Strings("omit") {
			argv = append(argv, "--omit="+o)
		}
		return nodeRun(args, "npm", ignoreScripts(args, argv)), nil
	},
	Title: nodeDirTitle("npm_ci"),
})

func ignoreScripts(args config.Args, argv []string) []string {
	if args.Bool("ignore_scripts") {
		return append(argv, "--ignore-scripts")
	}
	return argv
}

// nodeRun returns a step that runs a package manager.
func nodeRun(args config.Args, tool string, argv []string) []guest.Step {
	return []guest.Step{{Exec: &guest.Exec{
		Argv: argv, Dir: workDir(args.String("dir")), Needs: []guest.Tool{nodeTool, nodeManager(tool)},
	}}}
}

// nodeManager names the Debian package of a package manager; pnpm has none, and
// comes from pnpm_get.
func nodeManager(tool string) guest.Tool {
	return guest.Tool{Program: tool, Package: map[string]string{"npm": "npm", "yarn": "yarnpkg", "pnpm": "pnpm"}[tool]}
}

func (c *checker) nodeDir(args config.Args) {
	if args.Has("dir") {
		c.sourceDirs("dir", []string{args.String("dir")})
	}
}

func nodeDirTitle(name string) func(config.Args) string {
	return func(args config.Args) string {
		if dir := workDir(args.String("dir")); dir != "" {
			return name + " " + dir
		}
		return name
	}
}

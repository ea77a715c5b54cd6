package actions

import (
	"maps"

	"github.com/ambient-ci/ambient/config"
)

// pnpmEnv keeps pnpm from fetching the version of itself that a project names:
// get.js has done so. pnpm 11 reads other names than those before it.
var pnpmEnv = map[string]string{
	"npm_config_manage_package_manager_versions": "false", "pnpm_config_manage_package_manager_versions": "false",
	"pnpm_config_pm_on_fail": "ignore",
}

var pnpmFetcher = nodeFetcher{
	action: "pnpm_get", tool: "pnpm",
	fetch: func(config.Args) string {
		return "pnpm fetch --ignore-scripts --ignore-pnpmfile --reporter=append-only"
	},
	permanent: `ERR_PNPM_(FETCH_4(0[0-79]|1[0-9])|TARBALL_INTEGRITY|NO_LOCKFILE|BROKEN_LOCKFILE|LOCKFILE[A-Z_]*|OUTDATED_LOCKFILE|UNSUPPORTED_ENGINE|BAD_PM_VERSION|INVALID[A-Z_]*|PATCH[A-Z_]*|JSON_PARSE|SPEC_NOT[A-Z_]*|NO_MATCHING_VERSION)`,
	env: pnpmWith(map[string]string{
		"npm_config_store_dir": nodeDeps + "/pnpm-store", "pnpm_config_store_dir": nodeDeps + "/pnpm-store", "npm_config_update_notifier": "false",
	}),
	locks: []string{"pnpm-lock.yaml"},
}

func pnpmWith(env map[string]string) map[string]string {
	all := maps.Clone(pnpmEnv)
	maps.Copy(all, env)
	return all
}

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "pnpm_get",
		Doc: "Fetches the Node packages of `pnpm-lock.yaml` into a store in `/ci/deps/node`, with pnpm.\n\n" +
			"It runs `pnpm fetch --ignore-scripts` on a copy of the files that describe packages, so no code of the project or of a package runs. " +
			"Every package is checked against the checksum in the lock file; one without a checksum, or from git, makes the stage failed and is named. " +
			"Later `plan` stages use pnpm offline: `pnpm` is first in their `PATH` and finds what was fetched; see `pnpm_install` and `npm_test`.\n\n" +
			"Registries, the package manager itself and errors are as for `npm_get`. The image needs node (package `nodejs`).",
		Phases:      []config.Phase{config.Pre},
		Params:      []config.Param{nodeDirs, nodeRegistry, nodeVersionParam("pnpm"), retriesParam},
		Example:     "action \"pnpm_get\" {}",
		NeedsDebian: true,
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.checkNodeGet(args)
			return c.problems
		},
	},
	Steps:   pnpmFetcher.steps,
	Depends: pnpmFetcher.depends,
	Reach:   pnpmFetcher.reach,
	Path:    nodePath,
	PlanEnv: func(config.Args) map[string]string {
		return pnpmWith(nodePlanEnv())
	},
	Title: nodeTitle("pnpm_get"),
})

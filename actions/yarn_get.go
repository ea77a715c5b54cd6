package actions

import (
	"github.com/ambient-ci/ambient/config"
)

var yarnFetcher = nodeFetcher{
	action: "yarn_get", tool: "yarn",
	fetch: func(config.Args) string {
		return "if grep -q ^__metadata: yarn.lock; then yarn install --immutable --mode=skip-build; " +
			"else yarn install --frozen-lockfile --ignore-scripts --non-interactive --no-progress --ignore-engines; fi"
	},
	permanent: `Request failed "4(0[0-79]|1[0-9])|error[^a-z]+Integrity check failed|Incorrect integrity|error.*needs to be updated|Bad hash|YN0018|YN0028|YN0009|YN0004.*error|Response Code: 4(0[0-79]|1[0-9])|Usage Error|error Package|Couldn.t find any versions`,
	// get.js makes the command yarn, and sets the names of the stores there.
	env:   map[string]string{"YARN_IGNORE_PATH": "1", "YARN_ENABLE_SCRIPTS": "0", "YARN_CHECKSUM_BEHAVIOR": "throw", "YARN_GLOBAL_FOLDER": nodeScratch + "/yarn", "AMBIENT_YARN_FETCH": "1"},
	locks: []string{"yarn.lock"},
}

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "yarn_get",
		Doc: "Fetches the Node packages of `yarn.lock`, of Yarn 1 or of later ones, into `/ci/deps/node`, with Yarn.\n\n" +
			"It runs `yarn install` without any build scripts on a copy of the files that describe packages: of the project's configuration, what names programs (`yarnPath`, `plugins`) is left out. " +
			"Every package is checked against the checksum in the lock file; one without a checksum, or from git, makes the stage failed and is named. " +
			"Later `plan` stages use Yarn offline: `yarn` is first in their `PATH` and finds what was fetched; see `yarn_install` and `npm_test`.\n\n" +
			"Registries, the package manager itself and errors are as for `npm_get`; the addresses in the lock file of Yarn 1 are used as they are. The image needs node (package `nodejs`).",
		Phases:      []config.Phase{config.Pre},
		Params:      []config.Param{nodeDirs, nodeRegistry, nodeVersionParam("Yarn"), retriesParam},
		Example:     "action \"yarn_get\" {}",
		NeedsDebian: true,
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.checkNodeGet(args)
			return c.problems
		},
	},
	Steps:   yarnFetcher.steps,
	Depends: yarnFetcher.depends,
	Reach:   yarnFetcher.reach,
	Path:    nodePath,
	PlanEnv: func(config.Args) map[string]string { return nodePlanEnv() },
	Title:   nodeTitle("yarn_get"),
})

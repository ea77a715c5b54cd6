package actions

import (
	"strings"

	"github.com/ambient-ci/ambient/config"
)

// npmOmit are the groups of packages that npm can leave out.
var npmOmit = config.Param{Name: "omit", Type: config.TypeStrings, Doc: "Groups of packages to leave out: `dev`, `optional`, `peer`. What `npm_get` leaves out, `npm_ci` must leave out too."}

// npmKeep is for plans that add the archives to npm's cache themselves.
var npmKeep = config.Param{Name: "tarballs", Type: config.TypeBool, Default: false, Doc: "Whether to put the packages into `/ci/deps/npm` too, as `NAME-VERSION.tgz`. `npm_ci` does not need them."}

var npmFetcher = nodeFetcher{
	action: "npm_get", tool: "npm",
	fetch: func(args config.Args) string {
		return "npm ci --ignore-scripts --no-audit --no-fund --no-progress" + omitFlags(args)
	},
	permanent: `code (E4(0[0-79]|1[0-9]|2[0-8])|EINTEGRITY|EUSAGE|EBADENGINE|ETARGET|ENOVERSIONS|EJSONPARSE|ERESOLVE|EINVALID[A-Z]*|EUNSUPPORTEDPROTOCOL|EBADPLATFORM|ENOENT|EALLOW[A-Z]*)`,
	env:       map[string]string{"npm_config_cache": nodeDeps + "/npm-cache", "npm_config_update_notifier": "false", "npm_config_ignore_scripts": "true"},
	locks:     []string{"npm-shrinkwrap.json", "package-lock.json"},
}

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "npm_get",
		Doc: "Fetches the Node packages of `package-lock.json` or `npm-shrinkwrap.json` into `/ci/deps/node`, with npm.\n\n" +
			"It runs `npm ci --ignore-scripts` on a copy of the files that describe packages, so no code of the project or of a package runs. " +
			"Every package is checked against the checksum in the lock file; one without a checksum, or from git, makes the stage failed and is named. Links and `file:` packages are taken from the source tree. " +
			"Later `plan` stages use npm offline: `npm` is first in their `PATH` and finds what was fetched; see `npm_ci` and `npm_test`.\n\n" +
			"The registries are those of the machine that runs ambient (its npm's configuration, without passwords and tokens) and those in the project's `.npmrc`; the lock file's addresses follow npm's `replace-registry-host`. For a registry that wants a token, use a `secret` with `inject`.\n\n" +
			"The image needs node (package `nodejs`). npm itself is fetched from the registry, with its checksum, when the image has none or `packageManager` asks for another version. " +
			"A registry that can not be reached makes the stage errored.",
		Phases:      []config.Phase{config.Pre},
		Params:      []config.Param{nodeDirs, npmOmit, npmKeep, nodeRegistry, nodeVersionParam("npm"), retriesParam},
		Example:     "action \"npm_get\" {}",
		NeedsDebian: true,
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.checkNodeGet(args)
			c.npmOmit(args)
			return c.problems
		},
	},
	Steps:   npmFetcher.steps,
	Depends: npmFetcher.depends,
	Reach:   npmFetcher.reach,
	Path:    nodePath,
	PlanEnv: func(config.Args) map[string]string { return nodePlanEnv() },
	Title:   nodeTitle("npm_get"),
})

// nodePath is where the package managers are that were fetched.
func nodePath(config.Args) []string { return []string{nodeBin} }

// nodePlanEnv makes the package managers work offline, for pnpm too, and leave
// out what needs a network: looking for updates, reports, other versions of
// themselves.
func nodePlanEnv() map[string]string {
	return map[string]string{
		"NPM_CONFIG_USERCONFIG": nodeRC, "npm_config_offline": "true", "npm_config_audit": "false",
		"npm_config_fund": "false", "npm_config_update_notifier": "false",
	}
}

func nodeTitle(name string) func(config.Args) string {
	return func(args config.Args) string { return name + " " + strings.Join(args.Strings("dirs"), " ") }
}

func omitFlags(args config.Args) string {
	var b strings.Builder
	for _, o := range args.Strings("omit") {
		b.WriteString(" --omit=" + o)
	}
	return b.String()
}

func (c *checker) npmOmit(args config.Args) {
	for _, o := range args.Strings("omit") {
		if o != "dev" && o != "optional" && o != "peer" {
			c.problem("omit", "Unknown group of packages", "Write \"dev\", \"optional\" or \"peer\".")
			return
		}
	}
}

package actions

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// Where the Node actions keep things in the guest.
const (
	nodeDeps    = guest.DirDeps + "/node" // package managers and what they fetched
	nodeBin     = nodeDeps + "/bin"
	nodeRC      = nodeDeps + "/npmrc" // the registries of the host
	npmTarballs = guest.DirDeps + "/npm"
	nodeScratch = "/tmp/ambient-node" // in a fetching stage; goes at its end
)

// nodeGet is the program that does for the three fetchers what their package
// managers do not.
//
//go:embed nodejs/get.js
var nodeGet []byte

// nodeRelease is a version of a package manager that is fetched when neither
// the project nor the image says which.
type nodeRelease struct {
	Version   string `json:"version"`
	Integrity string `json:"integrity"` // Subresource Integrity of the archive
	Lock      string `json:"lock"`      // regular expression that its lock files match
}

// nodeReleases all run on Node 18, the oldest that a supported Debian has.
var nodeReleases = map[string][]nodeRelease{
	"npm": {{"10.9.9", "sha512-1g+6jLQvaIuB4zwvHL7yrXuXcWZwDsCtBX8bbWDqbvJSSr9nPiDDWTHNgwXR27iIcTTW7v3A57hDW9RYv2W4Yg==", ""}},
	"pnpm": {
		{"8.15.9", "sha512-SZQ0ydj90aJ5Tr9FUrOyXApjOrzuW7Fee13pDzL0e1E6ypjNXP0AHDHw20VLw4BO3M1XhQHkyik6aBYWa72fgQ==", `^lockfileVersion: ['"]?[56]`},
		{"10.34.8", "sha512-9ieo6XE0Ov5J39D2PQKCNCAd+oMdXLWIcz4eX42ya/FpiaMhYatcG02zsf28NzFgYGtbieAC323RmoWt+R/FqA==", ""},
	},
	"yarn": {
		{"4.9.4", "sha512-q504Eb++phLdYrVWhHLNpTwlwPkqz+w/+ydkSJUIP2SWKPUoeIllFD0xGVAWOR0pImxYwEjaRVXfdfVeJP6wqA==", "^__metadata:"},
		{"1.22.22", "sha512-prL3kGtyG7o9Z9Sv8IPfBNrWTDmXB4Qbes8A9rEzt6wkJV8mUvoirjU0Mp3GGAU06Y0XQyA3/2/RQFVuK7MTfg==", ""},
	},
}

// nodeConfig is what get.js reads.
type nodeConfig struct {
	Action   string                   `json:"action"`
	Tool     string                   `json:"tool"`
	Version  string                   `json:"version"`
	Registry string                   `json:"registry"`
	Dirs     []string                 `json:"dirs"`
	Source   string                   `json:"src"`
	Deps     string                   `json:"deps"`
	Scratch  string                   `json:"scratch"`
	Tarballs string                   `json:"tarballs,omitempty"` // directory for them
	Defaults map[string][]nodeRelease `json:"defaults"`
}

// nodeFetcher is what differs between the fetching actions.
type nodeFetcher struct {
	action    string // its name
	tool      string // "npm", "pnpm" or "yarn"
	fetch     func(args config.Args) string
	permanent string            // extended regular expression: what the tool says of faults in the project
	env       map[string]string // of the fetch
	locks     []string          // names of its lock files
}

// Parameters that the fetching Node actions share.
var (
	nodeDirs     = config.Param{Name: "dirs", Type: config.TypeStrings, Default: []string{"."}, Doc: "The directories that hold a `package.json` and a lock file, relative to the source tree."}
	nodeRegistry = config.Param{Name: "registry", Type: config.TypeString, Doc: "The address of the registry, in place of the one that the machine that runs ambient uses."}
	nodeTool     = guest.Tool{Program: "node", Package: "nodejs"}
	nodeVersion  = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)
)

// versionParam is the argument for the version of a package manager.
func nodeVersionParam(tool string) config.Param {
	return config.Param{Name: "version", Type: config.TypeString, Doc: "The version of " + tool + ", such as `\"1.2.3\"`. Without it, what `packageManager` in `package.json` says, with its checksum; else the one in the image; else one that ambient knows, with its checksum."}
}

// steps returns what the guest runs. Only the two in the middle use the network.
func (f nodeFetcher) steps(args config.Args, host Host) ([]guest.Step, error) {
	settings := host.Npm()
	if r := args.String("registry"); r != "" {
		settings.Registry = npmAddress(r)
	}
	tarballs := ""
	if args.Bool("tarballs") {
		tarballs = npmTarballs
	}
	conf, err := json.MarshalIndent(nodeConfig{
		Tarballs: tarballs,
		Action:   f.action, Tool: f.tool, Version: args.String("version"), Registry: settings.Registry,
		Dirs: nodePaths(args.Strings("dirs")), Source: guest.DirSource, Deps: nodeDeps, Scratch: nodeScratch,
		Defaults: map[string][]nodeRelease{f.tool: nodeReleases[f.tool]},
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	env := map[string]string{
		"NPM_CONFIG_USERCONFIG": nodeRC, "HOME": nodeScratch + "/home",
		// Short pauses inside one try: the action itself tries again.
		"npm_config_fetch_retries": "2", "npm_config_fetch_retry_mintimeout": "1000", "npm_config_fetch_retry_maxtimeout": "2000",
	}
	for name, value := range f.env {
		env[name] = value
	}
	run := "node " + nodeScratch + "/get.js " + nodeScratch + "/config.json "
	retries := args.Int("retries")
	first := script(fmt.Sprintf("rm -rf %[1]s\nmkdir -p %[1]s/home\n", nodeScratch), nil)
	first.Exec.Needs = []guest.Tool{nodeTool}
	write := func(file, text string) guest.Step {
		return guest.Step{Write: &guest.Write{Path: file, Content: []byte(text)}}
	}
	return []guest.Step{
		first,
		write(nodeScratch+"/get.js", string(nodeGet)),
		write(nodeScratch+"/config.json", string(conf)+"\n"),
		write(nodeRC, settings.npmrc()),
		write(nodeScratch+"/home/.npmrc", settings.npmrc()),
		write(nodeScratch+"/home/.yarnrc.yml", settings.yarnrc()),
		fetchScript(run+"prepare\n", env, retries),
		fetchScript(fmt.Sprintf(nodeFetch, nodeScratch, nodeBin, quoteAll(nodePaths(args.Strings("dirs"))), f.fetch(args), f.permanent, f.action), env, retries),
		script(fmt.Sprintf(nodeFinish, nodeScratch, run), env),
	}, nil
}

// nodeFetch runs the package manager. A failure that no retry can mend is noted
// for nodeFinish, because it is the project's and not the network's. Its
// arguments: the scratch directory, that of the commands, the packages'
// directories, the command, what permanent failures look like, the action.
const nodeFetch = `scratch=%[1]s
[ ! -e "$scratch/failed" ] || exit 0
PATH=%[2]s:$PATH
for dir in %[3]s; do
	cd "$scratch/src/$dir"
	echo "fetching the packages of $dir"
	{ status=0; { %[4]s; } 2>&1 || status=$?; echo "$status" >"$scratch/status"; } | tee "$scratch/out"
	rm -rf node_modules
	if [ "$(cat "$scratch/status")" = 0 ]; then continue; fi
	if grep -q -E '%[5]s' "$scratch/out"; then
		echo "%[6]s: the packages of $dir can not be fetched as its lock file asks for them" >"$scratch/failed"
		exit 0
	fi
	exit 1
done
`

// nodeFinish ends a failed action, and else tidies.
const nodeFinish = `scratch=%[1]s
[ -e "$scratch/failed" ] || %[2]sfinish
if [ -e "$scratch/failed" ]; then
	cat "$scratch/failed" >&2
	exit 1
fi
rm -rf "$scratch"
`

// npmrc returns the registries in the form of npmrc(5).
func (s NpmSettings) npmrc() string {
	var b strings.Builder
	if s.Registry != "" {
		fmt.Fprintf(&b, "registry=%s\n", s.Registry)
	}
	for _, scope := range sortedKeys(s.Scopes) {
		fmt.Fprintf(&b, "%s:registry=%s\n", scope, s.Scopes[scope])
	}
	if s.ReplaceHost != "" {
		fmt.Fprintf(&b, "replace-registry-host=%s\n", s.ReplaceHost)
	}
	return b.String()
}

// yarnrc returns the registries as Yarn 2 and later reads them, in JSON, which
// is YAML too.
func (s NpmSettings) yarnrc() string {
	type scope struct {
		Registry string `json:"npmRegistryServer"`
	}
	conf := map[string]any{"enableTelemetry": false}
	if s.Registry != "" {
		conf["npmRegistryServer"] = s.Registry
	}
	scopes, plain := map[string]scope{}, []string{}
	for name, address := range s.Scopes {
		scopes[strings.TrimPrefix(name, "@")] = scope{address}
	}
	if len(scopes) > 0 {
		conf["npmScopes"] = scopes
	}
	for _, address := range append([]string{s.Registry}, sortedValues(s.Scopes)...) {
		if host, _ := hostPort(address); strings.HasPrefix(address, "http:") && host != "" {
			plain = append(plain, host)
		}
	}
	if len(plain) > 0 {
		conf["unsafeHttpWhitelist"] = plain
	}
	data, _ := json.MarshalIndent(conf, "", "  ") // strings and maps of them: it can not fail
	return string(data) + "\n"
}

func nodePaths(dirs []string) []string {
	clean := make([]string, len(dirs))
	for i, d := range dirs {
		clean[i] = path.Clean(d)
	}
	return clean
}

// checkNodeGet checks what the fetching Node actions share.
func (c *checker) checkNodeGet(args config.Args) {
	c.retries(args)
	if args.Has("dirs") && len(args.Strings("dirs")) == 0 {
		c.problem("dirs", "No directories", "Name at least one, or leave the argument out for the top of the source tree.")
	}
	c.sourceDirs("dirs", args.Strings("dirs"))
	if args.Has("version") && !nodeVersion.MatchString(args.String("version")) {
		c.problem("version", "Not a version", "Write a whole version, such as \"10.9.2\".")
	}
	switch r := args.String("registry"); {
	case r == "":
	case npmAddress(r) == "":
		c.problem("registry", "Not an address", "Write the http or https address of a registry.")
	case strings.Contains(r, "@"):
		c.problem("registry", "Password in an address", "Plans, logs and records show addresses. Use one without user name and password.")
	}
}

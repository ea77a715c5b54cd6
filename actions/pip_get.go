package actions

import (
	_ "embed"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

const (
	pipDir     = guest.DirDeps + "/python" // wheels, as a directory for --find-links
	pipScratch = "/tmp/ambient-pip"
)

//go:embed python/clean.py
var pipClean []byte

//go:embed python/guard.py
var pipGuard []byte

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "pip_get",
		Doc: "Downloads Python packages and all that they need into `/ci/deps/python`.\n\n" +
			"It runs `pip download` with the Python of the image, for which the packages are then right, and takes wheels only: to build a package, or even to ask a source package what it needs, is to run its code. " +
			"pip can start no other program meanwhile. For the same reason requirements files can not name directories, repositories and editable packages, which is an error that names the line. " +
			"Where requirements have hashes, pip checks all of them. " +
			"Later `plan` stages find the packages without a network: `PIP_NO_INDEX` and `PIP_FIND_LINKS` are set for them.\n\n" +
			"Where packages come from is what pip's own configuration on the machine that runs ambient says, without passwords. The argument `index`, or a requirements file, wins over it.\n\n" +
			"The image must have `python3-pip`. An index that can not be reached makes the stage errored; a wrong hash or a package that does not exist makes it failed.",
		Phases: []config.Phase{config.Pre},
		Params: []config.Param{
			{Name: "requirements", Type: config.TypeStrings, Doc: "Requirements files, relative to the source tree. Without it, and without `packages` and `project`, `requirements.txt`."},
			{Name: "packages", Type: config.TypeStrings, Doc: "Packages beside those of the files: `name`, or with a version as in a requirements file: `pytest>=8,<9`."},
			{Name: "constraints", Type: config.TypeStrings, Doc: "Constraints files, relative to the source tree."},
			{Name: "project", Type: config.TypeString, Doc: "The directory of a package of the source tree: what its `pyproject.toml` asks for, to run and to be built, is fetched as well. Only the text of that file is read."},
			{Name: "extras", Type: config.TypeStrings, Doc: "Extras of `project` to fetch for."},
			{Name: "require_hashes", Type: config.TypeBool, Default: false, Doc: "Whether every requirement must have a hash."},
			{Name: "allow_sdist", Type: config.TypeBool, Default: false, Doc: "Whether packages without wheels are taken too. Their own code then runs in this stage, which has a network."},
			{Name: "index", Type: config.TypeString, Doc: "Where to get packages in place of pip's own index: an https address."},
			{Name: "extra_indexes", Type: config.TypeStrings, Doc: "Further indexes. pip takes the highest version that any of them has, so whoever can add to one can replace a package."},
			retriesParam,
		},
		NeedsDebian: true,
		Example:     "action \"pip_get\" {\n  requirements   = [\"requirements.txt\"]\n  require_hashes = true\n}",
		Check:       checkPipGet,
	},
	Steps:   pipGetSteps,
	Depends: pipDepends,
	Reach:   pipReach,
	Title: func(args config.Args) string {
		return pipTitle("pip_get", args)
	},
	PlanEnv: func(config.Args) map[string]string {
		return map[string]string{"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": pipDir, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
	},
})

// pipPackage is a requirement by name (PEP 508), with extras, versions and a
// marker, but without an address and options.
var pipPackage = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\s*(\[[A-Za-z0-9._, -]*\])?\s*([<>=!~(][^@;\s][^@;]*)?(;[^\n]*)?$`)

var pipExtra = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// pipFiles are the requirements files of an action.
func pipFiles(args config.Args) []string {
	if !args.Has("requirements") && !args.Has("packages") && !args.Has("project") {
		return []string{"requirements.txt"}
	}
	return slices.Clone(args.Strings("requirements"))
}

func checkPipGet(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	c.pipLists(args)
	for _, index := range append([]string{args.String("index")}, args.Strings("extra_indexes")...) {
		param := "extra_indexes"
		if index == args.String("index") {
			param = "index"
		}
		var withheld []string
		switch {
		case index == "" && param == "index":
		case !isWeb(index) || strings.ContainsAny(index, " \t\r\n"):
			c.problem(param, "Not the address of an index", "Write an http or https address, such as \"https://example.org/simple\".")
		case withoutPassword(index, &withheld) != index:
			c.problem(param, "Password in an address", "Plans, logs and records show addresses. Use one without user name and password.")
		}
	}
	return c.problems
}

// pipLists checks what pip_get and pip_install share.
func (c *checker) pipLists(args config.Args) {
	for _, param := range []string{"requirements", "constraints"} {
		for _, f := range args.Strings(param) {
			c.below(param, f, "the source tree")
		}
	}
	for _, p := range args.Strings("packages") {
		if !pipPackage.MatchString(p) || strings.ContainsAny(p, "\r\n") || strings.Contains(p, " --") {
			c.problem("packages", "Not a requirement", "Write the name of a package, with versions if you like: \"pytest>=8,<9\".")
			break
		}
	}
	if args.Has("project") {
		c.sourceDirs("project", []string{args.String("project")})
	} else if len(args.Strings("extras")) > 0 {
		c.problem("extras", "Extras of nothing", "Say with the argument project of which directory.")
	}
	for _, e := range args.Strings("extras") {
		if !pipExtra.MatchString(e) {
			c.problem("extras", "Not the name of an extra", "An extra has letters, digits and \"-_.\" only.")
			break
		}
	}
	if !args.Has("project") && len(pipFiles(args))+len(args.Strings("packages")) == 0 {
		c.problem("", "No packages", "Name packages, or requirements files, or a project, or leave all out for requirements.txt.")
	}
}

// pipSources returns where packages come from for the action.
func pipSources(args config.Args, host Host) PipSettings {
	s := host.Pip()
	if index := args.String("index"); index != "" {
		s.Index, s.Extra, s.FindLinks, s.NoIndex = index, nil, nil, false
	}
	s.Extra = append(slices.Clone(s.Extra), args.Strings("extra_indexes")...)
	return s
}

func pipGetSteps(args config.Args, host Host) ([]guest.Step, error) {
	sources := pipSources(args, host)
	env := pipEnv(sources, args.Bool("allow_sdist"))
	var files []string
	for _, f := range pipFiles(args) {
		files = append(files, "-r", f)
	}
	for _, f := range args.Strings("constraints") {
		files = append(files, "-c", f)
	}
	for _, e := range args.Strings("extras") {
		files = append(files, "-x", e)
	}
	if args.Has("project") {
		files = append(files, "-p", path.Clean(args.String("project")))
	}
	var flags []string
	if !args.Bool("allow_sdist") {
		flags = append(flags, "--only-binary=:all:")
	}
	if args.Bool("require_hashes") {
		flags = append(flags, "--require-hashes")
	}
	packages := strings.Join(args.Strings("packages"), "\n") + "\n"
	return []guest.Step{
		{Write: &guest.Write{Path: pipScratch + "/empty", Dir: true}},
		{Write: &guest.Write{Path: pipScratch + "/clean.py", Content: pipClean}},
		{Write: &guest.Write{Path: pipScratch + "/guard.py", Content: pipGuard}},
		{Write: &guest.Write{Path: pipScratch + "/packages", Content: []byte(packages)}},
		script(withheldNote("pip_get", sources.Withheld)+fmt.Sprintf(pipPrepare, pipScratch, guest.DirSource, quoteAll(files)), env),
		fetchScript(fmt.Sprintf(pipFetch, pipScratch, quoteAll(flags)), env, args.Int("retries")),
		script(fmt.Sprintf(pipFinish, pipScratch, pipDir), env),
	}, nil
}

// pipEnv is the environment of a pip that may use the network.
func pipEnv(s PipSettings, sdists bool) map[string]string {
	env := map[string]string{
		"PIP_CONFIG_FILE":               "/dev/null",
		"PIP_DISABLE_PIP_VERSION_CHECK": "1",
		"PIP_NO_CACHE_DIR":              "1",
		"PIP_NO_INPUT":                  "1",
		"PIP_NO_COLOR":                  "1",
		"PIP_PROGRESS_BAR":              "off",
		"PIP_RETRIES":                   "2",
		"PIP_TIMEOUT":                   "30",
		"PIP_ROOT_USER_ACTION":          "ignore",
		"PYTHONDONTWRITEBYTECODE":       "1",
		"LC_ALL":                        "C.UTF-8",
	}
	for name, value := range map[string]string{
		"PIP_INDEX_URL":       s.Index,
		"PIP_EXTRA_INDEX_URL": strings.Join(s.Extra, " "),
		"PIP_FIND_LINKS":      strings.Join(s.FindLinks, " "),
		"PIP_TRUSTED_HOST":    strings.Join(s.Trusted, " "),
	} {
		if value != "" {
			env[name] = value
		}
	}
	if s.NoIndex {
		env["PIP_NO_INDEX"] = "1"
	}
	if sdists {
		env["AMBIENT_ALLOW_SDIST"] = "1"
	}
	return env
}

// pipPrepare makes one list of all requirements. Its arguments: the scratch
// directory, the source tree, the files.
const pipPrepare = `scratch=%[1]s
if ! command -v python3 >/dev/null || ! python3 -m pip --version; then
	echo "pip_get: the image has no pip: add the package python3-pip to it" >&2
	exit 1
fi
cd %[2]s
python3 "$scratch/clean.py" "$scratch/requirements" %[3]s
cat "$scratch/packages" >>"$scratch/requirements"
mkdir -p "$scratch/wheels"
`

// pipFetch downloads, from an empty directory so that no name is that of a
// file. pip says of an index that it can not reach that it has no such package,
// so outages are looked for first. A failure that no retry can mend is noted
// for pipFinish. Its arguments: the scratch directory, pip's flags.
const pipFetch = `scratch=%[1]s
cd "$scratch/empty"
rm -f "$scratch/log"
if python3 "$scratch/guard.py" download --log "$scratch/log" --dest "$scratch/wheels" %[2]s -r "$scratch/requirements" -c "$scratch/requirements.constraints" 2>"$scratch/stderr"; then
	cat "$scratch/stderr" >&2
	exit 0
fi
cat "$scratch/stderr" >&2
if ! cat "$scratch/log" "$scratch/stderr" | grep -v Retrying | grep -q -E '` + pipOutage + `' && grep -q -E '` + pipPermanent + `' "$scratch/stderr"; then
	: >"$scratch/failed"
	exit 0
fi
exit 1
`

// pipOutage matches what pip says of the network, pipPermanent of faults in the
// project.
const (
	pipOutage    = `Could not fetch URL .*: (connection error|There was a problem|.*timed out|408 |429 |5[0-9][0-9] )|ERROR: .*(ConnectionError|Max retries|timed out|HTTP error (408|429|5[0-9][0-9]))|ConnectionError:|ConnectTimeout|ReadTimeout|Connection broken|IncompleteRead|ProtocolError|RemoteDisconnected|SSLError`
	pipPermanent = `No matching distribution|Could not find a version|DO NOT MATCH THE HASHES|require-hashes|ResolutionImpossible|conflicting dependencies|Invalid requirement|HTTP error 4[0-9][0-9]|error: 4[0-9][0-9] |is not a supported wheel|has no wheel|requires a different Python|inconsistent version|Cannot install|must (provide|have) `
)

// pipFinish moves what was fetched. Its arguments: the scratch directory, the
// target.
const pipFinish = `scratch=%[1]s
if [ -e "$scratch/failed" ]; then
	echo "pip_get: the packages can not be downloaded as the project asks for them" >&2
	exit 1
fi
mkdir -p %[2]s
for f in "$scratch"/wheels/*; do
	if [ -e "$f" ]; then mv -f "$f" %[2]s/; fi
done
rm -rf "$scratch"
`

// pipMaxAge is how long what an index chose is good.
const pipMaxAge = 24 * time.Hour

// pipDepends: requirements that all have a hash are good for ever. Files that
// others include are taken to be texts by their names.
func pipDepends(args config.Args) (Depends, string) {
	files := append(pipFiles(args), args.Strings("constraints")...)
	d := Depends{Files: append(files, "**/*requirements*", "**/*constraints*", "**/*.txt", "**/*.in", "**/pyproject.toml"), MaxAge: pipMaxAge}
	if args.Bool("require_hashes") {
		d.MaxAge = 0
	}
	return d, ""
}

var (
	pipName  = regexp.MustCompile(`(?m)^\s*([A-Za-z0-9][A-Za-z0-9._-]*)`)
	pipPlace = regexp.MustCompile(`(?m)^\s*(?:-i|--index-url|--pypi-url|--extra-index-url|-f|--find-links)[\s=]*(https?://\S+)`)
	pipURL   = regexp.MustCompile(`(?m)^\s*[A-Za-z0-9][^#\n]*@\s*(https?://\S+)`)
	pipMore  = regexp.MustCompile(`(?m)^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)`)
)

// pipReach names the hosts of the indexes, those that they have files on, and
// those that requirements files name.
func pipReach(args config.Args, host Host, tree Tree) ([]config.Allow, error) {
	sources := pipSources(args, host)
	index := sources.Index
	if index == "" && !sources.NoIndex {
		index = host.Default("pip")
	}
	text := pipRequirements(args, tree)
	r := &reach{by: "pip_get"}
	for _, index := range append([]string{index}, sources.Extra...) {
		r.pipIndex(host, index, pipNames(args, text))
	}
	for _, address := range sources.FindLinks {
		r.address(address)
	}
	for _, kind := range []*regexp.Regexp{pipPlace, pipURL} {
		for _, m := range kind.FindAllStringSubmatch(text, -1) {
			r.foreign(m[1])
		}
	}
	return r.all, nil
}

// pipNames are a few packages that the action asks for.
func pipNames(args config.Args, text string) []string {
	var names []string
	for _, m := range pipName.FindAllStringSubmatch(strings.Join(args.Strings("packages"), "\n")+"\n"+text, -1) {
		// PEP 503: the name in an address.
		name := pipRuns.ReplaceAllString(strings.ToLower(m[1]), "-")
		if !slices.Contains(names, name) && len(names) < 3 {
			names = append(names, name)
		}
	}
	// An index has its files in one place, so any package will do that it has.
	return append(names, "setuptools", "pip")
}

var (
	pipRuns = regexp.MustCompile(`[-_.]+`)
	// pipFile finds the addresses of files in both forms of an index (PEP 503,
	// PEP 691).
	pipFile = regexp.MustCompile(`(?:href="|"url":\s*")(https?://[^/"\s]+/)`)
)

// maxPages is how many pages of an index are read for the hosts of its files.
const maxPages = 3

// pipIndex adds the host of an index and of the files that it points to.
func (r *reach) pipIndex(host Host, index string, names []string) {
	if index == "" {
		return
	}
	r.address(index)
	answered := 0
	for _, name := range names {
		page, err := host.Document(strings.TrimSuffix(index, "/")+"/"+url.PathEscape(name)+"/",
			"application/vnd.pypi.simple.v1+json, text/html;q=0.1")
		if err != nil {
			continue
		}
		for _, m := range pipFile.FindAllSubmatch(page, -1) {
			r.address(string(m[1]))
		}
		answered++
		if answered == maxPages {
			return
		}
	}
}

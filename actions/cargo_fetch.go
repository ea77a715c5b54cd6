package actions

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

const (
	cargoHome    = guest.DirDeps + "/cargo" // CARGO_HOME: what was fetched, and cargo's configuration
	cargoScratch = "/tmp/ambient-cargo"     // copies of manifests in the guest
	// cargoConfigFile is what becomes the config.toml in CARGO_HOME.
	cargoConfigFile = "/tmp/ambient-cargo.toml"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "cargo_fetch",
		Doc: "Downloads the crates that a Rust project needs into `/ci/deps/cargo`.\n\n" +
			"It runs `cargo fetch`, which runs no build script, on a copy that has the files `Cargo.toml` and `Cargo.lock` of the source tree, and an empty file for each `*.rs`. " +
			"`.cargo/config.toml` of the source tree is left out, because it can name programs that cargo runs. " +
			"With a `Cargo.lock` it runs `cargo fetch --locked`, and checks every crate against the lock file. " +
			"Where there is a `deny.toml` and the image has cargo-deny, it fetches the advisories too. " +
			"Later `plan` stages find all that without a network: `CARGO_HOME` and `CARGO_NET_OFFLINE` are set for them.\n\n" +
			"Where crates come from is what cargo's own configuration on the machine that runs ambient says, without passwords: a source in place of crates-io, and registries by name. " +
			"The arguments `index` and `registries` win over it.\n\n" +
			"The image must have cargo 1.70 or later: the packages `cargo-web` and `rustc-web` of Debian 12, `cargo` and `rustc` of later ones, or the action `rustup` before this one in the same stage. " +
			"A registry that can not be reached makes the stage errored; a wrong checksum or a crate that does not exist makes it failed.",
		Phases: []config.Phase{config.Pre},
		Params: []config.Param{
			{Name: "dirs", Type: config.TypeStrings, Default: []string{"."}, Doc: "The directories that hold a workspace or a package of their own, relative to the source tree."},
			{Name: "index", Type: config.TypeString, Doc: "Where to get crates in place of cargo's own index: `sparse+https://…`."},
			{Name: "registries", Type: config.TypeMap, Doc: "Further registries that manifests name, and where their index is: `{ corp = \"sparse+https://…\" }`."},
			{Name: "advisories", Type: config.TypeBool, Default: true, Doc: "Whether to fetch the advisories for cargo-deny where there is a `deny.toml`."},
			retriesParam,
		},
		NeedsDebian: true,
		Example:     "action \"cargo_fetch\" {}",
		Check:       checkCargoFetch,
	},
	Steps:   cargoFetchSteps,
	Depends: cargoDepends,
	Reach:   cargoReach,
	Title: func(args config.Args) string {
		return "cargo_fetch " + strings.Join(args.Strings("dirs"), " ")
	},
	Env: func(config.Args) map[string]string { return map[string]string{"CARGO_HOME": cargoHome} },
	PlanEnv: func(config.Args) map[string]string {
		return map[string]string{"CARGO_HOME": cargoHome, "CARGO_NET_OFFLINE": "true"}
	},
})

var (
	// The names that cargo takes (restricted_names in the Cargo Book).
	cargoRegistryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)
	cargoIndex        = regexp.MustCompile(`^(sparse\+)?https?://[^\s"\\]+$`)
)

func checkCargoFetch(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	if args.Has("dirs") && len(args.Strings("dirs")) == 0 {
		c.problem("dirs", "No directories", "Name at least one, or leave the argument out for the top of the source tree.")
	}
	c.sourceDirs("dirs", args.Strings("dirs"))
	if index := args.String("index"); index != "" {
		c.cargoIndex("index", index)
	}
	registries := args.Map("registries")
	for _, name := range slices.Sorted(maps.Keys(registries)) {
		if !cargoRegistryName.MatchString(name) || name == "crates-io" {
			c.problem("registries", "Not the name of a registry", "The name of a registry begins with a letter or digit and has letters, digits, \"-\" and \"_\" only. In place of crates-io, write the argument index.")
			break
		}
		c.cargoIndex("registries", registries[name])
	}
	return c.problems
}

func (c *checker) cargoIndex(param, index string) {
	var withheld []string
	switch {
	case !cargoIndex.MatchString(index) || !isWeb(strings.TrimPrefix(index, "sparse+")):
		c.problem(param, "Not the address of an index", "Write it as \"sparse+https://…/\", or as the https address of a git repository.")
	case withoutPassword(index, &withheld) != index:
		c.problem(param, "Password in an address", "Plans, logs and records show addresses. Use one without user name and password.")
	}
}

// cargoSources returns where crates come from for the action.
func cargoSources(args config.Args, host Host) (CargoSettings, error) {
	s := host.Cargo()
	if index := args.String("index"); index != "" {
		s.Index, s.Fault = index, ""
	}
	s.Registries = merged(s.Registries, args.Map("registries"))
	if s.Fault != "" {
		return s, fmt.Errorf("%s", s.Fault)
	}
	return s, nil
}

func cargoFetchSteps(args config.Args, host Host) ([]guest.Step, error) {
	sources, err := cargoSources(args, host)
	if err != nil {
		return nil, err
	}
	file, err := cargoConfig(sources.Index, sources.Registries)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, d := range args.Strings("dirs") {
		dirs = append(dirs, path.Clean(d))
	}
	names := quoteAll(dirs)
	env := map[string]string{
		"CARGO_NET_OFFLINE": "false",
		"CARGO_TERM_COLOR":  "never",
		"CARGO_TARGET_DIR":  cargoScratch + "/target",
		"LC_ALL":            "C",
	}
	var steps []guest.Step
	if file != nil {
		steps = append(steps, guest.Step{Write: &guest.Write{Path: cargoConfigFile, Content: file}})
	}
	advisories := ""
	if args.Bool("advisories") {
		advisories = cargoAdvisories
	}
	return append(steps,
		script(withheldNote("cargo_fetch", sources.Withheld)+fmt.Sprintf(cargoCopy, cargoScratch, guest.DirSource, names, guest.DirDeps, cargoConfigFile), env),
		fetchScript(fmt.Sprintf(cargoFetch, cargoScratch, names, advisories), env, args.Int("retries")),
		script(fmt.Sprintf(cargoFinish, cargoScratch), env),
	), nil
}

// cargoCopy makes a tree of manifests and lock files, with empty files in place
// of code, since cargo wants to see that its targets exist. Its arguments: the
// scratch directory, the source tree, the workspaces' directories, that of what
// is fetched, cargo's configuration.
const cargoCopy = `scratch=%[1]s
command -v cargo >/dev/null || {
	echo "cargo_fetch: the image has no cargo: ` + cargoPackages + `, or run the action rustup before" >&2
	exit 1
}
case $CARGO_HOME/ in
%[4]s/*) mkdir -p "$CARGO_HOME" ;;
*)
	echo "cargo_fetch: CARGO_HOME is $CARGO_HOME, where nothing is kept for plan stages: set it to a directory below %[4]s, or do not set it" >&2
	exit 1
	;;
esac
if [ -e %[5]s ]; then mv %[5]s "$CARGO_HOME/config.toml"; fi
cargo --version
rm -rf "$scratch"
mkdir -p "$scratch/src"
cd %[2]s
find . -name .git -prune -o -type d -exec sh -ec 'cd "$0"; mkdir -p "$@"' "$scratch/src" {} +
find . -name .git -prune -o -type f -name '*.rs' -exec sh -ec 'cd "$0"; for f; do : >"$f"; done' "$scratch/src" {} +
find . -name .git -prune -o -type f \( -name Cargo.toml -o -name Cargo.lock -o -name deny.toml \) \
	-exec sh -ec 'for f; do cp "$f" "$0/$f"; done' "$scratch/src" {} +
for dir in %[3]s; do
	cd "$scratch/src"
	if [ ! -e "$dir/Cargo.toml" ]; then
		echo "cargo_fetch: there is no Cargo.toml in the directory $dir of the source tree" >&2
		exit 1
	fi
	cd "./$dir"
	cargo metadata --no-deps --offline --format-version=1 >/dev/null
done
`

// cargoPackages says how an image gets cargo.
const cargoPackages = `add the packages cargo-web and rustc-web (Debian 12) or cargo and rustc (later ones) to it`

// cargoFetch downloads. A failure that no retry can mend is noted for
// cargoFinish, because it is the project's and not the network's. Its
// arguments: the scratch directory, the workspaces' directories, what else to
// fetch in each.
const cargoFetch = `scratch=%[1]s
attempt() {
	if "$@" 2>"$scratch/stderr"; then
		cat "$scratch/stderr" >&2
		return
	fi
	cat "$scratch/stderr" >&2
	if grep -v -E '(code|got|status) (408|429)' "$scratch/stderr" | grep -q -E '` + cargoPermanent + `'; then
		echo "$dir" >"$scratch/failed"
		exit 0
	fi
	exit 1
}
for dir in %[2]s; do
	cd "$scratch/src/$dir"
	echo "downloading the crates of $dir"
	if [ -e Cargo.lock ]; then
		attempt cargo fetch --locked
	else
		attempt cargo fetch
	fi
%[3]sdone
`

// cargoAdvisories fetches what cargo-deny checks against.
const cargoAdvisories = `	if [ -e deny.toml ] || [ -e .cargo/deny.toml ]; then
		if command -v cargo-deny >/dev/null; then
			echo "downloading the advisories for cargo-deny"
			attempt cargo deny fetch
		else
			echo "cargo_fetch: the advisories for deny.toml are not fetched: the image has no cargo-deny" >&2
		fi
	fi
`

// cargoPermanent matches what cargo says of faults in the project.
const cargoPermanent = `config\.json not found|failed to verify the checksum|checksum for .* (changed|could not)|failed to select a version|no matching package|candidate versions found|needs to be updated|cannot update the lock file|lock file version|failed to parse|invalid type|missing field|feature .* is required|cargo-features|requires rustc|package requires|is not able to |not found in any configuration|(got|status|code|code:) 4[0-9][0-9]|failed to authenticate|authentication required|revision .* not found|failed to find (branch|tag)|could not find .* in |current package believes|dependency cycle|cyclic package`

// cargoFinish removes what differs from run to run and is not needed.
const cargoFinish = `scratch=%[1]s
if [ -e "$scratch/failed" ]; then
	echo "cargo_fetch: the crates of $(cat "$scratch/failed") can not be downloaded as the project asks for them" >&2
	exit 1
fi
rm -rf "$scratch" "$CARGO_HOME"/.package-cache* "$CARGO_HOME"/.global-cache*
find "$CARGO_HOME" -name .last-updated -type f -exec rm -f {} +
`

// cargoDepends is what cargo_fetch reads. Names of code count as well, since
// cargo finds targets by them, but not what a target does to what is fetched.
func cargoDepends(config.Args) (Depends, string) {
	return Depends{Files: []string{"**/Cargo.toml", "**/Cargo.lock", "**/deny.toml"}, MaxAge: cargoMaxAge}, ""
}

// cargoMaxAge is how long advisories, and crates that no lock file chose, are good.
const cargoMaxAge = 24 * time.Hour

// cargoReach names the hosts of the index and of the crates that it points to,
// and those from which a lock file takes crates.
func cargoReach(args config.Args, host Host, tree Tree) ([]config.Allow, error) {
	sources, err := cargoSources(args, host)
	if err != nil {
		return nil, err
	}
	index := sources.Index
	if index == "" {
		index = host.Default("cargo")
	}
	r := &reach{by: "cargo_fetch"}
	r.cargoIndex(host, index)
	locks, missing := cargoLocks(args, tree)
	for _, name := range slices.Sorted(maps.Keys(sources.Registries)) {
		if index := sources.Registries[name]; missing || strings.Contains(locks, index) {
			r.cargoIndex(host, index)
		}
	}
	for _, m := range cargoForeign.FindAllStringSubmatch(locks, -1) {
		r.foreign(m[1])
	}
	if args.Bool("advisories") {
		r.cargoAdvisories(args, tree)
	}
	return r.all, nil
}

var (
	cargoDatabases = regexp.MustCompile(`(?s)\bdb-urls\s*=\s*\[(.*?)\]`)
	cargoDatabase  = regexp.MustCompile(`["'](https?://[^"'\s]+)["']`)
)

// cargoAdvisories adds the databases that a deny.toml names.
func (r *reach) cargoAdvisories(args config.Args, tree Tree) {
	for _, dir := range args.Strings("dirs") {
		for _, name := range []string{"deny.toml", ".cargo/deny.toml"} {
			for _, list := range cargoDatabases.FindAllStringSubmatch(readTree(tree, path.Join(dir, name)), -1) {
				for _, m := range cargoDatabase.FindAllStringSubmatch(list[1], -1) {
					r.foreign(m[1])
				}
			}
		}
	}
}

// cargoForeign finds the sources in a Cargo.lock that are no registry of git:
// one of those is cargo's own, whose address stands for another one, or has a
// name in cargo's configuration.
var cargoForeign = regexp.MustCompile(`(?m)^source = "((?:git|sparse)\+[^"\s]+)"$`)

// cargoLocks returns the lock files of the action's directories, and whether
// one of them is missing.
func cargoLocks(args config.Args, tree Tree) (text string, missing bool) {
	for _, dir := range args.Strings("dirs") {
		lock := readTree(tree, path.Join(dir, "Cargo.lock"))
		missing = missing || lock == ""
		text += lock + "\n"
	}
	return text, missing
}

// cargoIndex adds the host of an index and, of a sparse one, that of its
// downloads ("Index Format" in the Cargo Book).
func (r *reach) cargoIndex(host Host, index string) {
	r.address(index)
	base, sparse := strings.CutPrefix(index, "sparse+")
	if !sparse {
		return
	}
	data, err := host.Document(strings.TrimSuffix(base, "/")+"/config.json", "application/json")
	if err != nil {
		return // the stage will say what it could not reach
	}
	var about struct{ DL string }
	if json.Unmarshal(data, &about) == nil {
		r.address(about.DL)
	}
}

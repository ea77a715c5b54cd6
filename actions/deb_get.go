package actions

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

const (
	debDir     = guest.DirDeps + "/debian" // packages; sources in a directory below it
	debScratch = "/var/tmp/ambient-apt"    // apt's own directories in the guest
	debKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "deb_get",
		Doc: "Downloads Debian packages into `/ci/deps/debian`.\n\n" +
			"It fetches the packages with everything that they depend on, as if nothing were installed, so that what it fetches does not depend on the image. " +
			"A later `plan` stage installs them with `apt-get install --no-download -y /ci/deps/debian/*.deb`. " +
			"Source packages go into `/ci/deps/debian/source`, as they are. " +
			"Everything is verified by apt from the archive's signature down, with the archive keys that are in the image. " +
			"The archive is that of the machine that runs ambient.\n\n" +
			"It needs an image with a `debian` block. An archive that can not be reached makes the stage errored; a package that does not exist makes it failed.",
		Phases: []config.Phase{config.Pre},
		Params: []config.Param{
			{Name: "packages", Type: config.TypeStrings, Doc: "Binary packages: `name`, or `name=version`."},
			{Name: "sources", Type: config.TypeStrings, Doc: "Source packages: `name`, or `name=version`. What they need for building is not fetched."},
			{Name: "suite", Type: config.TypeString, Doc: "The suite, such as `bookworm`. Without it, that of the stage's image."},
			{Name: "recommends", Type: config.TypeBool, Default: false, Doc: "Whether to fetch recommended packages too."},
			retriesParam,
		},
		Example:     "action \"deb_get\" {\n  packages = [\"libpng-dev\"]\n  sources  = [\"hello\"]\n}",
		NeedsDebian: true,
		Check:       checkDebGet,
	},
	Steps:   debGetSteps,
	Depends: debGetDepends,
	Reach:   debReach,
	Title: func(args config.Args) string {
		return "deb_get " + strings.Join(append(append([]string{}, args.Strings("packages")...), args.Strings("sources")...), " ")
	},
})

var (
	// Debian Policy 5.6.1 and 5.6.12. A name may not end with a hyphen, by which
	// apt-get means removal.
	debPackage = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*[a-z0-9+.](=[A-Za-z0-9.+:~-]+)?$`)
	debSuite   = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)
	debPart    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9./_-]*$`)
)

func checkDebGet(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	if len(args.Strings("packages"))+len(args.Strings("sources")) == 0 {
		c.problem("", "Nothing to fetch", "Give packages, or sources, or both.")
	}
	for _, param := range []string{"packages", "sources"} {
		for _, p := range args.Strings(param) {
			if !debPackage.MatchString(p) {
				c.problem(param, "Not a Debian package", "Write the name of a package in small letters, digits and \"+-.\", or name=version.")
				break
			}
		}
	}
	if args.Has("suite") && !debSuite.MatchString(args.String("suite")) {
		c.problem("suite", "Not a Debian suite", "Write the code name of a release, such as \"bookworm\".")
	}
	return c.problems
}

func debGetSteps(args config.Args, host Host) ([]guest.Step, error) {
	packages, sources := args.Strings("packages"), args.Strings("sources")
	archives, err := host.Debian(args.String("suite"))
	if err != nil {
		return nil, err
	}
	list, err := aptSources(archives, len(packages) > 0, len(sources) > 0)
	if err != nil {
		return nil, err
	}
	env := map[string]string{"APT_CONFIG": debScratch + "/apt.conf", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
	steps := []guest.Step{
		script(fmt.Sprintf(debPrepare, debScratch, debKeyring), env),
		{Write: &guest.Write{Path: debScratch + "/apt.conf", Content: aptConf(args.Bool("recommends"))}},
		{Write: &guest.Write{Path: debScratch + "/etc/sources.list", Content: []byte(list)}},
		fetchScript(debUpdate, env, args.Int("retries")),
		// Nothing is fetched here: a package that does not exist is the
		// project's fault and must not look like an outage.
		script(debGetCommands("--print-uris -qq", ">/dev/null", packages, sources), env),
		fetchScript(debGetCommands("--download-only -y", "", packages, sources), env, args.Int("retries")),
		script(fmt.Sprintf(debFinish, debScratch, debDir), env),
	}
	return steps, nil
}

// debReach names the hosts of the archives.
func debReach(args config.Args, host Host, _ Tree) ([]config.Allow, error) {
	archives, err := host.Debian(args.String("suite"))
	r := reach{by: "deb_get"}
	for _, a := range archives {
		r.address(a.URI)
	}
	return r.all, err
}

// debGetCommands returns shell text that has apt-get work on all packages.
func debGetCommands(flags, redirect string, packages, sources []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cd %s/source\n", debScratch)
	if len(packages) > 0 {
		fmt.Fprintf(&b, "apt-get %s install %s %s\n", flags, quoteAll(packages), redirect)
	}
	if len(sources) > 0 {
		fmt.Fprintf(&b, "apt-get %s --only-source source %s %s\n", flags, quoteAll(sources), redirect)
	}
	return b.String()
}

// aptSources returns a sources.list (sources.list(5)) for the archives.
func aptSources(archives []DebianSource, binary, source bool) (string, error) {
	var b strings.Builder
	for _, a := range archives {
		u, err := url.Parse(a.URI)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.ContainsAny(a.URI, " \t\r\n[]") {
			return "", fmt.Errorf("a virtual machine can not use the Debian archive %q: its address is not http or https", u.Redacted())
		}
		for _, word := range append([]string{a.Suite}, a.Components...) {
			if !debPart.MatchString(word) {
				return "", fmt.Errorf("the Debian archive %s has a suite or component %q, which is no name", u.Redacted(), word)
			}
		}
		line := fmt.Sprintf("[signed-by=%s] %s %s %s\n", debKeyring, a.URI, a.Suite, strings.Join(a.Components, " "))
		if binary {
			b.WriteString("deb " + line)
		}
		if source {
			b.WriteString("deb-src " + line)
		}
	}
	return b.String(), nil
}

// aptConf returns an apt.conf (apt.conf(5)) that keeps apt away from what the
// image has installed and configured.
func aptConf(recommends bool) []byte {
	return []byte(fmt.Sprintf(`Dir "%[1]s";
Dir::Etc "%[1]s/etc";
Dir::State "%[1]s/state";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
Dir::Log "%[1]s/log";
Dir::Bin::dpkg "/usr/bin/dpkg";
APT::Install-Recommends "%[2]t";
APT::Install-Suggests "false";
APT::Cmd::Pattern-Only "true";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::Retries "2";
Binary::apt-get::APT::Keep-Downloaded-Packages "true";
`, debScratch, recommends))
}

// debPrepare makes apt's directories. Its arguments: the scratch directory, the
// keyring.
const debPrepare = `scratch=%[1]s
if ! command -v apt-get >/dev/null || [ ! -e %[2]s ]; then
	echo "deb_get: the image has no apt or no archive keys: use an image with a debian block" >&2
	exit 1
fi
rm -rf "$scratch"
mkdir -p "$scratch/etc/apt.conf.d" "$scratch/etc/preferences.d" "$scratch/etc/sources.list.d" "$scratch/etc/trusted.gpg.d"
mkdir -p "$scratch/state/lists/partial" "$scratch/cache/archives/partial" "$scratch/log" "$scratch/source"
: >"$scratch/status"
chown _apt "$scratch/source" 2>/dev/null || true # apt downloads as that user, where there is one
if [ -n "$SSL_CERT_FILE" ]; then
	echo "Acquire::https::CAInfo \"$SSL_CERT_FILE\";" >"$scratch/etc/apt.conf.d/ca"
fi
`

const debUpdate = "apt-get -q update\n"

// debFinish moves what was fetched. Its arguments: the scratch directory, the
// target.
const debFinish = `scratch=%[1]s
target=%[2]s
mkdir -p "$target"
for f in "$scratch"/cache/archives/*.deb; do
	if [ -e "$f" ]; then chmod 0644 "$f"; mv -f "$f" "$target/"; fi
done
for f in "$scratch"/source/*; do
	if [ -e "$f" ]; then mkdir -p "$target/source"; chmod 0644 "$f"; mv -f "$f" "$target/source/"; fi
done
rm -rf "$scratch"
`

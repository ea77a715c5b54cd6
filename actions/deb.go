package actions

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// debWork is where packages are built: a copy, since dpkg-buildpackage cleans
// the tree and writes its results beside it.
const debWork = "/var/tmp/ambient-deb"

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "deb",
		Doc: "Builds a Debian package from the tree, and puts it into the artifacts.\n\n" +
			"It runs `dpkg-buildpackage`, without signing, on a copy of the directory that holds `debian/`. What that makes goes into the artifacts: the packages, `.changes` and `.buildinfo`, and with `source` the source package. " +
			"The version is that of `debian/changelog`; an earlier action may write it.\n\n" +
			"The image needs `build-essential`, `debhelper` and the rest of the package's Build-Depends. Those that it does not have are installed from what `deb_get` fetched, if that is enough. " +
			"For a source package whose version has a Debian revision, the upstream tarball is the one in the directory above, or the one that `deb_get` fetched; without either it is made from the tree.",
		Phases: []config.Phase{config.Plan},
		Params: []config.Param{
			{Name: "dir", Type: config.TypeString, Default: ".", Doc: "The directory that holds `debian/`, relative to the source tree or absolute."},
			{Name: "packages", Type: config.TypeString, Default: ".", Doc: "The directory for the results, below the artifacts directory."},
			{Name: "source", Type: config.TypeBool, Default: false, Doc: "Whether to build the source package too."},
			{Name: "options", Type: config.TypeStrings, Doc: "Words of `DEB_BUILD_OPTIONS`, such as `nocheck`. Without `parallel=N`, as many jobs run at once as the machine has processors."},
			{Name: "profiles", Type: config.TypeStrings, Doc: "Build profiles, such as `nodoc`."},
		},
		Example:     "action \"deb\" {\n  source  = true\n  options = [\"nocheck\"]\n}",
		NeedsDebian: true,
		Check:       checkDeb,
	},
	Steps: debSteps,
	Title: func(args config.Args) string {
		if dir := workDir(args.String("dir")); dir != "" {
			return "deb " + dir
		}
		return "deb"
	},
})

// debWord is a word of DEB_BUILD_OPTIONS or a profile (Debian Policy 4.9.1).
var debWord = regexp.MustCompile(`^[a-z0-9][a-z0-9.+_=-]*$`)

func checkDeb(args config.Args) []config.Problem {
	var c checker
	c.text("dir", args.String("dir"))
	if path.Clean(args.String("packages")) != "." {
		c.below("packages", args.String("packages"), guest.DirArtifacts)
	}
	for _, param := range []string{"options", "profiles"} {
		for _, w := range args.Strings(param) {
			if !debWord.MatchString(w) {
				c.problem(param, "Not a build option", "Write each word as a string of its own, in small letters: [\"nocheck\", \"parallel=2\"].")
				break
			}
		}
	}
	return c.problems
}

func debSteps(args config.Args, _ Host) ([]guest.Step, error) {
	build := "binary"
	if args.Bool("source") {
		build = "full"
	}
	options := append([]string{"parallel=$(nproc)", "$DEB_BUILD_OPTIONS"}, args.Strings("options")...) // the last wins
	text := fmt.Sprintf(debBuild, debWork, quote(path.Join(guest.DirArtifacts, args.String("packages"))), build, strings.Join(options, " "), debDir)
	var env map[string]string
	if profiles := args.Strings("profiles"); len(profiles) > 0 {
		env = map[string]string{"DEB_BUILD_PROFILES": strings.Join(profiles, " ")}
	}
	return []guest.Step{{Exec: &guest.Exec{
		Script: text, Shell: "sh", Dir: workDir(args.String("dir")), Env: env,
		Needs: []guest.Tool{{Program: "dpkg-buildpackage", Package: "build-essential"}}, // dpkg-checkbuilddeps knows the rest
	}}}, nil
}

// debBuild builds a package in a copy of the working directory. Its arguments:
// the scratch directory, the target, the kind of build, DEB_BUILD_OPTIONS, what
// deb_get fetched.
const debBuild = `work=%[1]s
target=%[2]s
build=%[3]s
fetched=%[5]s
if [ ! -f debian/control ] || [ ! -f debian/changelog ]; then
	echo "deb: $PWD has no debian/control with a debian/changelog: name with dir the directory that has them" >&2
	exit 1
fi
rm -rf "$work"
mkdir -p "$work/tree"
cp -a . "$work/tree/"
here=$PWD
cd "$work/tree"
rm -rf .git
export DEB_BUILD_OPTIONS="%[4]s"
if ! dpkg-checkbuilddeps 2>/dev/null && [ -n "$(find "$fetched" -maxdepth 1 -name '*.deb' 2>/dev/null)" ]; then
	echo "deb: installing what deb_get fetched"
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-download --no-install-recommends "$fetched"/*.deb
fi
if ! dpkg-checkbuilddeps; then
	echo "deb: add these packages to the image, or fetch them with deb_get" >&2
	exit 1
fi
if [ "$build" = full ]; then
	name=$(dpkg-parsechangelog -S Source)
	version=$(dpkg-parsechangelog -S Version)
	version=${version#*:}
	format=$(cat debian/source/format 2>/dev/null || echo 1.0)
	case $version in *-*) revision=yes ;; *) revision= ;; esac
	if [ -n "$revision" ] && [ "$format" != "3.0 (native)" ]; then
		orig=${name}_${version%%-*}.orig.tar
		for f in "$here/../$orig".* "$fetched/source/$orig".*; do
			if [ -e "$f" ] && ! ls "../$orig".* >/dev/null 2>&1; then cp "$f" ..; fi
		done
		if ! ls "../$orig".* >/dev/null 2>&1; then
			echo "deb: making $orig.xz from the tree"
			tar --sort=name --mtime="@$(dpkg-parsechangelog -S Timestamp)" --owner=0 --group=0 --numeric-owner \
				--exclude=./debian --transform="s,^\.,$name-${version%%-*}," -cJf "../$orig.xz" .
		fi
	fi
fi
dpkg-buildpackage --no-sign --build="$build"
mkdir -p "$target"
find .. -maxdepth 1 -type f -exec mv -f {} "$target/" \;
cd /
rm -rf "$work"
ls -l "$target"
`

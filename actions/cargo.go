package actions

import (
	"fmt"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// cargoTarget is where cargo compiles, in the stage's cache.
const cargoTarget = guest.DirCache + "/cargo-target"

// Parameters that the actions of cargo share.
var (
	cargoDir        = config.Param{Name: "dir", Type: config.TypeString, Default: ".", Doc: "The directory of the workspace or package, relative to the source tree."}
	cargoSelected   = config.Param{Name: "packages", Type: config.TypeStrings, Doc: "Which packages of the workspace. Without it, all."}
	cargoFeatures   = config.Param{Name: "features", Type: config.TypeStrings, Doc: "Features to switch on."}
	cargoAll        = config.Param{Name: "all_features", Type: config.TypeBool, Default: false, Doc: "Whether to switch all features on."}
	cargoNoDefault  = config.Param{Name: "default_features", Type: config.TypeBool, Default: true, Doc: "Whether default features are on."}
	cargoProfile    = config.Param{Name: "profile", Type: config.TypeString, Doc: "The profile to compile with, such as `release`. Without it, that of the command."}
	cargoTriple     = config.Param{Name: "target", Type: config.TypeString, Doc: "The target to compile for, such as `x86_64-unknown-linux-musl`. Without it, the machine's own."}
	cargoAllTargets = config.Param{Name: "all_targets", Type: config.TypeBool, Default: true, Doc: "Whether tests, examples and benchmarks count too, beside libraries and programs."}

	cargoCompiling = []config.Param{cargoSelected, cargoFeatures, cargoAll, cargoNoDefault, cargoProfile, cargoTriple, cargoDir}
)

// withParams returns the parameters that are the action's own and then others.
func withParams(common []config.Param, own ...config.Param) []config.Param {
	return append(append([]config.Param{}, own...), common...)
}

// cargoEnv is the environment of every plan action that runs cargo. What is
// compiled in pieces only pays where somebody edits.
func cargoEnv(config.Args) map[string]string {
	return map[string]string{
		"CARGO_TARGET_DIR":  cargoTarget,
		"CARGO_NET_OFFLINE": "true",
		"CARGO_INCREMENTAL": "0",
	}
}

// cargoFlags are the arguments that say what to compile, and how.
func cargoFlags(args config.Args) []string {
	var flags []string
	if packages := args.Strings("packages"); len(packages) > 0 {
		for _, p := range packages {
			flags = append(flags, "--package="+p)
		}
	} else {
		flags = append(flags, "--workspace")
	}
	return append(flags, cargoHow(args)...)
}

// cargoHow are the arguments that say how to compile.
func cargoHow(args config.Args) []string {
	var flags []string
	if f := args.Strings("features"); len(f) > 0 {
		flags = append(flags, "--features="+strings.Join(f, ","))
	}
	if args.Bool("all_features") {
		flags = append(flags, "--all-features")
	}
	if !args.Bool("default_features") {
		flags = append(flags, "--no-default-features")
	}
	if p := args.String("profile"); p != "" {
		flags = append(flags, "--profile="+p)
	}
	if t := args.String("target"); t != "" {
		flags = append(flags, "--target="+t)
	}
	if args.Bool("all_targets") {
		flags = append(flags, "--all-targets")
	}
	return flags
}

// cargoStep returns a step that runs cargo without a network and, where there
// is a lock file, by it. Needs is the program that the command is, beside
// cargo, and how an image gets it.
func cargoStep(args config.Args, verb, needs, packages string, flags ...string) guest.Step {
	if needs == "" {
		needs, packages = "cargo", cargoPackages
	}
	s := script(fmt.Sprintf(cargoRun, verb, needs, packages, quoteAll(flags)), nil)
	s.Exec.Dir = workDir(args.String("dir"))
	return s
}

// cargoRun looks for a lock file as cargo does, from the directory upwards. Its
// arguments: the command, the program it needs, how an image gets that, the
// command's arguments.
const cargoRun = `command -v %[2]s >/dev/null || {
	echo "cargo %[1]s: the image has no %[2]s: %[3]s" >&2
	exit 1
}
dir=$PWD
locked=
while [ -z "$locked" ] && [ -n "$dir" ]; do
	if [ -e "$dir/Cargo.lock" ]; then locked=--locked; fi
	dir=${dir%%/*}
done
exec cargo %[1]s --offline $locked %[4]s
`

// checkCargo checks the parameters that the actions of cargo share.
func (c *checker) checkCargo(args config.Args) {
	if args.Has("packages") && len(args.Strings("packages")) == 0 {
		c.problem("packages", "No packages", "Name at least one, or leave the argument out for the whole workspace.")
	}
	c.words("packages", "name of a package", args.Strings("packages"))
	c.words("features", "feature", args.Strings("features"))
	for _, param := range []string{"profile", "target"} {
		if args.Has(param) {
			c.words(param, param, []string{args.String(param)})
		}
	}
	if args.Has("dir") {
		c.sourceDirs("dir", []string{args.String("dir")})
	}
}

// cargoCheck is the check of an action that has shared parameters only.
func cargoCheck(args config.Args) []config.Problem {
	var c checker
	c.checkCargo(args)
	return c.problems
}

package actions

import (
	"path"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "cargo_install",
		Doc: "Puts the programs of a Rust package into the artifacts with `cargo install`.\n\n" +
			"They go into the directory `bin` of the artifacts directory, compiled with the profile `release`. " +
			"It works without a network, with the crates of `cargo_fetch`, and `--locked` where there is a `Cargo.lock`.",
		Phases: []config.Phase{config.Plan},
		Params: []config.Param{
			{Name: "dir", Type: config.TypeString, Default: ".", Doc: "The directory of the package, relative to the source tree. That of a workspace which is no package itself will not do."},
			{Name: "output", Type: config.TypeString, Default: ".", Doc: "The directory that gets `bin`, below the artifacts directory."},
			{Name: "bins", Type: config.TypeStrings, Doc: "Which programs. Without it, all of the package."},
			cargoFeatures, cargoAll, cargoNoDefault, cargoProfile, cargoTriple,
		},
		NeedsDebian: true,
		Example:     "action \"cargo_install\" {}",
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.checkCargo(args)
			c.words("bins", "name of a program", args.Strings("bins"))
			if out := args.String("output"); args.Has("output") && path.Clean(out) != "." {
				c.below("output", out, guest.DirArtifacts)
			}
			return c.problems
		},
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		flags := []string{"--path=.", "--no-track", "--force", "--root=" + path.Join(guest.DirArtifacts, args.String("output"))}
		for _, b := range args.Strings("bins") {
			flags = append(flags, "--bin="+b)
		}
		return []guest.Step{cargoStep(args, "install", "", "", append(flags, cargoHow(args)...)...)}, nil
	},
	Env: cargoEnv,
})

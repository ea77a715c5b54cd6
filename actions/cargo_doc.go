package actions

import (
	"path"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "cargo_doc",
		Doc: "Makes the documentation of a Rust project with `cargo doc`.\n\n" +
			"It works without a network, with the crates of `cargo_fetch`, and `--locked` where there is a `Cargo.lock`.",
		Phases: []config.Phase{config.Plan},
		Params: withParams([]config.Param{cargoSelected, cargoFeatures, cargoAll, cargoNoDefault, cargoDir},
			config.Param{Name: "deps", Type: config.TypeBool, Default: false, Doc: "Whether to document dependencies too."},
			config.Param{Name: "output", Type: config.TypeString, Doc: "The directory for the documentation, below the artifacts directory. Without it, the documentation stays in the stage's cache and only has to come about."},
		),
		NeedsDebian: true,
		Example:     "action \"cargo_doc\" {\n  output = \"doc\"\n}",
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.checkCargo(args)
			if args.Has("output") {
				c.below("output", args.String("output"), guest.DirArtifacts)
			}
			return c.problems
		},
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		flags := cargoFlags(args)
		if !args.Bool("deps") {
			flags = append(flags, "--no-deps")
		}
		out := args.String("output")
		if out == "" {
			return []guest.Step{cargoStep(args, "doc", "", "", flags...)}, nil
		}
		dir := artifactPath(out)
		copying := script("rm -rf "+quote(dir)+"\ncp -R \"$CARGO_TARGET_DIR/doc\" "+quote(dir)+"\n", nil)
		return []guest.Step{
			script("rm -rf \"$CARGO_TARGET_DIR/doc\"\n", nil), // what an earlier run left must not get into it
			cargoStep(args, "doc", "", "", flags...),
			{Write: &guest.Write{Path: path.Dir(dir), Dir: true}},
			copying,
		}, nil
	},
	Env: cargoEnv,
})

package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "cargo_build",
		Doc: "Compiles a Rust project with `cargo build`.\n\n" +
			"It works without a network, with the crates of `cargo_fetch`, and `--locked` where there is a `Cargo.lock`. " +
			"What it compiles stays in the stage's cache, in `/ci/cache/cargo-target`. To have programs as artifacts, use `cargo_install`.",
		Phases:      []config.Phase{config.Plan},
		Params:      withParams(cargoCompiling, cargoAllTargets),
		NeedsDebian: true,
		Example:     "action \"cargo_build\" {}",
		Check:       cargoCheck,
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		return []guest.Step{cargoStep(args, "build", "", "", cargoFlags(args)...)}, nil
	},
	Env: cargoEnv,
})

package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "cargo_clippy",
		Doc: "Looks for mistakes in a Rust project with `cargo clippy`.\n\n" +
			"It works without a network, with the crates of `cargo_fetch`, and `--locked` where there is a `Cargo.lock`. " +
			"The image must have clippy: the package `rust-web-clippy` of Debian 12, `rust-clippy` of later ones, or the component `clippy` of `rustup`.",
		Phases: []config.Phase{config.Plan},
		Params: withParams(cargoCompiling,
			config.Param{Name: "deny_warnings", Type: config.TypeBool, Default: true, Doc: "Whether a warning fails the stage."},
			cargoAllTargets,
		),
		NeedsDebian: true,
		Example:     "action \"cargo_clippy\" {}",
		Check:       cargoCheck,
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		flags := append(cargoFlags(args), "--no-deps")
		if args.Bool("deny_warnings") {
			flags = append(flags, "--", "--deny=warnings")
		}
		return []guest.Step{cargoStep(args, "clippy", "cargo-clippy",
			"add the package rust-web-clippy (Debian 12) or rust-clippy (later ones) to it", flags...)}, nil
	},
	Env: cargoEnv,
})

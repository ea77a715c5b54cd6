package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "cargo_test",
		Doc: "Tests a Rust project with `cargo test`.\n\n" +
			"It works without a network, with the crates of `cargo_fetch`, and `--locked` where there is a `Cargo.lock`. " +
			"What it compiles stays in the stage's cache.",
		Phases: []config.Phase{config.Plan},
		Params: withParams(cargoCompiling,
			config.Param{Name: "args", Type: config.TypeStrings, Doc: "Arguments for the tests: part of the name of those to run, or `[\"--test-threads=1\"]`."},
		),
		NeedsDebian: true,
		Example:     "action \"cargo_test\" {}",
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.checkCargo(args)
			for _, a := range args.Strings("args") {
				c.text("args", a)
			}
			return c.problems
		},
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		flags := cargoFlags(args)
		if tests := args.Strings("args"); len(tests) > 0 {
			flags = append(append(flags, "--"), tests...)
		}
		return []guest.Step{cargoStep(args, "test", "", "", flags...)}, nil
	},
	Env: cargoEnv,
})

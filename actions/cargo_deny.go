package actions

import (
	"slices"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// cargoDenyChecks are what cargo-deny can look at.
var cargoDenyChecks = []string{"advisories", "bans", "licenses", "sources"}

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "cargo_deny",
		Doc: "Checks the dependencies of a Rust project with `cargo deny`.\n\n" +
			"It works without a network, with the crates and the advisories of `cargo_fetch`, and by `deny.toml`. " +
			"The image must have cargo-deny, which Debian has no package for.",
		Phases: []config.Phase{config.Plan},
		Params: []config.Param{
			{Name: "checks", Type: config.TypeStrings, Doc: "What to look at: `advisories`, `bans`, `licenses`, `sources`. Without it, all of them."},
			cargoFeatures, cargoAll, cargoNoDefault, cargoDir,
		},
		NeedsDebian: true,
		Example:     "action \"cargo_deny\" {\n  checks = [\"licenses\", \"bans\"]\n}",
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.checkCargo(args)
			for _, name := range args.Strings("checks") {
				if !slices.Contains(cargoDenyChecks, name) {
					c.problem("checks", "Unknown check", "Write \"advisories\", \"bans\", \"licenses\" or \"sources\".")
					break
				}
			}
			return c.problems
		},
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		flags := append([]string{"--workspace"}, cargoHow(args)...)
		flags = append(flags, "check")
		flags = append(flags, args.Strings("checks")...)
		return []guest.Step{cargoStep(args, "deny", "cargo-deny", "no package of Debian has it", flags...)}, nil
	},
	Env: cargoEnv,
})

package actions

import (
	"fmt"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "cargo_fmt",
		Doc: "Checks that a Rust project is formatted as `cargo fmt` would do it.\n\n" +
			"It changes nothing; differences are in the log. " +
			"The image must have rustfmt: the package `rustfmt-web` of Debian 12, `rustfmt` of later ones, or the component `rustfmt` of `rustup`.",
		Phases:      []config.Phase{config.Plan},
		Params:      []config.Param{cargoDir},
		NeedsDebian: true,
		Example:     "action \"cargo_fmt\" {}",
		Check:       cargoCheck,
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		s := script(fmt.Sprintf(cargoPlain, "fmt", "cargo-fmt",
			"add the package rustfmt-web (Debian 12) or rustfmt (later ones) to it", "--all --check"), nil)
		s.Exec.Dir = workDir(args.String("dir"))
		return []guest.Step{s}, nil
	},
	Env: cargoEnv,
})

// cargoPlain runs a command that has no --offline and no --locked. Its
// arguments are those of cargoRun.
const cargoPlain = `command -v %[2]s >/dev/null || {
	echo "cargo %[1]s: the image has no %[2]s: %[3]s" >&2
	exit 1
}
exec cargo %[1]s %[4]s
`

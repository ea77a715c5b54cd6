package actions

import (
	"path"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "mkdir",
		Doc: "Makes a directory, with its parents.\n\n" +
			"One that exists already is left as it is. In `pre` and `post` stages the source tree is read-only.",
		Phases: []config.Phase{config.Pre, config.Plan, config.Post},
		Params: []config.Param{
			{Name: "pathname", Type: config.TypeString, Required: true, Doc: "The directory, relative to the source tree or absolute."},
		},
		Example: "action \"mkdir\" {\n  pathname = \"/ci/artifacts/logs\"\n}",
		Check: func(args config.Args) []config.Problem {
			var c checker
			if c.text("pathname", args.String("pathname")) && args.String("pathname") == "" {
				c.problem("pathname", "No directory", "Write the directory to make.")
			}
			return c.problems
		},
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		return []guest.Step{{Write: &guest.Write{Path: inSource(args.String("pathname")), Dir: true}}}, nil
	},
	Title:   func(args config.Args) string { return "mkdir " + args.String("pathname") },
	Depends: nothingDepends,
})

// inSource returns a path in the guest that is absolute, or relative to the
// source tree, as an absolute one.
func inSource(p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join(guest.DirSource, p)
}

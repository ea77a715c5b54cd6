package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "shell",
		Doc: "Runs a shell script.\n\n" +
			"The script is the text that stands in the configuration, so that a reviewer reads it; " +
			"that is why it is allowed in every phase. Its syntax is checked before anything starts. It ends at the first command that fails " +
			"(`bash -eo pipefail`, or `sh -e` where the image has no bash), and the stage fails with its exit status. " +
			"In `pre` and `post` stages the source tree is read-only and nothing in it can be executed.",
		Phases: []config.Phase{config.Pre, config.Plan, config.Post},
		Params: []config.Param{
			{Name: "script", Type: config.TypeString, Required: true, Script: true, Doc: "The script itself."},
			{Name: "shell", Type: config.TypeString, Doc: "`bash` or `sh`. Without it, bash where the image has it, else sh."},
			{Name: "dir", Type: config.TypeString, Default: ".", Doc: "The directory to start in, relative to the source tree or absolute. It must exist."},
		},
		Example: "action \"shell\" {\n  script = <<-EOT\n    make\n    make check\n  EOT\n}",
		Check:   checkShell,
	},
	Steps: func(args config.Args, _ Host) ([]guest.Step, error) {
		return []guest.Step{{Exec: &guest.Exec{
			Script: args.String("script"),
			Shell:  args.String("shell"),
			Dir:    workDir(args.String("dir")),
		}}}, nil
	},
})

func checkShell(args config.Args) []config.Problem {
	var c checker
	switch args.String("shell") {
	case "", "bash", "sh":
	default:
		c.problem("shell", "Unknown shell", "Write \"bash\" or \"sh\", or leave the argument out.")
	}
	if blank(args.String("script")) {
		c.problem("script", "Empty script", "Write the commands to run, or use the action \"dummy\" to do nothing.")
	}
	c.text("script", args.String("script"))
	c.text("dir", args.String("dir"))
	return c.problems
}

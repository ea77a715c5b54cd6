package actions

import (
	"fmt"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// maxJobs is far more than a machine has processors.
const maxJobs = 1024

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name:   "make",
		Doc:    "Runs `make` in the source tree.\n\nThe image needs the package `make`, and whatever the rules run.",
		Phases: []config.Phase{config.Plan},
		Params: []config.Param{
			{Name: "targets", Type: config.TypeStrings, Doc: "What to make. Without it, the makefile's own default."},
			{Name: "variables", Type: config.TypeMap, Doc: "Variables of the makefile and their values, which win over those that the makefile sets: `{ PREFIX = \"/usr\" }`. They may name variables of the environment as make does: `\"$(AMBIENT_ARTIFACTS)\"`."},
			{Name: "jobs", Type: config.TypeNumber, Default: int64(0), Doc: "How many commands run at once. 0: as many as the machine has processors."},
			{Name: "dir", Type: config.TypeString, Default: ".", Doc: "The directory to start in, relative to the source tree or absolute. It must exist."},
			{Name: "file", Type: config.TypeString, Doc: "The makefile, relative to that directory. Without it, make looks for one."},
		},
		Example:     "action \"make\" {\n  targets   = [\"all\", \"check\"]\n  variables = { CFLAGS = \"-O2\" }\n}",
		NeedsDebian: true,
		Check:       checkMake,
	},
	Steps: makeSteps,
	Title: func(args config.Args) string {
		return strings.TrimSpace("make " + strings.Join(args.Strings("targets"), " "))
	},
})

func makeSteps(args config.Args, _ Host) ([]guest.Step, error) {
	jobs := `"$(nproc)"`
	if n := args.Int("jobs"); n > 0 {
		jobs = fmt.Sprint(n)
	}
	words := []string{"make -j" + jobs}
	if f := args.String("file"); f != "" {
		words = append(words, "-f "+quote(f))
	}
	for _, name := range sortedKeys(args.Map("variables")) {
		words = append(words, quote(name+"="+args.Map("variables")[name]))
	}
	if targets := args.Strings("targets"); len(targets) > 0 {
		words = append(words, "--", quoteAll(targets))
	}
	return []guest.Step{{Exec: &guest.Exec{
		Script: strings.Join(words, " ") + "\n", Shell: "sh", Dir: workDir(args.String("dir")),
		Needs: []guest.Tool{{Program: "make", Package: "make"}},
	}}}, nil
}

func checkMake(args config.Args) []config.Problem {
	var c checker
	c.words("targets", "target", args.Strings("targets"))
	for _, t := range args.Strings("targets") {
		if strings.Contains(t, "=") {
			c.problem("targets", "A variable among the targets", "Write it in variables = { NAME = \"value\" }.")
			break
		}
	}
	for _, name := range sortedKeys(args.Map("variables")) {
		if name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, ":#= \t\r\n\x00") {
			c.problem("variables", "Not a variable of make", "The name of a variable has no white space and none of \":#=\", and does not begin with a hyphen.")
			break
		}
		if !c.text("variables", args.Map("variables")[name]) {
			break
		}
	}
	if n := args.Int("jobs"); n < 0 || n > maxJobs {
		c.problem("jobs", "Jobs out of range", fmt.Sprintf("Write a number from 1 to %d, or 0 for as many as there are processors.", maxJobs))
	}
	c.text("dir", args.String("dir"))
	c.text("file", args.String("file"))
	return c.problems
}

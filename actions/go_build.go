package actions

import (
	"path"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "go_build",
		Doc: "Compiles Go packages with `go build`.\n\n" +
			"Without `output` it only shows that they compile. What it compiles stays in the stage's cache.",
		Phases: []config.Phase{config.Plan},
		Params: []config.Param{
			goPackages,
			{Name: "output", Type: config.TypeString, Doc: "Where to put the program, below the artifacts directory. With a final slash it is a directory that gets every program of the packages."},
			{Name: "ldflags", Type: config.TypeString, Doc: "Flags for the linker, such as `-s -w`."},
			{Name: "trimpath", Type: config.TypeBool, Default: true, Doc: "Whether to leave the names of directories out of the programs."},
			goTags, goDir, goCgo,
		},
		Example: "action \"go_build\" {\n  packages = [\"./cmd/greet\"]\n  output   = \"bin/\"\n}",
		Check:   checkGoBuild,
	},
	Steps: goBuildSteps,
	Title: goTitle("go_build"),
	Env:   goEnv,
})

func goBuildSteps(args config.Args, _ Host) ([]guest.Step, error) {
	var flags []string
	var steps []guest.Step
	if args.Bool("trimpath") {
		flags = append(flags, "-trimpath")
	}
	if f := args.String("ldflags"); f != "" {
		flags = append(flags, "-ldflags="+f)
	}
	if out := args.String("output"); out != "" {
		flags = append(flags, "-o", artifactPath(out))
		dir := path.Dir(artifactPath(out)) // of "bin/" this is ".../bin"
		steps = append(steps, guest.Step{Write: &guest.Write{Path: dir, Dir: true}})
	}
	return append(steps, goStep(args, "build", flags)), nil
}

func checkGoBuild(args config.Args) []config.Problem {
	var c checker
	c.checkGo(args)
	if args.Has("output") && args.String("output") != "./" {
		c.below("output", strings.TrimSuffix(args.String("output"), "/"), guest.DirArtifacts)
	}
	c.text("ldflags", args.String("ldflags"))
	return c.problems
}

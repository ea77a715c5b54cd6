package actions

import (
	"path"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "pytest",
		Doc: "Runs the tests of a Python project with pytest.\n\n" +
			"pytest is the one that `pip_install` installed in the stage, or that of the image (the package `python3-pytest`).",
		Phases: []config.Phase{config.Plan},
		Params: []config.Param{
			{Name: "paths", Type: config.TypeStrings, Doc: "Files and directories with tests. Without it, what pytest's configuration says, or all."},
			{Name: "args", Type: config.TypeStrings, Doc: "More arguments: `[\"-k\", \"parser\"]`."},
			{Name: "dir", Type: config.TypeString, Default: ".", Doc: "The directory to start in, relative to the source tree."},
			{Name: "junit", Type: config.TypeString, Doc: "Where to put a report in the format of JUnit, below the artifacts directory. The run's record then has the number of tests and those that failed."},
		},
		NeedsDebian: true,
		Example:     "action \"pytest\" {\n  paths = [\"tests\"]\n  junit = \"pytest.xml\"\n}",
		Check:       checkPytest,
	},
	Steps: pytestSteps,
	Reports: func(args config.Args) *guest.Reports {
		if !args.Has("junit") {
			return nil
		}
		return &guest.Reports{Files: []string{artifactPath(args.String("junit"))}} // pytest itself says whether a test failed
	},
	Env: func(config.Args) map[string]string { return map[string]string{"PYTHONDONTWRITEBYTECODE": "1"} },
})

func checkPytest(args config.Args) []config.Problem {
	var c checker
	c.words("paths", "file or directory", args.Strings("paths"))
	for _, a := range args.Strings("args") {
		c.text("args", a)
	}
	if args.Has("dir") {
		c.sourceDirs("dir", []string{args.String("dir")})
	}
	if args.Has("junit") {
		c.below("junit", args.String("junit"), guest.DirArtifacts)
	}
	return c.problems
}

func pytestSteps(args config.Args, _ Host) ([]guest.Step, error) {
	argv := []string{"python3", "-m", "pytest", "-o", "cache_dir=" + guest.DirCache + "/pytest"}
	var steps []guest.Step
	if report := args.String("junit"); report != "" {
		file := artifactPath(report)
		steps = append(steps, guest.Step{Write: &guest.Write{Path: path.Dir(file), Dir: true}})
		argv = append(argv, "--junitxml="+file)
	}
	argv = append(append(argv, args.Strings("args")...), args.Strings("paths")...)
	return append(steps, guest.Step{Exec: &guest.Exec{Argv: argv, Dir: workDir(args.String("dir"))}}), nil
}

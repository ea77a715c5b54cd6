package actions

import (
	"fmt"
	"path"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// maxPatterns bounds the patterns of one junit action.
const maxPatterns = 64

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "junit",
		Doc: "Collects test reports in JUnit's XML format, which most test tools can write.\n\n" +
			"They are read once all actions of the stage are over, also when one has failed, wherever this action stands. " +
			"The number of tests, and the first that failed with what they say, appear in the run's record and at the end of `apply`. " +
			"Reports older than the stage count too, so keep them out of the source tree and the cache. " +
			"Up to 1000 reports of up to 8 MiB, and 32 MiB in all, are read. To keep the reports themselves, put them into the artifacts.",
		Phases: []config.Phase{config.Pre, config.Plan, config.Post},
		Params: []config.Param{
			{Name: "files", Type: config.TypeStrings, Required: true, Doc: "The reports, as patterns relative to the source tree or absolute: `*` is a part of a name, `**` any number of directories."},
			{Name: "fail", Type: config.TypeBool, Default: true, Doc: "Whether the stage fails when a test did, though its actions succeeded."},
			{Name: "required", Type: config.TypeBool, Default: true, Doc: "Whether the stage fails when its actions succeeded and there is no report."},
		},
		Example: "action \"junit\" {\n  files = [\"build/reports/**/*.xml\"]\n}",
		Check:   checkJUnit,
	},
	Steps: func(config.Args, Host) ([]guest.Step, error) { return nil, nil },
	Reports: func(args config.Args) *guest.Reports {
		r := &guest.Reports{Required: args.Bool("required"), Fail: args.Bool("fail")}
		for _, f := range args.Strings("files") {
			r.Files = append(r.Files, inSource(f))
		}
		return r
	},
	Title:   func(args config.Args) string { return "junit " + strings.Join(args.Strings("files"), " ") },
	Depends: nothingDepends,
})

func checkJUnit(args config.Args) []config.Problem {
	var c checker
	files := args.Strings("files")
	if len(files) == 0 || len(files) > maxPatterns {
		c.problem("files", "No reports, or too many patterns", fmt.Sprintf("Name from 1 to %d files or patterns.", maxPatterns))
	}
	for _, f := range files {
		if !c.text("files", f) {
			break
		}
		if _, err := path.Match(f, ""); err != nil || f == "" || strings.HasSuffix(f, "/") || strings.Contains("/"+f+"/", "/../") {
			c.problem("files", "Not a pattern for files", "Write a path in which * is a part of a name, ** any number of directories and [a-z] one of some characters, without \"..\".")
			break
		}
	}
	return c.problems
}

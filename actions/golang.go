package actions

import (
	"path"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// goModCache is where fetched Go modules lie; a plan stage reads them there.
const goModCache = guest.DirDeps + "/go/mod"

// Parameters that the Go actions share.
var (
	goPackages = config.Param{Name: "packages", Type: config.TypeStrings, Default: []string{"./..."}, Doc: "Which packages, as patterns of the go command."}
	goTags     = config.Param{Name: "tags", Type: config.TypeStrings, Doc: "Build tags."}
	goDir      = config.Param{Name: "dir", Type: config.TypeString, Default: ".", Doc: "The directory of the module, relative to the source tree."}
	goCgo      = config.Param{Name: "cgo", Type: config.TypeBool, Doc: "Whether C code is compiled too (`CGO_ENABLED`), which needs a C compiler in the image. Without it, the go command decides."}
)

// goEnv is the environment of every action that runs the go command.
func goEnv(args config.Args) map[string]string {
	env := map[string]string{
		"GOCACHE":     guest.DirCache + "/go-build",
		"GOTOOLCHAIN": "local",
	}
	if args.Has("cgo") {
		env["CGO_ENABLED"] = "0"
		if args.Bool("cgo") {
			env["CGO_ENABLED"] = "1"
		}
	}
	return env
}

// goStep returns a step that runs the go command.
func goStep(args config.Args, verb string, flags []string, tail ...string) guest.Step {
	argv := []string{"go", verb}
	if tags := args.Strings("tags"); len(tags) > 0 {
		argv = append(argv, "-tags="+strings.Join(tags, ","))
	}
	argv = append(argv, flags...)
	argv = append(argv, args.Strings("packages")...)
	return guest.Step{Exec: &guest.Exec{Argv: append(argv, tail...), Dir: workDir(args.String("dir"))}}
}

// goTitle returns a function that shortens an action for the log.
func goTitle(name string) func(config.Args) string {
	return func(args config.Args) string {
		return name + " " + strings.Join(args.Strings("packages"), " ")
	}
}

// checkGo checks the parameters that the Go actions share.
func (c *checker) checkGo(args config.Args) {
	if args.Has("packages") && len(args.Strings("packages")) == 0 {
		c.problem("packages", "No packages", "Name at least one, or leave the argument out for \"./...\".")
	}
	c.words("packages", "package pattern", args.Strings("packages"))
	c.words("tags", "build tag", args.Strings("tags"))
	for _, tag := range args.Strings("tags") {
		if strings.ContainsAny(tag, ", ") {
			c.problem("tags", "Not a build tag", "Write each tag as a string of its own: [\"a\", \"b\"].")
			break
		}
	}
	if args.Has("dir") {
		c.sourceDirs("dir", []string{args.String("dir")})
	}
}

// artifactPath returns the absolute path of an output below the artifacts
// directory; a final slash, which says that it is a directory, stays.
func artifactPath(p string) string {
	abs := path.Join(guest.DirArtifacts, p)
	if strings.HasSuffix(p, "/") {
		abs += "/"
	}
	return abs
}

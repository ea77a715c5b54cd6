package actions

import (
	"fmt"
	"path"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// goScratch holds copies of a module's own files in the guest, because the go
// command may want to write go.sum and the source tree is read-only.
const goScratch = "/tmp/ambient-go"

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "go_mod_download",
		Doc: "Downloads the Go modules that the project needs into `/ci/deps/go/mod`.\n\n" +
			"It runs `go mod download`, which runs no code of anyone, on a copy of the files `go.mod`, `go.sum`, `go.work` and `go.work.sum` of the source tree. " +
			"The addresses of the module proxy and of the checksum database are those of the machine that runs ambient (`go env`). " +
			"Later `plan` stages find the modules without a network: `GOMODCACHE`, `GOPROXY=off`, `GOSUMDB=off`, `GOTOOLCHAIN=local` and `GOFLAGS=-mod=readonly -modcacherw` are set for them. " +
			"So `go.sum` must be complete; it is also what the modules are checked against.\n\n" +
			"The image must have the go command. A proxy that can not be reached makes the stage errored; a wrong checksum or an unknown version makes it failed.",
		Phases: []config.Phase{config.Pre},
		Params: []config.Param{
			{Name: "dirs", Type: config.TypeStrings, Default: []string{"."}, Doc: "The directories that hold a `go.mod` or `go.work`, relative to the source tree."},
			retriesParam,
		},
		Example: "action \"go_mod_download\" {}",
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.retries(args)
			if args.Has("dirs") && len(args.Strings("dirs")) == 0 {
				c.problem("dirs", "No directories", "Name at least one, or leave the argument out for the top of the source tree.")
			}
			c.sourceDirs("dirs", args.Strings("dirs"))
			return c.problems
		},
	},
	Steps:   goModDownloadSteps,
	Depends: goModDepends,
	Reach:   goReach,
	Title: func(args config.Args) string {
		return "go_mod_download " + strings.Join(args.Strings("dirs"), " ")
	},
	PlanEnv: func(config.Args) map[string]string {
		return map[string]string{
			"GOMODCACHE":  goModCache,
			"GOPROXY":     "off",
			"GOSUMDB":     "off",
			"GOTOOLCHAIN": "local",
			"GOFLAGS":     "-mod=readonly -modcacherw",
		}
	},
})

func goModDownloadSteps(args config.Args, host Host) ([]guest.Step, error) {
	env, err := goFetchEnv(host.Go())
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, d := range args.Strings("dirs") {
		dirs = append(dirs, path.Clean(d))
	}
	names := quoteAll(dirs)
	return []guest.Step{
		script(fmt.Sprintf(goCopy, goScratch, guest.DirSource, names), env),
		fetchScript(fmt.Sprintf(goFetch, goScratch, names), env, args.Int("retries")),
		script(fmt.Sprintf(goFinish, goScratch), env),
	}, nil
}

// goFetchEnv is the environment of a go command that may use the network.
func goFetchEnv(s GoSettings) (map[string]string, error) {
	if s.Proxy == "off" {
		return nil, fmt.Errorf("this machine's Go settings forbid downloads: `go env GOPROXY` is off")
	}
	for _, p := range strings.FieldsFunc(s.Proxy, func(r rune) bool { return r == ',' || r == '|' }) {
		if strings.HasPrefix(p, "file:") {
			return nil, fmt.Errorf("this machine's module proxy is a directory, which a virtual machine can not reach: set GOPROXY to an http or https address")
		}
	}
	env := map[string]string{
		"GOMODCACHE":  goModCache,
		"GOTOOLCHAIN": "local",
		"GOFLAGS":     "-modcacherw",
	}
	for name, value := range map[string]string{
		"GOPROXY": s.Proxy, "GOSUMDB": s.SumDB, "GOPRIVATE": s.Private,
		"GONOPROXY": s.NoProxy, "GONOSUMDB": s.NoSumDB, "GOINSECURE": s.Insecure,
	} {
		if value != "" {
			env[name] = value
		}
	}
	return env, nil
}

// goCopy makes a tree of nothing but the files that describe modules. Its
// arguments: the scratch directory, the source tree, the modules' directories.
const goCopy = `scratch=%[1]s
command -v go >/dev/null || {
	echo "go_mod_download: the image has no go command: add the package golang-go to it" >&2
	exit 1
}
rm -rf "$scratch"
mkdir -p "$scratch/src"
cd %[2]s
find . -name .git -prune -o -type f \( -name go.mod -o -name go.sum -o -name go.work -o -name go.work.sum \) \
	-exec sh -ec 'for f; do mkdir -p "$0/${f%%/*}"; cp "$f" "$0/$f"; done' "$scratch/src" {} +
for dir in %[3]s; do
	cd "$scratch/src"
	if [ ! -e "$dir/go.mod" ] && [ ! -e "$dir/go.work" ]; then
		echo "go_mod_download: there is no go.mod and no go.work in the directory $dir of the source tree" >&2
		exit 1
	fi
	cd "./$dir"
	if [ -e go.mod ]; then go mod edit -json >/dev/null; fi
done
`

// goFetch downloads. A failure that no retry can mend is noted for goFinish,
// because it is the project's and not the network's. Its arguments: the scratch
// directory, the modules' directories.
const goFetch = `scratch=%[1]s
for dir in %[2]s; do
	cd "$scratch/src/$dir"
	echo "downloading the modules of $dir"
	if go mod download 2>"$scratch/stderr"; then
		cat "$scratch/stderr" >&2
		continue
	fi
	cat "$scratch/stderr" >&2
	if grep -v -E ': (408|429) ' "$scratch/stderr" | grep -q -E '` + goPermanent + `'; then
		echo "$dir" >"$scratch/failed"
		exit 0
	fi
	exit 1
done
`

// goPermanent matches what the go command says of faults in the project.
const goPermanent = `SECURITY ERROR|checksum mismatch|missing go\.sum entry|: 4[0-9][0-9] |unknown revision|invalid version|malformed |errors parsing |requires go >= |updates to go\.(mod|work) needed|invalid go version|does not contain|no required module`

// goFinish removes what differs from run to run and is not needed: records of
// the checksum database and clones of repositories.
const goFinish = `scratch=%[1]s
if [ -e "$scratch/failed" ]; then
	echo "go_mod_download: the modules of $(cat "$scratch/failed") can not be downloaded as the project asks for them" >&2
	exit 1
fi
rm -rf "$scratch" "$GOMODCACHE/cache/download/sumdb" "$GOMODCACHE/cache/vcs" "$GOMODCACHE/cache/lock"
`

package actions

import (
	"fmt"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// pipVenv is the virtual environment of a stage, which lives as long as its
// machine.
const pipVenv = "/opt/ambient-venv"

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "pip_install",
		Doc: "Installs Python packages that `pip_get` fetched.\n\n" +
			"They go into a virtual environment of the stage, whose programs later actions find first (`PATH`). " +
			"There is no network: what was not fetched can not be installed. Several of these actions in a stage share the environment.",
		Phases: []config.Phase{config.Plan},
		Params: []config.Param{
			{Name: "requirements", Type: config.TypeStrings, Doc: "Requirements files, relative to the source tree. Without it, and without `packages` and `project`, `requirements.txt`."},
			{Name: "packages", Type: config.TypeStrings, Doc: "Packages beside those of the files: `name`, or with a version as in a requirements file."},
			{Name: "constraints", Type: config.TypeStrings, Doc: "Constraints files, relative to the source tree."},
			{Name: "project", Type: config.TypeString, Doc: "The directory of a package of the source tree to install as well, such as `.`."},
			{Name: "extras", Type: config.TypeStrings, Doc: "Extras of `project` to install."},
			{Name: "editable", Type: config.TypeBool, Default: false, Doc: "Whether `project` is used in place (`pip install -e`)."},
			{Name: "build_isolation", Type: config.TypeBool, Default: true, Doc: "Whether `project` is built with what its `[build-system]` asks for, which must have been fetched. Without, with what is installed: a package of Debian such as `python3-setuptools` will do if `system_site_packages` is set."},
			{Name: "system_site_packages", Type: config.TypeBool, Default: false, Doc: "Whether packages of the image can be used too."},
		},
		NeedsDebian: true,
		Example:     "action \"pip_install\" {\n  requirements = [\"requirements.txt\"]\n  project      = \".\"\n}",
		Check:       checkPipInstall,
	},
	Steps: pipInstallSteps,
	Title: func(args config.Args) string {
		return pipTitle("pip_install", args)
	},
	Env: func(config.Args) map[string]string {
		return map[string]string{
			"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": pipDir, "PIP_RETRIES": "0", "PIP_NO_INPUT": "1",
			"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_PROGRESS_BAR": "off", "PIP_ROOT_USER_ACTION": "ignore",
		}
	},
	SetEnv: func(config.Args) map[string]string { return map[string]string{"VIRTUAL_ENV": pipVenv} },
	Path:   func(config.Args) []string { return []string{pipVenv + "/bin"} },
})

// pipTitle shortens an action for the log.
func pipTitle(name string, args config.Args) string {
	words := append([]string{name}, pipFiles(args)...)
	words = append(words, args.Strings("packages")...)
	if args.Has("project") {
		words = append(words, args.String("project"))
	}
	return strings.Join(words, " ")
}

func checkPipInstall(args config.Args) []config.Problem {
	var c checker
	c.pipLists(args)
	if !args.Has("project") && args.Bool("editable") {
		c.problem("editable", "Nothing to use in place", "Say with the argument project which directory.")
	}
	return c.problems
}

func pipInstallSteps(args config.Args, _ Host) ([]guest.Step, error) {
	var venv, flags []string
	if args.Bool("system_site_packages") {
		venv = append(venv, "--system-site-packages")
	}
	for _, f := range pipFiles(args) {
		flags = append(flags, "--requirement="+f)
	}
	for _, f := range args.Strings("constraints") {
		flags = append(flags, "--constraint="+f)
	}
	text := fmt.Sprintf(pipMakeVenv, pipVenv, quoteAll(venv))
	if own := append(flags, args.Strings("packages")...); len(own) > 0 {
		text += fmt.Sprintf(pipInstall, pipVenv, quoteAll(own))
	}
	if args.Has("project") {
		// pip wants to see that "." is a directory and no name.
		dir := "./" + workDir(args.String("project"))
		if extras := args.Strings("extras"); len(extras) > 0 {
			dir += "[" + strings.Join(extras, ",") + "]"
		}
		project := []string{dir}
		if args.Bool("editable") {
			project = append([]string{"--editable"}, project...)
		}
		if !args.Bool("build_isolation") {
			project = append([]string{"--no-build-isolation"}, project...)
		}
		for _, f := range args.Strings("constraints") {
			project = append(project, "--constraint="+f)
		}
		text += fmt.Sprintf(pipInstall, pipVenv, quoteAll(project))
	}
	s := script(text, nil)
	s.Exec.Dir = ""
	return []guest.Step{s}, nil
}

// pipMakeVenv makes the virtual environment where there is none. The image's
// pip serves it, because to install another one takes long. Its arguments: the
// environment, flags for it.
const pipMakeVenv = `venv=%[1]s
if [ ! -e "$venv/bin/pip" ]; then
	if ! command -v python3 >/dev/null || ! python3 -c 'import pip, venv'; then
		echo "pip_install: the image has no pip: add the packages python3-pip and python3-venv to it" >&2
		exit 1
	fi
	python3 -m venv --without-pip %[2]s "$venv"
	printf '#!/bin/sh\nexec %%s -m pip --python=%%s "$@"\n' "$(command -v python3)" "$venv/bin/python" >"$venv/bin/pip3"
	chmod 0755 "$venv/bin/pip3"
	cp "$venv/bin/pip3" "$venv/bin/pip"
fi
`

// pipInstall installs. Its arguments: the environment, what to install.
const pipInstall = `%[1]s/bin/pip install %[2]s
`

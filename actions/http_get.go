package actions

import (
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var httpFileParams = []config.Param{
	{Name: "url", Type: config.TypeString, Doc: "The address of the file, `http` or `https`, without user name and password."},
	{Name: "path", Type: config.TypeString, Doc: "Where to put the file, below `/ci/deps`. Without it, the last part of the address."},
	{Name: "sha256", Type: config.TypeString, Doc: "The SHA-256 checksum of the file, 64 hexadecimal digits. The stage fails when the file has another one. Without it, whatever the server sends is taken."},
	{Name: "mode", Type: config.TypeString, Default: "0644", Doc: "The permissions of the file as octal digits, such as `\"0755\"` for a program."},
}

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "http_get",
		Doc: "Downloads files into `/ci/deps`.\n\n" +
			"Write either one file in the action itself, or any number of `file` blocks. " +
			"A file appears only when it is whole and its checksum is right. " +
			"A server that can not be reached makes the stage errored, once the retries are used up; a wrong checksum, or an answer that says " +
			"the file is not there, makes it failed.\n\n" +
			"The hosts of the addresses are added to what the stage may reach. One that such a host redirects to is not: name it in the `network` block.",
		Phases: []config.Phase{config.Pre},
		Params: append(append([]config.Param{}, httpFileParams...), retriesParam),
		Blocks: []config.BlockSchema{{
			Name: "file", Doc: "One of several files.", Params: requireParam(httpFileParams, "url"),
		}},
		Example: "action \"http_get\" {\n  url    = \"https://example.org/words-1.2.tar.gz\"\n  sha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n}",
		Check:   checkHTTPGet,
	},
	Steps:   httpGetSteps,
	Depends: httpGetDepends,
	Reach: func(args config.Args, _ Host, _ Tree) ([]config.Allow, error) {
		r := reach{by: "http_get"}
		for _, file := range httpFiles(args) {
			r.address(file.String("url"))
		}
		return r.all, nil
	},
	Title: func(args config.Args) string {
		files := httpFiles(args)
		if len(files) != 1 {
			return "http_get " + strconv.Itoa(len(files)) + " files"
		}
		return "http_get " + httpTarget(files[0])
	},
})

// requireParam returns a copy of params in which the named one is required.
func requireParam(params []config.Param, name string) []config.Param {
	required := append([]config.Param{}, params...)
	for i := range required {
		if required[i].Name == name {
			required[i].Required = true
		}
	}
	return required
}

// httpFiles returns the files to fetch, whichever way they are written.
func httpFiles(args config.Args) []config.Args {
	if files := args.Blocks["file"]; len(files) > 0 {
		return files
	}
	return []config.Args{args}
}

// httpTarget returns the path below the deps directory, "" when there is none.
func httpTarget(file config.Args) string {
	if p := file.String("path"); p != "" {
		return path.Clean(p)
	}
	u, err := url.Parse(file.String("url"))
	if err != nil || strings.HasSuffix(u.Path, "/") || u.Path == "" {
		return ""
	}
	return path.Base(u.Path)
}

func httpGetSteps(args config.Args, _ Host) ([]guest.Step, error) {
	var steps []guest.Step
	for _, file := range httpFiles(args) {
		mode, err := strconv.ParseUint(file.String("mode"), 8, 32)
		if err != nil {
			mode = 0o644
		}
		steps = append(steps, guest.Step{Fetch: &guest.Fetch{
			URL:     file.String("url"),
			Path:    path.Join(guest.DirDeps, httpTarget(file)),
			SHA256:  strings.ToLower(file.String("sha256")),
			Mode:    uint32(mode),
			Retries: int(args.Int("retries")),
		}})
	}
	return steps, nil
}

func checkHTTPGet(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	files := args.Blocks["file"]
	switch {
	case len(files) == 0 && !args.Has("url"):
		c.problem("", "Nothing to fetch", "Give the argument url, or a file block for each file.")
		return c.problems
	case len(files) == 0:
		c.httpFile(args, map[string]bool{})
		return c.problems
	}
	for _, name := range []string{"url", "path", "sha256"} {
		if args.Has(name) {
			c.problem(name, "Argument beside file blocks", "An action has either the arguments of one file or file blocks. Move this one into a file block.")
		}
	}
	targets := map[string]bool{}
	for i, file := range files {
		c.block, c.index = "file", i
		c.httpFile(file, targets)
	}
	return c.problems
}

var (
	sha256Text = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)
	modeText   = regexp.MustCompile(`^0?[0-7]{3}$`)
)

// httpFile checks one file. Targets holds the paths of those before it.
func (c *checker) httpFile(file config.Args, targets map[string]bool) {
	c.httpURL(file.String("url"))
	if file.Has("sha256") && !sha256Text.MatchString(file.String("sha256")) {
		c.problem("sha256", "Not a SHA-256 checksum", "A SHA-256 checksum has 64 hexadecimal digits, as sha256sum prints them.")
	}
	if file.Has("mode") && !modeText.MatchString(file.String("mode")) {
		c.problem("mode", "Not a file mode", "Write three octal digits, with a 0 before them if you like: \"0644\" or \"0755\".")
	}
	target := httpTarget(file)
	switch {
	case target == "" && !file.Has("path"):
		c.problem("url", "No file name", "The address does not end with a file name. Say with the argument path where to put the file.")
	case file.Has("path"):
		if c.below("path", file.String("path"), guest.DirDeps) {
			c.unique("path", target, targets)
		}
	case !localPath(target):
		c.problem("url", "No usable file name", "The last part of the address is no file name. Say with the argument path where to put the file.")
	default:
		c.unique("url", target, targets)
	}
}

func (c *checker) httpURL(text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		c.problem("url", "Not an address", "Write an http or https address, such as \"https://example.org/file.tar.gz\".")
	case u.User != nil:
		c.problem("url", "Password in an address", "Plans, logs and records show addresses. Use one without user name and password.")
	}
}

// unique refuses a target that is taken, or lies below another one.
func (c *checker) unique(param, target string, targets map[string]bool) {
	clash := targets[target]
	for other := range targets {
		clash = clash || strings.HasPrefix(other, target+"/") || strings.HasPrefix(target, other+"/")
	}
	if clash {
		c.problem(param, "Two files in one place", "Another file of this action goes to the same path. Give each its own with the argument path.")
	}
	targets[target] = true
}

package actions

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// gitScratch holds the repository in the guest until it is checked.
const gitScratch = "/var/tmp/ambient-git"

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "git_get",
		Doc: "Fetches one commit of a git repository into `/ci/deps`.\n\n" +
			"The files of the commit appear in a directory there, without `.git`, and the commit's name in a file beside it, `NAME.commit`. " +
			"Nothing of the repository runs: no hooks, and submodules only when asked for. " +
			"A commit in `sha` pins the result, which can then be used again by later runs; a branch or tag is looked up in every run. " +
			"The address is `https`, `http` or `ssh`; for `ssh`, name a `secret \"ssh\"` in the stage.\n\n" +
			"The image needs git. A server that can not be reached makes the stage errored; an unknown branch or another commit than `sha` makes it failed.",
		Phases: []config.Phase{config.Pre},
		Params: []config.Param{
			{Name: "url", Type: config.TypeString, Required: true, Doc: "The address of the repository: `https://HOST/PATH`, `http://HOST/PATH`, `ssh://USER@HOST/PATH` or `USER@HOST:PATH`."},
			{Name: "ref", Type: config.TypeString, Doc: "A branch, a tag or a whole commit. Without it, `sha`; without that too, the server's default branch."},
			{Name: "sha", Type: config.TypeString, Doc: "The commit that it must be, 40 or 64 hexadecimal digits. The stage fails when `ref` is at another one."},
			{Name: "path", Type: config.TypeString, Doc: "The directory, below `/ci/deps`. Without it, the last part of the address without `.git`."},
			{Name: "submodules", Type: config.TypeBool, Default: false, Doc: "Whether to fetch submodules too, at the commits that the repository names. Their hosts must be in the stage's `network` block when they are others."},
			{Name: "history", Type: config.TypeBool, Default: false, Doc: "Whether to fetch all branches and tags with their history, and to keep `.git`."},
			retriesParam,
		},
		Example:     "action \"git_get\" {\n  url = \"https://git.example.org/lib/words.git\"\n  ref = \"v1.2\"\n  sha = \"4b825dc642cb6eb9a060e54bf8d69288fbee4904\"\n}",
		NeedsDebian: true,
		Check:       checkGitGet,
	},
	Steps:   gitGetSteps,
	Depends: gitGetDepends,
	Reach: func(args config.Args, _ Host, _ Tree) ([]config.Allow, error) {
		r := reach{by: "git_get"}
		r.address(gitURL(args.String("url")))
		return r.all, nil
	},
	Title: func(args config.Args) string {
		return strings.TrimSpace("git_get " + gitTarget(args) + " " + args.String("ref"))
	},
})

var (
	gitCommit = regexp.MustCompile(`^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)
	gitSCP    = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):([^/:-][^:]*)$`)
	gitHost   = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(:[0-9]+)?$`)
	gitUser   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	// git-check-ref-format(1), and nothing that a command line or a refspec
	// gives a meaning to.
	gitRef = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./+-]*$`)
)

// gitURL returns the form of an address that is a URL: scp's "USER@HOST:PATH"
// becomes one, whose path is relative to the user's home.
func gitURL(address string) string {
	if m := gitSCP.FindStringSubmatch(address); m != nil {
		return "ssh://" + m[1] + "@" + m[2] + "/" + m[3]
	}
	return address
}

func checkGitGet(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	c.gitAddress(args.String("url"))
	if ref := args.String("ref"); args.Has("ref") && !validRef(ref) {
		c.problem("ref", "Not a branch, tag or commit", "Write the name of a branch or a tag, or a whole commit.")
	}
	if args.Has("sha") && !gitCommit.MatchString(args.String("sha")) {
		c.problem("sha", "Not a commit", "A commit has 40 or 64 hexadecimal digits, as git rev-parse prints them.")
	}
	if ref := args.String("ref"); gitCommit.MatchString(ref) && args.Has("sha") && !strings.EqualFold(ref, args.String("sha")) {
		c.problem("sha", "Two commits", "The argument ref is another commit. Leave one of the two out.")
	}
	switch {
	case args.Has("path"):
		c.below("path", args.String("path"), guest.DirDeps)
	case !localPath(gitTarget(args)):
		c.problem("url", "No usable directory name", "The last part of the address is no name. Say with the argument path where to put the files.")
	}
	return c.problems
}

func validRef(ref string) bool {
	return gitRef.MatchString(ref) && !strings.Contains(ref, "..") && !strings.Contains(ref, "//") &&
		!strings.Contains(ref, "/.") && !strings.HasSuffix(ref, "/") && !strings.HasSuffix(ref, ".") && !strings.HasSuffix(ref, ".lock")
}

func (c *checker) gitAddress(text string) {
	u, err := url.Parse(gitURL(text))
	switch {
	case err != nil || !gitHost.MatchString(u.Host) || strings.Trim(u.Path, "/") == "" || !c.text("url", text) || strings.ContainsAny(text, "\t\r\n "):
		c.problem("url", "Not the address of a repository", "Write https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH.")
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "ssh":
		c.problem("url", "Not the address of a repository", "Repositories are fetched with https, http or ssh.")
	case u.User == nil:
	case u.Scheme != "ssh" || strings.Contains(u.User.String(), ":"):
		c.problem("url", "Password in an address", "Plans, logs and records show addresses. Use one without user name and password.")
	case !gitUser.MatchString(u.User.String()):
		c.problem("url", "Not the address of a repository", "Write https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH.")
	}
}

// gitTarget returns the directory below that of the dependencies.
func gitTarget(args config.Args) string {
	if p := args.String("path"); p != "" {
		return path.Clean(p)
	}
	u, err := url.Parse(gitURL(args.String("url")))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(path.Base(path.Clean(u.Path)), ".git")
}

// gitWanted returns what to ask the server for.
func gitWanted(args config.Args) string {
	for _, name := range []string{args.String("ref"), args.String("sha")} {
		if name != "" {
			return name
		}
	}
	return "HEAD"
}

func gitGetDepends(args config.Args) (Depends, string) {
	if args.Bool("history") {
		return Depends{}, "git_get has the history of branches that may move"
	}
	if args.Has("sha") || gitCommit.MatchString(args.String("ref")) {
		return Depends{}, ""
	}
	return Depends{}, "git_get has a repository without sha"
}

func gitGetSteps(args config.Args, _ Host) ([]guest.Step, error) {
	env := map[string]string{
		"LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
		"GIT_ALLOW_PROTOCOL": "http:https:ssh", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes", "GIT_ASKPASS": "/bin/false",
		"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": "/dev/null",
		"GIT_CONFIG_KEY_1": "advice.detachedHead", "GIT_CONFIG_VALUE_1": "false",
	}
	flag := func(name string) string {
		if args.Bool(name) {
			return "yes"
		}
		return ""
	}
	vars := fmt.Sprintf("scratch=%s\nurl=%s\nwanted=%s\nsha=%s\nhistory=%s\nsubmodules=%s\ntarget=%s\n",
		gitScratch, quote(args.String("url")), quote(gitWanted(args)), quote(strings.ToLower(args.String("sha"))),
		flag("history"), flag("submodules"), quote(path.Join(guest.DirDeps, gitTarget(args))))
	first := script(vars+"rm -rf \"$scratch\"\nmkdir -p \"$scratch\"\n", env)
	first.Exec.Needs = []guest.Tool{{Program: "git", Package: "git"}}
	return []guest.Step{
		first,
		fetchScript(vars+gitFetch, env, args.Int("retries")),
		script(vars+gitFinish, env),
	}, nil
}

// gitFetch fetches into a repository of its own. A failure that no retry can
// mend is noted for gitFinish. Servers may refuse commits that no branch or tag
// is at, and plain files over HTTP have no shallow clones; then everything is
// fetched.
const gitFetch = `rm -rf "$scratch/repo"
git init -q --template= "$scratch/repo"
cd "$scratch/repo"
git config remote.origin.url "$url" # to which addresses of submodules may be relative
failed() {
	echo "git_get: $1" >"$scratch/failed"
	exit 0
}
broken() {
	cat "$scratch/stderr" >&2
	if grep -q -i -E '` + gitPermanent + `' "$scratch/stderr"; then failed "can not fetch $1"; fi
	exit 1
}
everything() {
	git fetch -q --no-recurse-submodules -- "$url" '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*' 2>"$scratch/stderr" || return 1
	git fetch -q --no-tags --no-recurse-submodules -- "$url" "$wanted" 2>"$scratch/stderr2" && return
	git rev-parse -q --verify "$wanted^{commit}" >.git/FETCH_HEAD 2>/dev/null && return
	cat "$scratch/stderr2" >>"$scratch/stderr"
	return 1
}
if [ -n "$history" ]; then everything; else
	git fetch -q --depth=1 --no-tags --no-recurse-submodules -- "$url" "$wanted" 2>"$scratch/stderr" || everything
fi || {
	broken "$wanted of $url"
}
commit=$(git rev-parse --verify 'FETCH_HEAD^{commit}') || failed "$wanted of $url is no commit"
if [ -n "$sha" ] && [ "$sha" != "$commit" ]; then failed "$wanted of $url is at commit $commit, not $sha"; fi
echo "$wanted is commit $commit"
git checkout -q --detach "$commit"
if [ -n "$submodules" ]; then
	git submodule --quiet update --init --recursive --depth 1 2>"$scratch/stderr" || broken "the submodules of $url"
fi
echo "$commit" >"$scratch/commit"
`

// gitPermanent matches what git says of faults in the project.
const gitPermanent = `couldn.t find remote ref|not our ref|repository .*not found|does not appear to be a git repository|returned error: 4(0[0-79]|1[0-9])|Authentication failed|could not read (Username|Password)|Host key verification failed|Permission denied`

// gitFinish puts the files in their place.
const gitFinish = `if [ -e "$scratch/failed" ]; then
	cat "$scratch/failed" >&2
	exit 1
fi
if [ -z "$history" ]; then find "$scratch/repo" -name .git -prune -exec rm -rf {} +; fi
rm -f "$scratch/repo/.git/FETCH_HEAD"
mkdir -p "$(dirname "$target")"
rm -rf "$target"
mv "$scratch/repo" "$target"
mv "$scratch/commit" "$target.commit"
rm -rf "$scratch"
`

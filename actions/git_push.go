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

var gitPorts = map[string]int64{"ssh": 22, "https": 443, "http": 80}

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "git_push",
		Doc: "Pushes commits that plan stages made to a Git server, over SSH or HTTPS.\n\n" +
			"The artifacts hold them as a repository or as a bundle (`git bundle create`). Its branches and tags are copied to a fresh repository first, and only that one pushes, so that neither hooks nor configuration of the artifacts count. " +
			"All refs are updated or none. " +
			"For SSH the server's key must be in the `known_hosts` of an SSH secret of the stage. " +
			"A server that can not be reached makes the stage errored, once the retries are used up; one that refuses makes it failed. The image needs `git`, and `openssh-client` for SSH.",
		Phases: []config.Phase{config.Post},
		Params: []config.Param{
			{Name: "repository", Type: config.TypeString, Required: true, Doc: "The repository, with or without a work tree, or the bundle, relative to the artifacts."},
			{Name: "url", Type: config.TypeString, Required: true, Doc: "Where to: `ssh://git@host/path`, `git@host:path` or `https://host/path`, without a password."},
			{Name: "refspecs", Type: config.TypeStrings, Required: true, Doc: "What to push: `\"main\"`, or `\"HEAD:refs/heads/pages\"`."},
			{Name: "force", Type: config.TypeBool, Default: false, Doc: "Whether to replace branches of the server whose commits would be lost."},
			{Name: "username", Type: config.TypeString, Default: "git", Doc: "The user's name for HTTPS, with `token`."},
			tokenParam, keyParam, retriesParam,
		},
		Example:     "action \"git_push\" {\n  repository = \"site.bundle\"\n  url        = \"git@git.example.org:team/site.git\"\n  refspecs   = [\"HEAD:refs/heads/pages\"]\n}",
		NeedsDebian: true,
		Check:       checkGitPush,
	},
	Steps: gitPushSteps,
	Reach: func(args config.Args, _ Host, _ Tree) ([]config.Allow, error) {
		address, _ := pushURL(args.String("url"))
		return allowURL(address, gitPorts)
	},
	Title: func(args config.Args) string {
		return "git_push " + strings.Join(args.Strings("refspecs"), " ")
	},
})

// pushURL returns the server of a repository as an address with a scheme; ok is
// false for what is no repository or may not be pushed to.
func pushURL(s string) (string, bool) {
	if !strings.Contains(s, "://") {
		t, ok := parseSSHTarget(s)
		if !ok || t.user == "" {
			return "", false
		}
		return "ssh://" + t.address() + "/", true
	}
	u, err := url.Parse(s)
	if err != nil || gitPorts[u.Scheme] == 0 || !netName.MatchString(u.Hostname()) || len(u.Path) < 2 || !plainWord(s) || u.RawQuery+u.Fragment != "" {
		return "", false
	}
	if _, has := u.User.Password(); has || u.Scheme != "ssh" && u.User != nil || u.User != nil && !sshUser.MatchString(u.User.Username()) {
		return "", false
	}
	return s, true
}

// gitRefspec is a refspec without a pattern (gitrevisions(7), git-push(1)).
var gitRefspec = regexp.MustCompile(`^\+?[A-Za-z0-9_][A-Za-z0-9_./@~^-]*(:[A-Za-z0-9_][A-Za-z0-9_./@-]*)?$`)

func checkGitPush(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	if path.Clean(args.String("repository")) != "." {
		c.below("repository", args.String("repository"), guest.DirArtifacts)
	}
	address, ok := pushURL(args.String("url"))
	if !ok {
		c.problem("url", "Not the address of a repository", "Write \"ssh://git@host/path\", \"git@host:path\" or \"https://host/path\", without a password, white space and characters that mean something to a shell.")
	}
	if len(args.Strings("refspecs")) == 0 {
		c.problem("refspecs", "Nothing to push", "Name at least one branch, tag or refspec.")
	}
	for _, r := range args.Strings("refspecs") {
		if !gitRefspec.MatchString(r) || strings.Contains(r, "..") {
			c.problem("refspecs", "Not a refspec", "Write \"NAME\" or \"SOURCE:DESTINATION\" with the name of a branch, tag or commit, without white space and patterns.")
			break
		}
	}
	if !sshUser.MatchString(args.String("username")) {
		c.problem("username", "Not a user's name", "Write the name as the server knows it, without white space.")
	}
	c.secretFile("token", args)
	c.secretFile("key", args)
	if ok && args.Has("token") && strings.HasPrefix(address, "ssh:") {
		c.problem("token", "Token for SSH", "SSH uses keys. Leave the argument out, or write an https address.")
	}
	return c.problems
}

func gitPushSteps(args config.Args, _ Host) ([]guest.Step, error) {
	server, _ := pushURL(args.String("url"))
	ssh := strings.HasPrefix(server, "ssh:")
	flags := "--atomic"
	if args.Bool("force") {
		flags += " --force"
	}
	given := args
	if ssh { // the port is in the address, which wins over the configuration
		given = config.Args{Values: map[string]any{"port": int64(22), "key": args.String("key"), "retries": args.Int("retries")}}
	}
	text := fmt.Sprintf(gitPush, quote(path.Clean(args.String("repository"))), sshConfig, quote(args.String("username")), quote(args.String("token")),
		quote(gitFinal), flags, quote(args.String("url")), quoteAll(args.Strings("refspecs")))
	return []guest.Step{deliverScript(text, given, ssh, guest.Tool{Program: "git", Package: "git"})}, nil
}

// gitFinal is what git says when a server refuses a push, beside what ssh says.
const gitFinal = sshFinal + "|\\[rejected\\]|\\[remote rejected\\]|authentication failed|could not read (username|password)|repository .*not found|not appear to be a git repository|does not match any|error: 4[0-9][0-9]|invalid refspec|certificate"

// gitPush copies and pushes. Its arguments: the repository, ssh's configuration,
// the user's name, the token's file, what is final, flags, the address, the
// refspecs. A clone from a repository that nobody trusts is safe, another command
// in it is not (git(1), SECURITY).
const gitPush = `inside %[1]s
token=%[4]s
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0 HOME="$scratch"
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' GIT_CONFIG_KEY_1=protocol.file.allow GIT_CONFIG_VALUE_1=always
git clone -q --mirror --no-local "$real" "$scratch/copy.git" || refuse "git_push: $real is no repository and no bundle"
export GIT_CONFIG_COUNT=0 GIT_SSH_COMMAND="ssh -F %[2]s"
if [ -n "$token" ]; then
	[ -s "$token" ] || refuse "there is no $token"
	printf '#!/bin/sh\ncase $1 in Username*) echo %%s ;; *) cat %%s ;; esac\n' %[3]s "$token" >"$scratch/askpass"
	chmod 0700 "$scratch/askpass"
	export GIT_ASKPASS="$scratch/askpass"
fi
cd "$scratch/copy.git"
attempt %[5]s git push %[6]s -- %[7]s %[8]s
`

package actions

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var artifactsParam = config.Param{Name: "artifacts", Type: config.TypeString, Default: ".", Doc: "The directory to deliver, relative to the artifacts."}

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "rsync",
		Doc: "Copies artifacts to a server with rsync, over SSH.\n\n" +
			"The target becomes like the artifacts: what else is there is deleted, unless `delete` is false. Links that lead out of the directory are left out. " +
			"The server's key must be in the `known_hosts` of an SSH secret of the stage. " +
			"A server that can not be reached makes the stage errored, once the retries are used up; one that refuses makes it failed. The image needs `rsync` and `openssh-client`.",
		Phases: []config.Phase{config.Post},
		Params: []config.Param{
			artifactsParam,
			{Name: "target", Type: config.TypeString, Required: true, Doc: "Where to: `host:directory` or `user@host:directory`. The directory is made if its parent is there."},
			{Name: "delete", Type: config.TypeBool, Default: true, Doc: "Whether to delete what is in the target and not in the artifacts."},
			{Name: "options", Type: config.TypeStrings, Doc: "More options for rsync, such as `\"--chmod=D755,F644\"`."},
			portParam, keyParam, retriesParam,
		},
		Example:     "action \"rsync\" {\n  artifacts = \"site\"\n  target    = \"www@files.example.org:/srv/www\"\n}",
		NeedsDebian: true,
		Check:       checkRsync,
	},
	Steps: rsyncSteps,
	Reach: sshReach,
	Title: func(args config.Args) string { return "rsync " + args.String("target") },
})

// rsyncOwn are options that the action sets, or that would undo what it does.
var rsyncOwn = []string{"-e", "--rsh", "--rsync-path", "--no-safe-links", "--no-links", "--copy-links", "--copy-unsafe-links", "--copy-dirlinks", "--files-from", "--remove-source-files", "--password-file"}

func checkRsync(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	c.artifact("artifacts", args.String("artifacts"))
	c.sshTarget(args)
	c.secretFile("key", args)
	if t, ok := parseSSHTarget(args.String("target")); ok && args.Bool("delete") && slices.Contains([]string{".", "..", "/", "~"}, path.Clean(t.path)) {
		c.problem("target", "Target is too wide to delete in", "Everything else in that directory would be deleted. Name a directory below it, or set delete = false.")
	}
	for _, o := range args.Strings("options") {
		name, _, _ := strings.Cut(o, "=")
		long := strings.HasPrefix(o, "--")
		switch {
		case len(o) < 2 || !strings.HasPrefix(o, "-") || o == "--" || strings.ContainsAny(o, " \t\r\n\x00"):
			c.problem("options", "Not an option of rsync", "Write each option as a string of its own, with its value after an equals sign: [\"--exclude=*.tmp\"].")
			return c.problems
		case slices.Contains(rsyncOwn, name), !long && strings.ContainsAny(o[1:], "eLk"):
			c.problem("options", "Option not allowed", "The action itself chooses how rsync connects and what becomes of links. Leave out "+name+".")
			return c.problems
		}
	}
	return c.problems
}

func rsyncSteps(args config.Args, _ Host) ([]guest.Step, error) {
	t, _ := parseSSHTarget(args.String("target"))
	words := []string{"-a", "--safe-links", "-s", "--no-owner", "--no-group"}
	if args.Bool("delete") {
		words = append(words, "--delete")
	}
	words = append(words, args.Strings("options")...)
	text := fmt.Sprintf("inside %s\nattempt %s rsync %s -e 'ssh -F %s' -- \"$real/\" %s\n",
		quote(path.Clean(args.String("artifacts"))), quote(sshFinal), quoteAll(words), sshConfig, quote(t.address()+":"+strings.TrimSuffix(t.path, "/")+"/"))
	return []guest.Step{deliverScript(text, args, true, guest.Tool{Program: "rsync", Package: "rsync"})}, nil
}

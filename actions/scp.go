package actions

import (
	"fmt"
	"path"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "scp",
		Doc: "Copies artifacts to a server over SSH, where it has no rsync.\n\n" +
			"What is in the target stays, but for files of the same name. Artifacts with links can not be copied so. " +
			"The server's key must be in the `known_hosts` of an SSH secret of the stage. " +
			"A server that can not be reached makes the stage errored, once the retries are used up; one that refuses makes it failed. The image needs `openssh-client`.",
		Phases: []config.Phase{config.Post},
		Params: []config.Param{
			{Name: "files", Type: config.TypeStrings, Required: true, Doc: "Files and directories, relative to the artifacts."},
			{Name: "target", Type: config.TypeString, Required: true, Doc: "Where to: `host:path` or `user@host:path`. With several files it is a directory, which must be there."},
			portParam, keyParam, retriesParam,
		},
		Example:     "action \"scp\" {\n  files  = [\"hello.tar.gz\"]\n  target = \"files.example.org:/srv/incoming/\"\n}",
		NeedsDebian: true,
		Check: func(args config.Args) []config.Problem {
			var c checker
			c.retries(args)
			c.artifacts("files", args.Strings("files"))
			c.sshTarget(args)
			c.secretFile("key", args)
			return c.problems
		},
	},
	Steps: scpSteps,
	Reach: sshReach,
	Title: func(args config.Args) string { return "scp " + args.String("target") },
})

// artifacts checks a list of things in the artifacts, which may not be empty.
func (c *checker) artifacts(param string, files []string) {
	if len(files) == 0 {
		c.problem(param, "No files", "Name at least one file of the artifacts.")
	}
	for _, f := range files {
		if !c.below(param, f, guest.DirArtifacts) {
			return
		}
	}
}

func scpSteps(args config.Args, _ Host) ([]guest.Step, error) {
	t, _ := parseSSHTarget(args.String("target"))
	text := ""
	var words []string
	for _, f := range args.Strings("files") {
		f = path.Clean(f)
		text += fmt.Sprintf("inside %s\nplain \"$real\"\n", quote(f))
		words = append(words, path.Join(guest.DirArtifacts, f))
	}
	text += fmt.Sprintf("attempt %s scp -F %s -p -r -- %s %s\n", quote(sshFinal), sshConfig, quoteAll(words), quote(t.address()+":"+t.path))
	return []guest.Step{deliverScript(text, args, true, guest.Tool{Program: "scp", Package: "openssh-client"})}, nil
}

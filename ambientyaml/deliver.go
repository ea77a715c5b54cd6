package ambientyaml

import (
	"regexp"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
)

const (
	noTarget = "where to deliver to is in the settings of the Rust program and not in this file. Declare the key, name it in the post stage, and say where to. " +
		"Without that, get the files with \"ambient artifacts\"."
)

// remote is a target of rsync over SSH: [USER@]HOST:DIRECTORY.
var remote = regexp.MustCompile(`^(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[^:/]|:/[^/])`)

// makeRsync delivers to a server, where the file says which.
func makeRsync(c *converter, s *stage, it *item) *action {
	target := c.optional(s, it, "rsync_target")
	if target == "" {
		target = c.optional(s, it, "target")
	}
	dir := strings.Trim(c.optional(s, it, "artifacts"), "/")
	m := remote.FindStringSubmatch(target)
	if m == nil || c.opts.Actions["rsync"] == nil {
		c.undelivered(s, it, `action "rsync" { target = "HOST:DIRECTORY" }`)
		return nil
	}
	a := newAction("rsync", "target", target)
	if dir != "" && dir != "." {
		a.args.Values["artifacts"] = dir
	}
	s.project.deliverTo(strings.ToLower(m[1]))
	s.keys = true
	s.need("rsync", "openssh-client")
	return a
}

// makeDput has no server to name: the file knows it by a name in the settings of
// dput.
func makeDput(c *converter, s *stage, it *item) *action {
	c.undelivered(s, it, `action "dput" {`, `  host     = "HOST"`, `  incoming = "DIRECTORY"`, `}`)
	return nil
}

// undelivered leaves an action out, with what to write in its place.
func (c *converter) undelivered(s *stage, it *item, instead ...string) {
	lines := append([]string{c.lost(it.node, "Action not carried over", "%q: %s", it.name, noTarget),
		`secret "ssh" "deliver" {`, `  private_key = "~/.ssh/id_ed25519"`, `  hosts       = ["HOST"]`, `}`, `secrets = [secret.ssh.deliver]`}, instead...)
	s.comment(append(lines, original(it.node))...)
	c.forget(it)
}

func (p *project) deliverTo(host string) {
	if !slices.Contains(p.hosts, host) {
		p.hosts = append(p.hosts, host)
	}
}

// writeSecret declares the key for the hosts to which the project delivers.
func (p *project) writeSecret(w *writer) {
	if len(p.hosts) == 0 {
		return
	}
	w.comment("", "The key to deliver with is a guess: say which.")
	w.line("", "secret \"ssh\" %q {", p.name)
	w.line("  ", `private_key = "~/.ssh/id_ed25519"`)
	w.line("  ", "hosts = %s", literal(p.hosts))
	w.line("", "}\n")
}

var inPost = []config.Phase{config.Post}

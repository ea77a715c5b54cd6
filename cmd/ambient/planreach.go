package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/source"
)

// allowJSON is one entry of a stage's allow-list.
type allowJSON struct {
	Host  string     `json:"host"`            // as it stands in a network block: "files.example.org:22"
	By    string     `json:"by,omitempty"`    // the action or the secret that brings it; empty: the network block
	Range *rangeJSON `json:"range,omitempty"` // in the network block
}

// secretUseJSON says how a stage uses a secret, never its value.
type secretUseJSON struct {
	Secret string           `json:"secret"` // its address
	Use    config.SecretUse `json:"use"`
	How    string           `json:"how"` // for people
}

// reachToJSON adds what a stage can reach, whom it trusts and which secrets it
// gets. It reads no secret, asks no tool of this machine and no network.
func reachToJSON(out *stageJSON, cfg *config.Config, s *config.Stage) {
	if s.Network == config.NetworkAllow || s.Network == config.NetworkAudit {
		out.Allow = []allowJSON{}
		for _, a := range s.Allow {
			entry := allowJSON{Host: a.String(), By: a.By}
			if a.Range.Filename != "" {
				entry.Range = newRangeJSON(cfg.Dir, a.Range)
			}
			out.Allow = append(out.Allow, entry)
		}
		if i := slices.IndexFunc(cfg.Projects, func(p *config.Project) bool { return p.Name == s.ID.Project }); i >= 0 {
			addReach(out, cfg.Projects[i].Source, s)
		}
	}
	for _, file := range s.Trust {
		out.Trust = append(out.Trust, hostFile(cfg.Dir, file))
	}
	for _, secret := range s.Secrets {
		out.SecretUses = append(out.SecretUses, secretUseJSON{secret.Address(), secret.Use(), secret.Usage()})
	}
}

// addReach adds what the actions of a stage bring.
func addReach(out *stageJSON, src config.Source, s *config.Stage) {
	for _, a := range s.Actions {
		def := actions.Lookup(a.Name)
		if def == nil || def.Reach == nil {
			continue
		}
		list, known := offlineReach(def, a, planTree{src})
		if len(a.Sensitive) > 0 {
			list, known = nil, false
		}
		if !known && !slices.Contains(out.Reach, a.Name) {
			out.Reach = append(out.Reach, a.Name)
		}
		for _, entry := range list {
			if !slices.ContainsFunc(out.Allow, func(o allowJSON) bool { return o.Host == entry.String() }) {
				out.Allow = append(out.Allow, allowJSON{Host: entry.String(), By: a.Name})
			}
		}
	}
}

// offlineReach returns what an action must reach as far as its arguments and the
// source tree say. Known is false when the rest depends on the configuration of
// the machine that runs the stage: a plan is the same on all of them.
func offlineReach(def *actions.Definition, a *config.Action, tree actions.Tree) (list []config.Allow, known bool) {
	var host noHost
	list, err := def.Reach(a.Args, &host, tree)
	if err != nil || host.asked {
		return nil, false
	}
	return list, true
}

// planTree is the source tree of a project, where that is a directory.
type planTree struct{ src config.Source }

var errNoTree = errors.New("the source is elsewhere")

// Read implements actions.Tree.
func (t planTree) Read(name string, limit int64) ([]byte, error) {
	if !t.src.Local {
		return nil, errNoTree
	}
	return source.ReadPlain(t.src.Address, name, limit)
}

// hostFile is the path of a file on this machine as a user could have written it,
// so that a plan is the same in every checkout.
func hostFile(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	if home, err := os.UserHomeDir(); err == nil {
		if rel, err := filepath.Rel(home, path); err == nil && filepath.IsLocal(rel) {
			return "~/" + filepath.ToSlash(rel)
		}
	}
	return path
}

// portable is a stage whose files on this machine are named as hostFile does.
func portable(s *config.Stage, dir string) *config.Stage {
	if len(s.Trust)+len(s.Secrets) == 0 {
		return s
	}
	out := *s
	out.Trust, out.Secrets = nil, nil
	for _, file := range s.Trust {
		out.Trust = append(out.Trust, hostFile(dir, file))
	}
	for _, secret := range s.Secrets {
		out.Secrets = append(out.Secrets, portableSecret(*secret, dir))
	}
	return &out
}

func portableSecret(s config.Secret, dir string) *config.Secret {
	name := func(file *string) {
		if *file != "" {
			*file = hostFile(dir, *file)
		}
	}
	if s.SSH != nil {
		ssh := *s.SSH
		name(&ssh.PrivateKey)
		name(&ssh.KnownHostsFile)
		name(&ssh.Certificate)
		if ssh.Sign != nil {
			sign := *ssh.Sign
			name(&sign.CA)
			ssh.Sign = &sign
		}
		s.SSH = &ssh
	}
	if s.Token != nil {
		token := *s.Token
		name(&token.File)
		name(&token.Age)
		name(&token.Identity)
		s.Token = &token
	}
	return &s
}

// mostHosts bounds the entries of an allow-list that a plan lists for people.
const mostHosts = 24

// networkRows say what a stage can reach.
func networkRows(s stageJSON) [][]string {
	var lines []string
	for _, a := range s.Allow[:min(len(s.Allow), mostHosts)] {
		line := safe(a.Host)
		if a.By != "" {
			line += " (" + safe(a.By) + ")"
		}
		lines = append(lines, line)
	}
	if over := len(s.Allow) - mostHosts; over > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", over))
	}
	if len(s.Reach) > 0 {
		lines = append(lines, fmt.Sprintf("what %s needs, as the machine that runs it is configured", safe(someWords(s.Reach))))
	}
	switch config.NetworkMode(s.Network) {
	case config.NetworkAllow:
		if len(lines) == 0 {
			lines = []string{"nothing"}
		}
	case config.NetworkAudit:
		lines = append([]string{"everything; the run ends with what the list lacks"}, lines...)
	}
	rows := [][]string{{"network", safe(s.Network)}}
	if len(lines) > 0 {
		rows[0][1] += ": " + lines[0]
		for _, line := range lines[1:] {
			rows = append(rows, []string{"", strings.Repeat(" ", len(s.Network)+2) + line})
		}
	}
	for i, file := range s.Trust {
		rows = append(rows, []string{unless(i > 0, "trust"), safe(file)})
	}
	return rows
}

// secretRows say which secrets a stage gets, and how.
func secretRows(s stageJSON) [][]string {
	if len(s.SecretUses) == 0 { // a plan of an earlier version has the names only
		return [][]string{{"secrets", listWords(s.Secrets)}}
	}
	var rows [][]string
	for i, u := range s.SecretUses {
		rows = append(rows, []string{unless(i > 0, "secrets"), safe(u.Secret) + ": " + safe(u.How)})
	}
	return rows
}

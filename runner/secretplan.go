package runner

import (
	"errors"
	"fmt"
	"net"
	"path"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// What the plan says of a stage's secrets is worked out without reading them.

// Files for secrets in the guest, below guest.DirSecrets. Variables are read and
// removed before the first action.
const (
	knownHostsFile = "known_hosts"
	variablesDir   = ".variables"
	sshConfigFile  = "/etc/ssh/ssh_config.d/ambient.conf"
)

// planSecrets adds to a plan what its stage's secrets need. A plan stage never
// gets any, whatever the configuration says.
func planSecrets(plan *guest.Plan, stage *config.Stage) error {
	if len(stage.Secrets) == 0 {
		return nil
	}
	if stage.ID.Phase == config.Plan {
		return errors.New("a plan stage runs the project's code and can not have secrets")
	}
	ssh := false
	for _, s := range stage.Secrets {
		switch {
		case s.SSH != nil:
			ssh = true
			plan.Agent = plan.Agent || s.SSH.Use == config.UseAgent
		case s.Token != nil && s.Token.Use == config.UseVariable:
			if plan.EnvFiles == nil {
				plan.EnvFiles = map[string]string{}
			}
			plan.EnvFiles[s.Token.Variable] = path.Join(guest.DirSecrets, variablesDir, s.Token.Variable)
		}
	}
	if plan.Env == nil {
		plan.Env = map[string]string{}
	}
	if plan.Agent {
		plan.Env["SSH_AUTH_SOCK"] = guest.AgentSocket
	}
	for i := range plan.Inputs {
		if plan.Inputs[i].Serial == guest.SerialSecrets {
			plan.Inputs[i].Memory = true
		}
	}
	if ssh && len(plan.Actions) > 0 {
		write := guest.Step{Write: &guest.Write{Path: sshConfigFile, Content: []byte(sshConfig(stage.Secrets))}}
		plan.Actions[0].Steps = append([]guest.Step{write}, plan.Actions[0].Steps...)
	}
	return nil
}

// sshConfig makes ssh, and what uses it, log in with the stage's keys and know
// the hosts they are for, without anything in the file (ssh_config(5); Debian's
// ssh reads the directory).
func sshConfig(all []*config.Secret) string {
	var b strings.Builder
	for _, s := range all {
		if s.SSH == nil || s.SSH.Use != config.UseFile {
			continue
		}
		fmt.Fprintf(&b, "Host %s\n  IdentityFile %s\n", hostPatterns(s.SSH.Hosts), path.Join(guest.DirSecrets, s.Name))
	}
	fmt.Fprintf(&b, "Host *\n  GlobalKnownHostsFile %s /etc/ssh/ssh_known_hosts\n  StrictHostKeyChecking yes\n  BatchMode yes\n",
		path.Join(guest.DirSecrets, knownHostsFile))
	return b.String()
}

// hostPatterns are the names that ssh is called with.
func hostPatterns(hosts []string) string {
	var names []string
	for _, h := range hosts {
		if name, _, err := net.SplitHostPort(h); err == nil {
			h = name
		}
		names = append(names, h)
	}
	if len(names) == 0 {
		return "*"
	}
	return strings.Join(names, " ")
}

// delivers reports whether a stage gets files, which a variable's value is at
// first.
func delivers(stage *config.Stage) bool {
	for _, s := range stage.Secrets {
		if s.SSH != nil || s.Token != nil && s.Token.Use != config.UseInject {
			return true
		}
	}
	return false
}

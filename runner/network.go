package runner

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/egress"
	"github.com/ambient-ci/ambient/source"
	"github.com/ambient-ci/ambient/stages"
)

// network is what a stage that has one may reach, and how that went.
type network struct {
	policy    egress.Policy
	authority *egress.Authority // nil: no requests get a header
	roots     *x509.CertPool    // whom such connections trust
	gateway   *egress.Gateway

	mu             sync.Mutex
	told           int // lines in the log
	made, refused  int
	sent, received int64
}

// maxRefusals is how many refusals stand in a stage's log. The record has all.
const maxRefusals = 100

// preparePolicy works out what the stage may reach: what its network block says and
// what its actions need.
func (x *execution) preparePolicy(ctx context.Context) error {
	stage := x.job.Stage
	if !networked(stage) {
		return nil
	}
	mode := map[config.NetworkMode]egress.Mode{
		config.NetworkAllow: egress.Allow, config.NetworkAudit: egress.Audit, config.NetworkOpen: egress.Open,
	}[stage.Network]
	if mode == "" {
		return fmt.Errorf("the network mode %q is not known", stage.Network)
	}
	needed, err := actions.StageReach(stage, x.runner.host, &treeReader{ctx: ctx, runner: x.runner, project: x.job.Project})
	if err != nil && mode == egress.Allow {
		return err
	}
	x.net = &network{policy: egress.Policy{Mode: mode}}
	for _, a := range append(needed, stage.Allow...) {
		x.net.policy.Rules = append(x.net.policy.Rules, egress.Rule{Host: a.Host, Port: a.Port, UDP: a.UDP})
	}
	return x.prepareAuthority()
}

// treeReader reads files of a project's source tree, which is looked at when the
// first is wanted. It implements actions.Tree.
type treeReader struct {
	ctx     context.Context
	runner  *Runner
	project *config.Project
	tree    *source.Tree
}

// Read implements actions.Tree.
func (t *treeReader) Read(name string, limit int64) ([]byte, error) {
	if t.tree == nil {
		tree, err := t.runner.tree(t.ctx, t.project.Source, mostSource(t.project), false)
		if err != nil {
			return nil, err
		}
		t.tree = tree
	}
	return source.ReadPlain(t.tree.Root(), name, limit)
}

// connect gives the stage's machine its network.
func (x *execution) connect(frames net.Conn) error {
	if x.net == nil || frames == nil {
		return nil
	}
	headers, err := x.headers()
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	o := egress.Options{
		Policy: x.net.policy, Observe: x.connection,
		Inject: headers, Authority: x.net.authority, Roots: x.net.roots,
	}
	if change := x.runner.gateways; change != nil {
		change(&o)
	}
	gateway, err := egress.New(frames, o)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	x.net.gateway = gateway
	x.close = append(x.close, func() { gateway.Close() })
	return nil
}

// connection puts a connection into the record, and into the log when it was
// refused.
func (x *execution) connection(c egress.Connection) {
	n := x.net
	n.mu.Lock()
	defer n.mu.Unlock()
	line := &stages.Connection{
		Name: c.Name, Address: c.Address, Port: c.Port, Protocol: c.Protocol,
		Sent: c.Sent, Received: c.Received, Allowed: c.Allowed, Reason: clip(c.Reason), Count: c.Count,
	}
	if c.Rule != nil {
		line.Allow = configRule(*c.Rule).String()
	}
	n.sent, n.received = n.sent+c.Sent, n.received+c.Received
	if c.Allowed {
		n.made += c.Count
	} else {
		n.refused += c.Count
	}
	if !c.Allowed && c.Port != 0 || !c.Allowed && c.Name != "" {
		x.tellRefused(line)
	}
	x.emit(stages.Event{Type: stages.ConnectionMade, Connection: line, Duration: c.Duration.Seconds()})
}

func configRule(r egress.Rule) config.Allow {
	return config.Allow{Host: r.Host, Port: r.Port, UDP: r.UDP}
}

// tellRefused writes one line into the stage's log.
func (x *execution) tellRefused(c *stages.Connection) {
	n := x.net
	if n.told++; n.told > maxRefusals {
		if n.told == maxRefusals+1 {
			x.say("network: more is refused; the record has all of it")
		}
		return
	}
	what := c.Name
	if what == "" {
		what = c.Address
	}
	if c.Port != 0 {
		what += fmt.Sprintf(" port %d", c.Port)
	}
	text := fmt.Sprintf("network: refused %s (%s): %s", what, c.Protocol, c.Reason)
	if c.Allow != "" {
		text += "; this would allow it: " + networkBlock(c.Allow)
	}
	x.say(text)
}

// say writes a line of the host's into the stage's log.
func (x *execution) say(text string) {
	x.emit(stages.Event{Type: stages.LogOutput, Stream: "system", Text: stages.SafeText(text)})
}

// disconnect ends the stage's connections and says how many there were.
func (x *execution) disconnect() {
	n := x.net
	if n == nil || n.gateway == nil {
		return
	}
	n.gateway.Close()
	n.mu.Lock()
	made, refused, sent, received := n.made, n.refused, n.sent, n.received
	n.mu.Unlock()
	if made+refused > 0 {
		x.say(fmt.Sprintf("network: %d connections, %s sent, %s received; %d refused or dropped", made, config.FormatSize(sent), config.FormatSize(received), refused))
	}
	if needed := n.gateway.Needed(); len(needed) > 0 {
		x.warn("network audit: this would allow what the stage reached: " + x.auditBlock(needed))
	}
}

// auditBlock is the network block that allows what the file allows already, and
// what only the audit let through.
func (x *execution) auditBlock(needed []egress.Rule) string {
	var entries []string
	add := func(a config.Allow) { entries = append(entries, a.String()) }
	for _, a := range x.job.Stage.Allow {
		if a.By == "" {
			add(a)
		}
	}
	for _, r := range needed {
		add(configRule(r))
	}
	return networkBlock(entries...)
}

// networkBlock is the HCL that allows hosts.
func networkBlock(hosts ...string) string {
	quoted := make([]string, len(hosts))
	for i, h := range hosts {
		quoted[i] = strconv.Quote(h)
	}
	return "network { allow = [" + strings.Join(quoted, ", ") + "] }"
}

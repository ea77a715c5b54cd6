package egress

import (
	"net/netip"
	"strings"
)

// decision is what becomes of a connection that the guest wants.
type decision struct {
	name    string     // the name that it is to, "" for an address
	address netip.Addr // where it is to when there is no name; on the host's side
	port    uint16
	udp     bool

	refused string // why it is refused; empty: it is not
	rule    *Rule  // what would allow it; nil: nothing would, or it is allowed
	strict  bool   // what the client says first must agree with name
	audited bool   // only the audit lets it through, by rule
}

// decide says what becomes of a connection to an address that the guest sees.
func (g *Gateway) decide(to netip.Addr, port uint16, udp bool) decision {
	d := decision{address: to, port: port, udp: udp}
	switch {
	case virtual.Contains(to):
		g.decideName(&d)
	case to == gatewayAddress:
		g.decideLoopback(&d)
	default:
		g.decideAddress(&d)
	}
	return d
}

func (g *Gateway) decideName(d *decision) {
	name, ok := g.names.name(d.address)
	if !ok {
		d.refused = "the address stands for no name"
		return
	}
	d.name, d.address = name, netip.Addr{}
	if g.rules.name(name, d.port, d.udp) {
		d.strict = g.rules.mode == Allow
		return
	}
	g.without(d, Rule{Host: name, Port: d.port, UDP: d.udp})
}

// decideLoopback is for the gateway's address, which stands for the host's
// loopback: either of the two may be named.
func (g *Gateway) decideLoopback(d *decision) {
	d.address = hostLoopback
	if g.rules.within(guestNetwork, gatewayAddress, d.port, d.udp) || g.rules.reachable(hostLoopback, d.port, d.udp) == "" {
		return
	}
	d.refused = "the host's loopback is not in the allow-list"
	d.rule = &Rule{Host: hostLoopback.String(), Port: d.port, UDP: d.udp}
}

func (g *Gateway) decideAddress(d *decision) {
	rule := Rule{Host: d.address.String(), Port: d.port, UDP: d.udp}
	what := g.rules.reachable(d.address, d.port, d.udp)
	switch {
	case guestNetwork.Contains(d.address):
		d.refused = "there is nothing at this address of the machine's own network"
	case what != "":
		d.refused, d.rule = "it is "+what, &rule
	case !g.rules.address(d.address, d.port, d.udp):
		g.without(d, rule)
	}
}

// without is for what no rule allows.
func (g *Gateway) without(d *decision, rule Rule) {
	switch d.rule = &rule; g.rules.mode {
	case Allow:
		d.refused = notAllowed
	case Audit:
		d.audited = true
		g.record.need(rule)
	}
}

const notAllowed = "it is not in the allow-list"

// answers reports whether the name server knows a name.
func (g *Gateway) answers(name string) bool {
	if strings.HasSuffix(name, ".arpa") || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return false // RFC 6761: answered by the machine itself
	}
	return g.rules.mode != Allow || g.rules.knows(name)
}

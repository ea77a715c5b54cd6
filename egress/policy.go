package egress

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Mode is how a policy decides.
type Mode string

// The modes. In each of them the host's own addresses and those that mean
// something special, such as a cloud's metadata service, are out of reach unless
// a rule names them.
const (
	Allow Mode = "allow" // what a rule allows
	Audit Mode = "audit" // everything; Gateway.Needed tells which rules would have allowed it
	Open  Mode = "open"  // everything
)

// Rule allows connections to a host.
type Rule struct {
	// Host is a name; "*.example.org" for every name below that; an address; or
	// a prefix in CIDR notation.
	Host string
	Port uint16 // 0: every port
	UDP  bool   // else TCP
}

// String returns the rule as an allow-list has it: host:port, host:port/udp.
func (r Rule) String() string {
	host, port, udp := r.Host, "*", ""
	if r.Port != 0 {
		port = strconv.Itoa(int(r.Port))
	}
	if r.UDP {
		udp = "/udp"
	}
	return net.JoinHostPort(host, port) + udp
}

// Policy is what a machine may reach.
type Policy struct {
	Mode  Mode
	Rules []Rule
}

// PolicyError says which rule is none.
type PolicyError struct {
	Rule   Rule
	Reason string
}

// Error names the rule and the reason.
func (e *PolicyError) Error() string {
	return fmt.Sprintf("network rule %q: %s", e.Rule.String(), e.Reason)
}

// rules is a policy in a form that is quick to ask. It is immutable.
type rules struct {
	mode  Mode
	names map[string][]Rule
	below []Rule // *.name
	nets  []netRule
}

type netRule struct {
	Rule
	prefix netip.Prefix
}

func compile(p Policy) (*rules, error) {
	r := &rules{mode: p.Mode, names: map[string][]Rule{}}
	if p.Mode != Allow && p.Mode != Audit && p.Mode != Open {
		return nil, fmt.Errorf("network mode %q is not known", p.Mode)
	}
	for _, rule := range p.Rules {
		if err := r.add(rule); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *rules) add(rule Rule) error {
	if prefix, ok := hostPrefix(rule.Host); ok {
		r.nets = append(r.nets, netRule{rule, prefix})
		return nil
	}
	name, wild := strings.CutPrefix(rule.Host, "*.")
	name, ok := cleanName(name)
	switch {
	case !ok:
		return &PolicyError{rule, "its host is no name, address or prefix"}
	case name == "localhost":
		r.nets = append(r.nets, netRule{rule, netip.PrefixFrom(hostLoopback, 32)})
	case wild:
		rule.Host = "." + name
		r.below = append(r.below, rule)
	}
	if !wild {
		r.names[name] = append(r.names[name], rule)
	}
	return nil
}

// hostPrefix reads an address or a prefix.
func hostPrefix(host string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(host); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), true
}

// cleanName returns a name as it is compared: lower case, without the final dot.
// It is false for what is no host name (RFC 1123; an underscore is let through).
func cleanName(name string) (string, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || len(name) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", false
			}
		}
	}
	return name, true
}

// of returns the rules for a clean name.
func (r *rules) of(name string) []Rule {
	found := r.names[name]
	for _, rule := range r.below {
		if strings.HasSuffix(name, rule.Host) {
			found = append(found[:len(found):len(found)], rule)
		}
	}
	return found
}

// knows reports whether any port of a name is allowed.
func (r *rules) knows(name string) bool { return len(r.of(name)) > 0 }

// name reports whether a port of a name is allowed by a rule.
func (r *rules) name(name string, port uint16, udp bool) bool {
	for _, rule := range r.of(name) {
		if rule.fits(port, udp) {
			return true
		}
	}
	return false
}

func (r Rule) fits(port uint16, udp bool) bool {
	return r.UDP == udp && (r.Port == 0 || r.Port == port)
}

// address reports whether a port of an address is allowed by a rule.
func (r *rules) address(a netip.Addr, port uint16, udp bool) bool {
	for _, rule := range r.nets {
		if rule.fits(port, udp) && rule.prefix.Contains(a) {
			return true
		}
	}
	return false
}

// within reports whether a rule for addresses inside a prefix, and no wider one,
// allows a port of an address.
func (r *rules) within(outer netip.Prefix, a netip.Addr, port uint16, udp bool) bool {
	for _, rule := range r.nets {
		if rule.fits(port, udp) && rule.prefix.Contains(a) &&
			rule.prefix.Bits() >= outer.Bits() && outer.Contains(rule.prefix.Addr()) {
			return true
		}
	}
	return false
}

package egress

import (
	"slices"
	"sync"
	"time"
)

// Connection is one connection of a guest, or one that was refused, or a kind of
// traffic that was dropped.
type Connection struct {
	Time     time.Time // of its beginning
	Name     string    // that the guest asked the name server for; empty for an address
	Address  string    // that the host dialled, or that the guest wanted when Name is empty
	Port     uint16
	Protocol string // tcp, udp, dns, and what is dropped: arp, dhcp, ethernet, icmp, ipv4, ipv6
	Sent     int64  // bytes from the guest
	Received int64  // bytes to the guest
	Allowed  bool
	Reason   string // why it was refused, or why it failed
	Rule     *Rule  // that would have allowed it; nil: none would, or it was allowed
	Duration time.Duration
	// Count is how many alike this stands for. The first of a kind that is
	// refused is told at once, the others together at the end.
	Count int
}

// record tells of connections, and of many alike only once. It is safe for
// concurrent use.
type record struct {
	mu       sync.Mutex
	observe  func(Connection)
	groups   map[group]*Connection
	order    []group
	reported int
	rules    []Rule
	over     bool
}

// group is what connections that are told together have in common.
type group struct {
	name, address    string
	port             uint16
	protocol, reason string
	allowed          bool
}

func newRecord(observe func(Connection)) *record {
	if observe == nil {
		observe = func(Connection) {}
	}
	return &record{observe: observe, groups: map[group]*Connection{}}
}

// done tells of a connection that was let through.
func (r *record) done(c Connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reported++; r.reported <= maxReported && !r.over {
		c.Count = 1
		r.observe(c)
		return
	}
	c.Reason = ""
	r.add(c)
}

// refused tells of a connection that was not.
func (r *record) refused(c Connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.add(c) && !r.over {
		c.Count = 1
		r.observe(c)
	}
}

// dropped counts a frame.
func (r *record) dropped(protocol, what string) {
	r.refused(Connection{Time: time.Now(), Protocol: protocol, Reason: what})
}

// add counts a connection in its group, and reports whether it should be told
// of: it is the first of its kind, and refused.
func (r *record) add(c Connection) bool {
	key := group{c.Name, c.Address, c.Port, c.Protocol, c.Reason, c.Allowed}
	have := r.groups[key]
	if have == nil && len(r.groups) >= maxGroups {
		key = group{protocol: c.Protocol, reason: "more than are told apart", allowed: c.Allowed}
		have = r.groups[key]
		c = Connection{Time: c.Time, Protocol: c.Protocol, Sent: c.Sent, Received: c.Received, Duration: c.Duration, Allowed: c.Allowed, Reason: key.reason}
	}
	if have == nil {
		first := c
		if !c.Allowed {
			first.Sent, first.Received, first.Duration = 0, 0, 0 // told already
		} else {
			first.Count = 1
		}
		r.groups[key] = &first
		r.order = append(r.order, key)
		return !c.Allowed
	}
	have.Count++
	have.Sent += c.Sent
	have.Received += c.Received
	have.Duration += c.Duration
	return false
}

// close tells of the groups.
func (r *record) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	r.over = true
	for _, key := range r.order {
		if c := r.groups[key]; c.Count > 0 {
			r.observe(*c)
		}
	}
}

// need remembers what only an audit lets through.
func (r *record) need(rule Rule) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rules) < maxNeeded && !slices.Contains(r.rules, rule) {
		r.rules = append(r.rules, rule)
	}
}

func (r *record) needed() []Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.rules)
}

package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// names gives each name of a machine an address of its own, for the machine's
// life. It is safe for concurrent use.
type names struct {
	lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	busy   chan struct{} // a slot for each question to the host's resolver

	mu      sync.Mutex
	byName  map[string]*entry
	entries []*entry // by address
}

// entry is a name with its address, and what the host's resolver last said.
type entry struct {
	name    string
	address netip.Addr

	mu    sync.Mutex
	until time.Time
	found []netip.Addr
	err   error
}

func newNames(lookup func(context.Context, string) ([]netip.Addr, error)) *names {
	return &names{lookup: lookup, busy: make(chan struct{}, maxLookups), byName: map[string]*entry{}}
}

// hostLookup asks the host's resolver.
func hostLookup(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}

// entry returns a clean name's entry, making it on first use; nil when there are
// too many.
func (n *names) entry(name string) *entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.byName[name]; e != nil {
		return e
	}
	if len(n.entries) >= maxNames {
		return nil
	}
	e := &entry{name: name, address: virtualAddress(len(n.entries))}
	n.entries = append(n.entries, e)
	n.byName[name] = e
	return e
}

// virtualAddress is the address of entry i. The first address of the network is
// left out.
func virtualAddress(i int) netip.Addr {
	base := virtual.Addr().As4()
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(base[:])+uint32(i)+1)
	return netip.AddrFrom4(b)
}

// name returns the name that an address stands for.
func (n *names) name(a netip.Addr) (string, bool) {
	base, b := virtual.Addr().As4(), a.As4()
	i := int(binary.BigEndian.Uint32(b[:])) - int(binary.BigEndian.Uint32(base[:])) - 1
	n.mu.Lock()
	defer n.mu.Unlock()
	if i < 0 || i >= len(n.entries) {
		return "", false
	}
	return n.entries[i].name, true
}

var errBusy = errors.New("too many names are looked up at once")

// resolve returns the addresses of a name, on the host. Answers are kept for
// lookupKeep, failures that may pass are not.
func (n *names) resolve(ctx context.Context, name string) ([]netip.Addr, error) {
	e := n.entry(name)
	if e == nil {
		return nil, errors.New("the machine has asked for too many names")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Now().Before(e.until) {
		return e.found, e.err
	}
	select {
	case n.busy <- struct{}{}:
		defer func() { <-n.busy }()
	default:
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	e.found, e.err = n.lookup(ctx, name)
	if e.err == nil || notFound(e.err) {
		e.until = time.Now().Add(lookupKeep)
	}
	return e.found, e.err
}

// notFound reports whether a resolver said that there is no such name.
func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

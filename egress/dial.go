package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// refusedError says that an allowed name leads where the policy does not.
type refusedError struct {
	reason string
	rule   *Rule
}

func (e *refusedError) Error() string { return e.reason }

// dial makes the host's half of a connection. It dials the very addresses that
// it has looked at, so that a name can not lead elsewhere meanwhile.
func (g *Gateway) dial(ctx context.Context, d *decision) (*upstream, error) {
	proxy, err := g.proxyFor(d)
	if err != nil {
		return nil, err
	}
	if proxy != nil {
		if err := g.proxied(ctx, d); err != nil {
			return nil, err
		}
		return g.dialProxy(ctx, d, proxy)
	}
	addresses := []netip.Addr{d.address}
	if d.name != "" {
		if addresses, err = g.addresses(ctx, d); err != nil {
			return nil, err
		}
	}
	return g.dialFirst(ctx, d, addresses)
}

// proxied refuses a name for a proxy that leads, as far as this host knows, out
// of reach. The proxy resolves it once more, and this host may not be able to.
func (g *Gateway) proxied(ctx context.Context, d *decision) error {
	if d.name == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, proxiedLimit)
	defer cancel()
	found, err := g.names.resolve(ctx, d.name)
	if err != nil {
		return nil
	}
	for _, a := range found {
		if no := g.outOfReach(d, a.Unmap()); no != nil {
			return no
		}
	}
	return nil
}

// outOfReach says why an address of a name may not be dialled, nil when it may.
func (g *Gateway) outOfReach(d *decision, a netip.Addr) *refusedError {
	what := g.rules.reachable(a, d.port, d.udp)
	if what == "" {
		return nil
	}
	return &refusedError{
		reason: fmt.Sprintf("the name leads to %s, which is %s", a, what),
		rule:   &Rule{Host: a.String(), Port: d.port, UDP: d.udp},
	}
}

// upstream is the host's half of a connection.
type upstream struct {
	net.Conn
	address string // that was dialled, without the port
	origin  string // http://name:port, when a proxy wants it before the path
	auth    string // the value of Proxy-Authorization, when the proxy wants one
}

// addresses resolves a name and leaves out what is out of reach.
func (g *Gateway) addresses(ctx context.Context, d *decision) ([]netip.Addr, error) {
	found, err := g.names.resolve(ctx, d.name)
	if err != nil {
		return nil, fmt.Errorf("the host can not resolve it: %w", err)
	}
	var good []netip.Addr
	bad := &refusedError{reason: "the name has no address"}
	for _, a := range found {
		a = a.Unmap()
		if no := g.outOfReach(d, a); no != nil {
			bad = no
			continue
		}
		good = append(good, a)
	}
	if len(good) == 0 {
		return nil, bad
	}
	return good, nil
}

// maxTries is how many addresses of a name are tried.
const maxTries = 4

// dialFirst dials addresses until one answers.
func (g *Gateway) dialFirst(ctx context.Context, d *decision, addresses []netip.Addr) (*upstream, error) {
	network := "tcp"
	if d.udp {
		network = "udp"
	}
	var errs []error
	for _, a := range addresses[:min(len(addresses), maxTries)] {
		limited, cancel := context.WithTimeout(ctx, dialLimit)
		conn, err := g.opts.Dial(limited, network, netip.AddrPortFrom(a, d.port).String())
		cancel()
		if err == nil {
			return &upstream{Conn: conn, address: a.String()}, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// target is name:port or address:port.
func (d *decision) target() string {
	host := d.name
	if host == "" {
		host = d.address.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(d.port)))
}

package egress

import (
	"net"
	"net/netip"
)

// The addresses of the guest's network. They are those of QEMU's user-mode
// network ("Network options" in its manual, -netdev user).
var (
	guestAddress   = netip.AddrFrom4([4]byte{10, 0, 2, 15})
	gatewayAddress = netip.AddrFrom4([4]byte{10, 0, 2, 2}) // stands for the host's loopback
	dnsAddress     = netip.AddrFrom4([4]byte{10, 0, 2, 3})
	hostLoopback   = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	guestNetwork   = netip.MustParsePrefix("10.0.2.0/24")
)

// virtual is where names get their addresses.
var virtual = netip.MustParsePrefix("198.18.0.0/15")

// special are the addresses that no policy opens by the way: a rule must name
// them, or a part of such a range.
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "an unspecified address"},
	{netip.MustParsePrefix("127.0.0.0/8"), "the host's loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address, as metadata services have"},
	{netip.MustParsePrefix("100.100.100.200/32"), "a metadata service"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a metadata service"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a reserved address"},
	{virtual, "an address for benchmarks, which stands for names here"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},
	{netip.MustParsePrefix("::/128"), "an unspecified address"},
	{netip.MustParsePrefix("::1/128"), "the host's loopback"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
	{netip.MustParsePrefix("fd00:ec2::/32"), "a metadata service"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
}

// embedding are the IPv6 prefixes whose addresses lead to the IPv4 address in
// them: NAT64 (RFC 6052) and 6to4 (RFC 3056), and where in them it stands.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
}

// plain returns the IPv4 address that an address leads to, else the address
// itself.
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() || a == netip.IPv6Loopback() || a == netip.IPv6Unspecified() {
		return a
	}
	for _, e := range embedding {
		if e.prefix.Contains(a) {
			b := a.As16()
			return netip.AddrFrom4([4]byte(b[e.at : e.at+4]))
		}
	}
	return a
}

// specialRange returns the special range that an address lies in and what that
// is; an address of the host itself is one too.
func specialRange(a netip.Addr) (netip.Prefix, string, bool) {
	for _, s := range special {
		if s.prefix.Contains(a) {
			return s.prefix, s.what, true
		}
	}
	for _, own := range hostAddresses() {
		if own == a {
			return netip.PrefixFrom(a, a.BitLen()), "an address of the host itself", true
		}
	}
	return netip.Prefix{}, "", false
}

// hostAddresses are those of this machine's interfaces, as they are now.
func hostAddresses() []netip.Addr {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, f := range found {
		if p, err := netip.ParsePrefix(f.String()); err == nil {
			own = append(own, p.Addr().Unmap())
		}
	}
	return own
}

// reachable says why an address may not be dialled, "" when it may. That the
// policy allows the connection is known already; special addresses need a rule
// of their own.
func (r *rules) reachable(a netip.Addr, port uint16, udp bool) string {
	a = plain(a)
	outer, what, is := specialRange(a)
	if !is || r.within(outer, a, port, udp) {
		return ""
	}
	return what
}

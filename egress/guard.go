package egress

import (
	"encoding/binary"
	"net/netip"
)

// guard looks at every frame of a guest before the network stack does, so that
// the stack sees plain, whole IPv4 packets of three protocols only. It is used
// by one goroutine.
type guard struct {
	dropped func(protocol, what string)
}

type verdict int

const (
	drop verdict = iota
	passARP
	passIP
)

// look returns what to do with a frame, and what is in it.
func (g *guard) look(frame []byte) (verdict, []byte) {
	if len(frame) < ethernetHeader {
		return g.drop("ethernet", "a frame shorter than its header")
	}
	if frame[6]&1 != 0 {
		return g.drop("ethernet", "a frame from a group address")
	}
	packet := frame[ethernetHeader:]
	switch kind := binary.BigEndian.Uint16(frame[12:]); kind {
	case 0x0800:
		return g.ip(packet)
	case 0x0806:
		return g.arp(packet)
	case 0x86dd:
		return g.drop("ipv6", "IPv6 leads nowhere")
	case 0x8035:
		return drop, nil // QEMU announces a machine that goes on from a template (RARP)
	}
	return g.drop("ethernet", "neither IPv4 nor ARP")
}

func (g *guard) drop(protocol, what string) (verdict, []byte) {
	g.dropped(protocol, what)
	return drop, nil
}

// arpSize is that of a packet for Ethernet and IPv4 (RFC 826).
const arpSize = 28

func (g *guard) arp(p []byte) (verdict, []byte) {
	if len(p) < arpSize || binary.BigEndian.Uint64(p)>>16 != 0x000108000604 {
		return g.drop("arp", "not ARP for Ethernet and IPv4")
	}
	if binary.BigEndian.Uint16(p[6:]) != 1 {
		return g.drop("arp", "an answer that nobody asked for")
	}
	sender, target := netip.AddrFrom4([4]byte(p[14:18])), netip.AddrFrom4([4]byte(p[24:28]))
	if sender != guestAddress {
		return g.drop("arp", "a question from another address than the machine's")
	}
	if target == guestAddress {
		return drop, nil // nobody else has that address
	}
	if target != gatewayAddress && target != dnsAddress {
		return g.drop("arp", "a question for another address")
	}
	return passARP, p[:arpSize]
}

// arpReply answers a question that the guard has let through.
func arpReply(p []byte) []byte {
	reply := make([]byte, arpSize)
	copy(reply, p[:6])
	reply[7] = 2
	copy(reply[8:], gatewayMAC[:])
	copy(reply[14:], p[24:28])
	copy(reply[18:], p[8:18])
	return reply
}

// Numbers of protocols over IPv4.
const (
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
)

// ip lets through what a plain IPv4 stack sends: RFC 791 without options and
// fragments.
func (g *guard) ip(p []byte) (verdict, []byte) {
	if len(p) < 20 || p[0] != 0x45 {
		return g.drop("ipv4", "a header that is cut off or has options")
	}
	total := int(binary.BigEndian.Uint16(p[2:]))
	if total < 20 || total > len(p) {
		return g.drop("ipv4", "a packet that is cut off")
	}
	if binary.BigEndian.Uint16(p[6:])&0x3fff != 0 {
		return g.drop("ipv4", "a fragment")
	}
	p = p[:total]
	from, to := netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
	body := p[20:]
	switch {
	case p[9] == protoUDP && len(body) >= 8 && binary.BigEndian.Uint16(body[2:]) == 67:
		return g.drop("dhcp", "the machine's address is fixed")
	case from != guestAddress:
		return g.drop("ipv4", "a packet from another address than the machine's")
	case to.IsMulticast() || to == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || to == netip.AddrFrom4([4]byte{10, 0, 2, 255}):
		return g.drop("ipv4", "a packet to a group of machines")
	case to == guestAddress || to.IsUnspecified():
		return g.drop("ipv4", "a packet to the machine itself")
	}
	return g.transport(p[9], to, p, body)
}

func (g *guard) transport(protocol byte, to netip.Addr, p, body []byte) (verdict, []byte) {
	switch protocol {
	case protoTCP:
		if len(body) < 20 || body[12]>>4 < 5 || int(body[12]>>4)*4 > len(body) {
			return g.drop("tcp", "a header that is cut off")
		}
		if binary.BigEndian.Uint16(body) == 0 || binary.BigEndian.Uint16(body[2:]) == 0 {
			return g.drop("tcp", "port 0")
		}
		return passIP, p
	case protoUDP:
		if len(body) < 8 || int(binary.BigEndian.Uint16(body[4:])) != len(body) {
			return g.drop("udp", "a header that is cut off")
		}
		if binary.BigEndian.Uint16(body) == 0 || binary.BigEndian.Uint16(body[2:]) == 0 {
			return g.drop("udp", "port 0")
		}
		return passIP, p
	case protoICMP:
		if len(body) >= 8 && body[0] == 8 && body[1] == 0 && (to == gatewayAddress || to == dnsAddress) {
			return passIP, p
		}
		return g.drop("icmp", "only the gateway is there to be pinged")
	}
	return g.drop("ipv4", "neither TCP nor UDP")
}

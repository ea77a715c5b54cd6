package egress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
)

// packet makes an IPv4 packet of the guest.
func packet(protocol byte, from, to netip.Addr, body []byte) []byte {
	p := make([]byte, 20, 20+len(body))
	p[0], p[8], p[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(p[2:], uint16(20+len(body)))
	src, dst := from.As4(), to.As4()
	copy(p[12:], src[:])
	copy(p[16:], dst[:])
	binary.BigEndian.PutUint16(p[10:], ^checksum.Checksum(p, 0))
	return append(p, body...)
}

// syn makes the first segment of a connection.
func syn(port uint16, to netip.Addr, toPort uint16) []byte {
	s := make([]byte, 20)
	binary.BigEndian.PutUint16(s, port)
	binary.BigEndian.PutUint16(s[2:], toPort)
	s[12], s[13] = 5<<4, 2
	binary.BigEndian.PutUint16(s[14:], 65535)
	return packet(protoTCP, guestAddress, to, s)
}

func datagram(port uint16, to netip.Addr, toPort uint16, data []byte) []byte {
	u := make([]byte, 8, 8+len(data))
	binary.BigEndian.PutUint16(u, port)
	binary.BigEndian.PutUint16(u[2:], toPort)
	binary.BigEndian.PutUint16(u[4:], uint16(8+len(data)))
	return packet(protoUDP, guestAddress, to, append(u, data...))
}

// What is neither plain IPv4 nor a question for the gateway is dropped, and told.
func TestDroppedFrames(t *testing.T) {
	w := newWorld(t, Options{Policy: Policy{Mode: Open}})
	elsewhere := netip.MustParseAddr(there)
	arp := func(op byte, sender, target netip.Addr) []byte {
		p := []byte{0, 1, 8, 0, 6, 4, 0, op}
		a, b := sender.As4(), target.As4()
		p = append(append(p, guestMAC[:]...), a[:]...)
		return append(append(p, make([]byte, 6)...), b[:]...)
	}
	ping := []byte{8, 0, 0, 0, 0, 1, 0, 1}
	fragment := packet(protoUDP, guestAddress, elsewhere, make([]byte, 16))
	fragment[6] = 0x20
	options := packet(protoUDP, guestAddress, elsewhere, make([]byte, 16))
	options[0] = 0x46
	sent := map[string]int{}
	for want, frames := range map[string][][]byte{
		"ipv6":     {frameOf(0x86dd, append([]byte{0x60}, make([]byte, 60)...))},
		"arp":      {frameOf(0x0806, arp(1, guestAddress, elsewhere)), frameOf(0x0806, arp(1, elsewhere, gatewayAddress)), frameOf(0x0806, arp(2, guestAddress, gatewayAddress)), frameOf(0x0806, nil)},
		"dhcp":     {frameOf(0x0800, packet(protoUDP, netip.IPv4Unspecified(), netip.MustParseAddr("255.255.255.255"), []byte{0, 68, 0, 67, 0, 8, 0, 0}))},
		"ethernet": {frameOf(0x88cc, []byte("lldp")), {1, 2, 3}},
		"icmp":     {frameOf(0x0800, packet(protoICMP, guestAddress, elsewhere, ping)), frameOf(0x0800, packet(protoICMP, guestAddress, gatewayAddress, []byte{5, 0, 0, 0, 0, 0, 0, 0}))},
		"ipv4": {frameOf(0x0800, fragment), frameOf(0x0800, options), frameOf(0x0800, nil), frameOf(0x0800, packet(47, guestAddress, elsewhere, make([]byte, 30))),
			frameOf(0x0800, packet(protoTCP, netip.MustParseAddr("10.0.2.16"), elsewhere, make([]byte, 20))), frameOf(0x0800, packet(protoUDP, guestAddress, netip.MustParseAddr("224.0.0.251"), make([]byte, 16)))},
		"tcp": {frameOf(0x0800, packet(protoTCP, guestAddress, elsewhere, make([]byte, 10))), frameOf(0x0800, packet(protoTCP, guestAddress, elsewhere, make([]byte, 20)))},
		"udp": {frameOf(0x0800, packet(protoUDP, guestAddress, elsewhere, make([]byte, 4))), frameOf(0x0800, packet(protoUDP, guestAddress, elsewhere, make([]byte, 16)))},
	} {
		for _, f := range frames {
			w.sendFrame(f)
		}
		sent[want] = len(frames)
	}
	w.sendFrame(frameOf(0x0806, arp(1, guestAddress, gatewayAddress))) // is answered
	for range 500 {
		if len(w.told()) >= 16 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, c := range w.reports() {
		if c.Allowed || c.Reason == "" || c.Count != 1 {
			t.Errorf("told %+v", c)
		}
		sent[c.Protocol]--
	}
	for protocol, left := range sent {
		if left < 0 || left > 1 { // two of a kind are told of at the end
			t.Errorf("%s: %d frames too few were told of", protocol, left)
		}
	}
}

func (w *world) told() []Connection {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[:len(w.seen):len(w.seen)]
}

// A flood is told of in a few lines, and the rest goes on.
func TestFloods(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test"})})
	w.route("files.test", there, 22, serve(t, echo))
	before := runtime.NumGoroutine()
	for i := range 20000 {
		to := netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
		w.sendFrame(frameOf(0x0800, syn(uint16(1024+i%60000), to, uint16(1+i%5000))))
		w.sendFrame(frameOf(0x0800, datagram(uint16(1024+i%60000), to, 53, []byte("x"))))
		w.sendFrame(frameOf(0x86dd, make([]byte, 40)))
	}
	conn := w.open("files.test", 22)
	io.WriteString(conn, "\x00")
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if n := runtime.NumGoroutine() - before; n > 2*maxConnections {
		t.Errorf("%d goroutines are left", n)
	}
	told, counted := w.reports(), 0
	for _, c := range told {
		counted += c.Count
	}
	if len(told) > 3*maxGroups || counted < 40000 {
		t.Errorf("%d lines for %d of 60000", len(told), counted)
	}
}

// Connections are bounded; those that are there go on.
func TestTooManyConnections(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test"})})
	w.route("files.test", there, 22, serve(t, echo))
	first := w.open("files.test", 22)
	a, _ := w.resolve("files.test")
	var err error
	for n := 1; err == nil && n <= maxConnections; n++ {
		_, err = w.connect(a, 22)
	}
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("connection %d: %v", maxConnections+1, err)
	}
	first.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(first, "\x00")
	if _, err := io.ReadFull(first, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

func TestOtherNameServersAndUDP(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "time.test", Port: 123, UDP: true}, Rule{Host: "files.test"})})
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		buf := make([]byte, 64)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			server.WriteTo(buf[:n], from)
		}
	}()
	w.route("time.test", there, 123, server.LocalAddr().String())
	w.route("files.test", there, 53, server.LocalAddr().String())
	a, err := w.resolve("time.test")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := w.resolve("files.test")
	ask := func(a netip.Addr, port int) error {
		conn, err := w.udp(a, port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte("when?"))
		for range 200 { // an error wakes no reader of this stack
			conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			_, err = conn.Read(make([]byte, 64))
			if late, ok := errors.AsType[net.Error](err); !ok || !late.Timeout() {
				break
			}
		}
		return err
	}
	if err := ask(a, 123); err != nil {
		t.Error(err)
	}
	for _, no := range []netip.AddrPort{netip.AddrPortFrom(a, 124), netip.AddrPortFrom(f, 53), netip.MustParseAddrPort("203.0.113.53:53"), netip.MustParseAddrPort("10.0.2.2:53"), netip.MustParseAddrPort("10.0.2.3:54")} {
		if err := ask(no.Addr(), int(no.Port())); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%v: %v", no, err)
		}
	}
	c := w.refusal("203.0.113.53", 53)
	if c.Protocol != "udp" || c.Rule == nil || c.Rule.String() != "203.0.113.53:53/udp" {
		t.Errorf("told %+v", c)
	}
	for _, c := range w.reports() {
		if c.Name == "time.test" && c.Port == 123 && c.Allowed && (c.Sent != 5 || c.Received != 5) {
			t.Errorf("told %+v", c)
		}
	}
}

func TestDNSQuestions(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test"})})
	w.names["files.test"] = there
	ask := func(name string, kind dnsmessage.Type, class dnsmessage.Class) dnsmessage.Message {
		q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: class}}}
		packed, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var got dnsmessage.Message
		if err := got.Unpack(w.gateway.answer(t.Context(), packed)); err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, test := range []struct {
		name  string
		kind  dnsmessage.Type
		class dnsmessage.Class
		code  dnsmessage.RCode
		n     int
	}{
		{"files.test.", dnsmessage.TypeA, 1, 0, 1},
		{"FILES.test.", dnsmessage.TypeA, 1, 0, 1},
		{"files.test.", dnsmessage.TypeAAAA, 1, 0, 0},
		{"files.test.", dnsmessage.TypeSRV, 1, 0, 0},
		{"files.test.", 65, 1, 0, 0},
		{"files.test.", dnsmessage.TypeTXT, 3, dnsmessage.RCodeNameError, 0},
		{"x.files.test.", dnsmessage.TypeTXT, 1, dnsmessage.RCodeNameError, 0},
		{"15.2.0.10.in-addr.arpa.", dnsmessage.TypePTR, 1, dnsmessage.RCodeNameError, 0},
	} {
		if got := ask(test.name, test.kind, test.class); got.RCode != test.code || len(got.Answers) != test.n || got.ID != 7 {
			t.Errorf("%s %v: %v", test.name, test.kind, got)
		}
	}
}

// The table of names is bounded.
func TestManyNames(t *testing.T) {
	n := newNames(nil)
	seen := map[netip.Addr]bool{}
	for i := range maxNames {
		e := n.entry(fmt.Sprint("n", i))
		if name, ok := n.name(e.address); !ok || name != e.name || seen[e.address] || !virtual.Contains(e.address) {
			t.Fatalf("name %d has %v, which stands for %q", i, e.address, name)
		}
		seen[e.address] = true
	}
	if n.entry("more") != nil || n.entry("n0") == nil {
		t.Error("the table has no end, or has forgotten")
	}
	for _, a := range []string{"198.18.0.0", "198.19.255.255", "10.0.0.1", "0.0.0.0"} {
		if name, ok := n.name(netip.MustParseAddr(a)); ok {
			t.Errorf("%s stands for %q", a, name)
		}
	}
}

func FuzzDNS(f *testing.F) {
	q := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("files.test."), Type: 1, Class: 1}}}
	packed, _ := q.Pack()
	f.Add(packed)
	rules, _ := compile(allow(Rule{Host: "files.test"}))
	o := Options{Lookup: nil}
	setDefaults(&o)
	f.Fuzz(func(t *testing.T, in []byte) {
		g := &Gateway{opts: o, rules: rules, record: newRecord(nil), names: newNames(nil)}
		g.names.entry("files.test").until = time.Now().Add(time.Hour)
		g.names.entry("files.test").found = []netip.Addr{netip.MustParseAddr(there)}
		reply := g.answer(t.Context(), in)
		var got dnsmessage.Message
		if reply != nil && got.Unpack(reply) != nil {
			t.Error("the answer can not be read")
		}
		for _, a := range got.Answers {
			if name := strings.ToLower(a.Header.Name.String()); name != "files.test." && name != "files.test" {
				t.Errorf("an answer for %s", name)
			}
		}
	})
}

// A frame, whatever it is, crashes nothing.
func FuzzFrames(f *testing.F) {
	for _, seed := range [][]byte{syn(1024, netip.MustParseAddr(there), 80), datagram(1024, dnsAddress, 53, []byte("x")), packet(protoICMP, guestAddress, gatewayAddress, []byte{8, 0, 0, 0, 0, 1, 0, 1})} {
		f.Add(frameOf(0x0800, seed))
	}
	f.Add(frameOf(0x0806, make([]byte, 28)))
	ours, theirs := socketPair(f)
	go io.Copy(io.Discard, theirs)
	g, err := New(ours, Options{Policy: allow(Rule{Host: "files.test"})})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { g.Close(); theirs.Close() })
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > maxFrame {
			return
		}
		g.link.frame(frame)
		if err := alive(g); err != nil {
			t.Error(err)
		}
	})
}

func alive(g *Gateway) error {
	select {
	case <-g.Done():
		return errors.New("the gateway is over")
	default:
		return nil
	}
}

// A frame longer than any can be ends the connection instead of filling memory.
func TestFrameTooLong(t *testing.T) {
	w := newWorld(t, Options{Policy: allow()})
	w.conn.Write([]byte{0xff, 0xff, 0xff, 0xff})
	select {
	case <-w.gateway.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for the rest")
	}
}

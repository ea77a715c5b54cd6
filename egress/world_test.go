package egress

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// world is a gateway with a guest, and a host whose resolver and routes are
// given.
type world struct {
	t       *testing.T
	gateway *Gateway
	guest   *stack.Stack
	conn    net.Conn // the guest's end of the frames

	names  map[string]string // name to address
	routes map[string]string // address:port on the host to that of a real server on loopback

	mu     sync.Mutex
	seen   []Connection
	dialed []string
}

var guestMAC = [6]byte{0x52, 0x54, 0, 1, 2, 3}

// socketPair is what QEMU and ambient share.
func socketPair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "frames")
		if conns[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return conns[0], conns[1]
}

func allow(entries ...Rule) Policy { return Policy{Mode: Allow, Rules: entries} }

// newWorld makes a world with the gateway's options, whose hooks it fills in.
func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	w := &world{t: t, names: map[string]string{}, routes: map[string]string{}}
	o.Observe = func(c Connection) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen = append(w.seen, c)
	}
	o.Lookup, o.Dial = w.lookup, w.dial
	if o.Proxy == nil {
		o.Proxy = func(*url.URL) (*url.URL, error) { return nil, nil }
	}
	ours, theirs := socketPair(t)
	w.conn = theirs
	var err error
	if w.gateway, err = New(ours, o); err != nil {
		t.Fatal(err)
	}
	w.startGuest()
	t.Cleanup(func() {
		w.gateway.Close()
		w.conn.Close()
		w.guest.Destroy()
	})
	return w
}

func (w *world) lookup(_ context.Context, name string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, ok := w.names[name]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr(a)}, nil
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	to, ok := w.routes[address]
	w.dialed = append(w.dialed, address)
	w.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("dial %s: %w", address, unix.ECONNREFUSED)
	}
	return new(net.Dialer).DialContext(ctx, network, to)
}

// route makes a name and an address of the host lead to a real server.
func (w *world) route(name, address string, port int, server string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name != "" {
		w.names[name] = address
	}
	w.routes[fmt.Sprintf("%s:%d", address, port)] = server
}

// startGuest makes the guest's network stack.
func (w *world) startGuest() {
	ep := channel.New(1024, MTU, "")
	w.guest = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	if err := w.guest.CreateNIC(1, ep); err != nil {
		w.t.Fatal(err)
	}
	address := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom4(guestAddress.As4()).WithPrefix()}
	if err := w.guest.AddProtocolAddress(1, address, stack.AddressProperties{}); err != nil {
		w.t.Fatal(err)
	}
	w.guest.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	ctx, cancel := context.WithCancel(context.Background())
	w.t.Cleanup(cancel)
	go func() {
		for {
			pkt := ep.ReadContext(ctx)
			if pkt == nil {
				return
			}
			v := pkt.ToView()
			w.sendFrame(frameOf(0x0800, v.AsSlice()))
			v.Release()
			pkt.DecRef()
		}
	}()
	go func() {
		in := bufio.NewReaderSize(w.conn, 256<<10)
		for {
			frame, err := readFrame(in)
			if err != nil {
				return
			}
			if binary.BigEndian.Uint16(frame[12:]) == 0x0800 {
				pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame[ethernetHeader:])})
				ep.InjectInbound(ipv4.ProtocolNumber, pkt)
				pkt.DecRef()
			}
			in.Discard(len(frame))
		}
	}()
}

func frameOf(kind uint16, packet []byte) []byte {
	f := append(slices.Clone(gatewayMAC[:]), guestMAC[:]...)
	return append(binary.BigEndian.AppendUint16(f, kind), packet...)
}

func (w *world) sendFrame(frame []byte) {
	w.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
}

// resolve asks the gateway's name server.
func (w *world) resolve(name string) (netip.Addr, error) {
	r := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return w.udp(dnsAddress, 53)
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	found, err := r.LookupNetIP(ctx, "ip4", name+".")
	if err != nil {
		return netip.Addr{}, err
	}
	return found[0].Unmap(), nil
}

func full(a netip.Addr, port int) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(a.As4()), Port: uint16(port)}
}

func (w *world) udp(a netip.Addr, port int) (net.Conn, error) {
	to := full(a, port)
	return gonet.DialUDP(w.guest, nil, &to, ipv4.ProtocolNumber)
}

// connect is the guest's connect(2).
func (w *world) connect(a netip.Addr, port int) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := gonet.DialContextTCP(ctx, w.guest, full(a, port), ipv4.ProtocolNumber)
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn, nil
}

// open resolves and connects.
func (w *world) open(name string, port int) net.Conn {
	w.t.Helper()
	a, err := w.resolve(name)
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := w.connect(a, port)
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// reports closes the gateway and returns what it told.
func (w *world) reports() []Connection {
	w.gateway.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

// refusal waits for the report of something refused.
func (w *world) refusal(name string, port uint16) Connection {
	w.t.Helper()
	for range 500 {
		w.mu.Lock()
		for _, c := range w.seen {
			if !c.Allowed && (c.Name == name || c.Address == name) && c.Port == port {
				w.mu.Unlock()
				return c
			}
		}
		w.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Fatalf("nothing was told of %s port %d; seen: %+v", name, port, w.seen)
	return Connection{}
}

// serve runs a server on the host's loopback, one function a connection.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return l.Addr().String()
}

func echo(c net.Conn) { io.Copy(c, c) }

package egress

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// Options are what a Gateway needs to know.
type Options struct {
	Policy Policy
	// Observe is told of connections, each once, when it is over or refused. It
	// is called by one goroutine at a time and must not block; nil: nobody is.
	Observe func(Connection)
	// Inject adds headers to requests. Authority must be set with it.
	Inject    []Injection
	Authority *Authority
	// Roots are the authorities that servers' certificates are verified by where
	// connections end here; nil: those of the host.
	Roots *x509.CertPool

	// For tests, and for hosts with a way of their own; nil: as the host does it.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	Proxy  func(*url.URL) (*url.URL, error)
}

// Gateway is the network of one machine. It is safe for concurrent use. Close it.
type Gateway struct {
	opts   Options
	rules  *rules
	names  *names
	record *record
	inject *injector
	link   *link
	stack  *stack.Stack
	slots  chan struct{} // of connections
	udp    sessions
	asking sessions // UDP too, for names

	ctx    context.Context // of everything that the gateway does
	cancel context.CancelFunc
	wait   sync.WaitGroup // for connections
	mu     sync.Mutex
	over   bool // no connection may begin
	closed sync.Once
}

// New makes the network of the machine at the other end of conn, which carries
// frames as QEMU's stream back-end has them: the length, four bytes, big-endian,
// and an Ethernet frame. The gateway runs until Close, or until conn ends, and
// owns conn. The error is a *PolicyError, or tells of options that do not fit.
func New(conn net.Conn, o Options) (*Gateway, error) {
	rules, err := compile(o.Policy)
	if err != nil {
		return nil, err
	}
	setDefaults(&o)
	g := &Gateway{opts: o, rules: rules, names: newNames(o.Lookup), record: newRecord(o.Observe), slots: make(chan struct{}, maxConnections)}
	g.udp.most, g.asking.most = maxSessions, maxAsking
	if g.inject, err = newInjector(g, o); err != nil {
		return nil, err
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.link = &link{
		conn: conn, guard: &guard{dropped: g.record.dropped},
		dead: g.cancel, done: make(chan struct{}),
	}
	if err := g.start(); err != nil {
		g.cancel()
		return nil, err
	}
	go g.link.read()
	return g, nil
}

func setDefaults(o *Options) {
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Lookup == nil {
		o.Lookup = hostLookup
	}
	if o.Proxy == nil {
		o.Proxy = httpproxy.FromEnvironment().ProxyFunc()
	}
}

const nic = 1

// start sets the network stack up.
func (g *Gateway) start() error {
	g.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	if err := tune(g.stack); err != nil {
		return fmt.Errorf("network stack: %v", err)
	}
	if err := g.stack.CreateNIC(nic, g.link); err != nil {
		return fmt.Errorf("network stack: %v", err)
	}
	for _, a := range []netip.Addr{gatewayAddress, dnsAddress} {
		address := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom4(a.As4()).WithPrefix()}
		if err := g.stack.AddProtocolAddress(nic, address, stack.AddressProperties{}); err != nil {
			return fmt.Errorf("network stack: %v", err)
		}
	}
	// It stands for every other machine.
	if err := g.stack.SetPromiscuousMode(nic, true); err != nil {
		return fmt.Errorf("network stack: %v", err)
	}
	if err := g.stack.SetSpoofing(nic, true); err != nil {
		return fmt.Errorf("network stack: %v", err)
	}
	g.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	connections := tcp.NewForwarder(g.stack, 0, maxDialling, g.takeTCP)
	g.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, connections.HandlePacket)
	datagrams := udp.NewForwarder(g.stack, g.takeUDP)
	g.stack.SetTransportProtocolHandler(udp.ProtocolNumber, datagrams.HandlePacket)
	return nil
}

// tune sets what fits a link without delay and loss.
func tune(s *stack.Stack) tcpip.Error {
	sack := tcpip.TCPSACKEnabled(true)
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: socketBuffer, Max: socketBuffer}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: socketBuffer, Max: socketBuffer}
	moderate := tcpip.TCPModerateReceiveBufferOption(false)
	retries := tcpip.TCPSynRetriesOption(3) // a guest that has asked answers
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &send, &receive, &moderate, &retries} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return err
		}
	}
	return nil
}

// begin claims a part in the gateway's life; false when it is over. Its user
// calls g.wait.Done.
func (g *Gateway) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over || g.ctx.Err() != nil {
		return false
	}
	g.wait.Add(1)
	return true
}

// Close ends all connections, waits for their ends and tells Observe of what is
// left to tell. It may be called any number of times. It does not fail.
func (g *Gateway) Close() error {
	g.closed.Do(func() {
		g.mu.Lock()
		g.over = true
		g.mu.Unlock()
		g.cancel()
		g.link.conn.Close()
		<-g.link.done
		g.end()
		g.stack.Destroy()
		g.record.close()
	})
	return nil
}

// end waits for connections. Those whose handshake is not complete are known to
// the stack alone.
func (g *Gateway) end() {
	ended := make(chan struct{})
	go func() {
		g.wait.Wait()
		close(ended)
	}()
	for {
		for _, ep := range g.stack.RegisteredEndpoints() {
			ep.Abort()
		}
		select {
		case <-ended:
			return
		case <-time.After(endPause):
		}
	}
}

// endPause is between two looks at what is left.
const endPause = 20 * time.Millisecond

// Done is closed when the machine's end of the connection is gone, or Close was
// called.
func (g *Gateway) Done() <-chan struct{} { return g.ctx.Done() }

// Needed returns the rules, in the order of first use, that would have allowed
// what only the audit let through.
func (g *Gateway) Needed() []Rule { return g.record.needed() }

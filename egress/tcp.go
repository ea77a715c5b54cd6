package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// takeTCP handles a guest's SYN, in a goroutine of its own. Nothing has been
// answered yet: the host's half comes first, so that what is refused there is
// refused here.
func (g *Gateway) takeTCP(r *tcp.ForwarderRequest) {
	id := r.ID()
	to, port := netip.AddrFrom4(id.LocalAddress.As4()), id.LocalPort
	if !g.begin() {
		r.Complete(true)
		return
	}
	defer g.wait.Done()
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	default:
		r.Complete(true)
		g.record.refused(Connection{Time: time.Now(), Protocol: "tcp", Reason: fmt.Sprintf("the machine has %d connections already", maxConnections)})
		return
	}
	if isDNS(to, port) {
		g.accept(r, func(guest *guestConn) { g.serveDNSStream(guest) })
		return
	}
	f := &flow{gateway: g, began: time.Now(), decision: g.decide(to, port, false)}
	f.run(r)
	f.report()
}

// accept completes the guest's handshake and hands the connection over, which
// ends with the function or with the gateway.
func (g *Gateway) accept(r *tcp.ForwarderRequest, use func(*guestConn)) {
	var queue waiter.Queue
	ep, err := r.CreateEndpoint(&queue)
	r.Complete(err != nil)
	if err != nil {
		return // the guest went away
	}
	guest := &guestConn{gonet.NewTCPConn(&queue, ep), ep}
	ep.SocketOptions().SetKeepAlive(true)
	stop := context.AfterFunc(g.ctx, func() { guest.abort() })
	defer stop()
	defer guest.Close()
	use(guest)
}

// guestConn is the guest's half of a connection.
type guestConn struct {
	*gonet.TCPConn
	ep tcpip.Endpoint
}

// abort ends the connection at once; the guest sees a reset.
func (c *guestConn) abort() { c.ep.Abort() }

// flow is one connection from its SYN to its end.
type flow struct {
	gateway *Gateway
	began   time.Time
	decision
	address        string // that was dialled
	sent, received atomic.Int64
	failed         string // why it ended early, though it was allowed

	mu sync.Mutex // for decision.refused and rule, once both directions run
}

func (f *flow) run(r *tcp.ForwarderRequest) {
	if f.refused != "" {
		r.Complete(true)
		return
	}
	if in := f.gateway.inject.find(&f.decision); in != nil {
		f.gateway.accept(r, func(guest *guestConn) { in.serve(f, guest) })
		return
	}
	up, err := f.gateway.dial(f.gateway.ctx, &f.decision)
	if err != nil {
		r.Complete(true)
		f.dialFailed(err)
		return
	}
	defer up.Close()
	f.address = up.address
	f.gateway.accept(r, func(guest *guestConn) { f.splice(guest, up) })
}

func (f *flow) dialFailed(err error) {
	var no *refusedError
	if errors.As(err, &no) {
		f.refuse(no.reason, no.rule)
		return
	}
	f.failed = err.Error()
}

func (f *flow) refuse(reason string, rule *Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused, f.rule = reason, rule
}

// splice copies both ways until both have ended. An end of one is passed on, an
// error ends both.
func (f *flow) splice(guest *guestConn, up *upstream) {
	stop := context.AfterFunc(f.gateway.ctx, func() { up.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	down := make(chan struct{})
	go func() {
		defer close(down)
		if err := copyCounted(guest, up, &f.received); err != nil {
			guest.abort()
			up.Close()
			return
		}
		guest.CloseWrite()
	}()
	err := f.upward(guest, up)
	if err != nil {
		var no *refusedError
		if errors.As(err, &no) {
			f.refuse(no.reason, no.rule)
		}
		guest.abort()
		up.Close()
	} else {
		closeWrite(up)
	}
	<-down
}

// upward copies what the guest says, once it is known to be allowed.
func (f *flow) upward(guest net.Conn, up *upstream) error {
	if !f.strict && up.origin == "" {
		return copyCounted(up, guest, &f.sent)
	}
	in := &inspector{name: f.name, port: f.port, strict: f.strict, in: newGuestReader(guest), out: up, sent: &f.sent, conn: guest}
	return in.run()
}

func closeWrite(up *upstream) {
	conn := up.Conn
	if e, ok := conn.(*earlyConn); ok {
		conn = e.Conn
	}
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, spliceBuffer); return &b }}

// copyCounted copies until the end of from; that is no error.
func copyCounted(to, from net.Conn, count *atomic.Int64) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := from.Read(*buf)
		if n > 0 {
			m, werr := to.Write((*buf)[:n])
			count.Add(int64(m))
			if werr != nil {
				return werr
			}
		}
		if err != nil {
			return notEOF(err)
		}
	}
}

func (f *flow) report() {
	f.mu.Lock() // handlers of an injected host may be at their end
	defer f.mu.Unlock()
	c := Connection{
		Time: f.began, Name: f.name, Address: f.address, Port: f.port, Protocol: "tcp",
		Sent: f.sent.Load(), Received: f.received.Load(), Duration: time.Since(f.began),
		Allowed: f.refused == "", Reason: f.failed,
	}
	if c.Address == "" && f.name == "" {
		c.Address = f.decision.address.String()
	}
	if f.decision.audited {
		c.Rule = f.rule
	}
	if c.Allowed {
		f.gateway.record.done(c)
		return
	}
	c.Reason, c.Rule = f.refused, f.rule
	f.gateway.record.refused(c)
}

// portText is a port for people.
func portText(port uint16) string { return strconv.Itoa(int(port)) }

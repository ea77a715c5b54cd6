package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// sessions counts UDP sessions of one kind.
type sessions struct {
	most  int
	mu    sync.Mutex
	count int
}

func (s *sessions) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count >= s.most {
		return false
	}
	s.count++
	return true
}

func (s *sessions) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
}

// takeUDP handles the first datagram of a session. False makes the stack answer
// that nobody listens. It runs where frames are read and must not wait.
func (g *Gateway) takeUDP(r *udp.ForwarderRequest) bool {
	id := r.ID()
	to, port := netip.AddrFrom4(id.LocalAddress.As4()), id.LocalPort
	var d decision
	if !isDNS(to, port) {
		d = g.decide(to, port, true)
	}
	began := time.Now()
	if d.refused != "" {
		g.reportUDP(&d, began, nil, nil)
		return false
	}
	if !g.begin() {
		return false
	}
	kind := &g.udp
	if isDNS(to, port) {
		kind = &g.asking // each question may come from a port of its own
	}
	if !kind.enter() {
		g.wait.Done()
		g.record.refused(Connection{Time: began, Protocol: "udp", Reason: fmt.Sprintf("the machine has %d UDP sessions already", kind.most)})
		return false
	}
	var queue waiter.Queue
	ep, err := r.CreateEndpoint(&queue)
	if err != nil {
		kind.leave()
		g.wait.Done()
		return false
	}
	guest := gonet.NewUDPConn(&queue, ep)
	go func() {
		defer g.wait.Done()
		defer kind.leave()
		defer guest.Close()
		stop := context.AfterFunc(g.ctx, func() { guest.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		if isDNS(to, port) {
			g.serveDNS(guest)
			return
		}
		g.session(&d, began, guest)
	}()
	return true
}

// session passes datagrams on, both ways, until there are none for a while.
func (g *Gateway) session(d *decision, began time.Time, guest net.Conn) {
	up, err := g.dial(g.ctx, d)
	if err != nil {
		g.reportUDP(d, began, nil, err)
		return
	}
	defer up.Close()
	stop := context.AfterFunc(g.ctx, func() { up.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	s := &session{up: up}
	s.heard.Store(time.Now().UnixNano())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.copy(guest, up, &s.received)
		guest.SetReadDeadline(time.Unix(1, 0))
	}()
	s.copy(up, guest, &s.sent)
	up.SetReadDeadline(time.Unix(1, 0))
	<-done
	g.reportUDP(d, began, s, nil)
}

type session struct {
	up             *upstream
	heard          atomic.Int64
	sent, received atomic.Int64
}

// copy passes datagrams on until both directions are silent.
func (s *session) copy(to, from net.Conn, count *atomic.Int64) {
	buf := make([]byte, 64<<10)
	for {
		last := time.Unix(0, s.heard.Load())
		from.SetReadDeadline(last.Add(sessionLimit))
		n, err := from.Read(buf)
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() && time.Unix(0, s.heard.Load()).After(last) {
			continue
		}
		if err != nil {
			return
		}
		s.heard.Store(time.Now().UnixNano())
		if m, err := to.Write(buf[:n]); err == nil {
			count.Add(int64(m))
		}
	}
}

func (g *Gateway) reportUDP(d *decision, began time.Time, s *session, err error) {
	c := Connection{
		Time: began, Name: d.name, Port: d.port, Protocol: "udp", Duration: time.Since(began),
		Allowed: d.refused == "", Reason: d.refused, Rule: d.rule,
	}
	if d.address.IsValid() {
		c.Address = d.address.String()
	}
	if s != nil {
		c.Address, c.Sent, c.Received = s.up.address, s.sent.Load(), s.received.Load()
	}
	if err != nil {
		c.Reason = err.Error()
		if no, ok := err.(*refusedError); ok {
			c.Allowed, c.Rule = false, no.rule
		}
	}
	if c.Allowed {
		g.record.done(c)
		return
	}
	g.record.refused(c)
}

package egress

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxDNS bounds a question, in bytes; RFC 1035 has no use for more.
const maxDNS = 4096

// answerTTL is how long the guest may keep an answer, in seconds. An address
// keeps its meaning as long as the machine lives.
const answerTTL = 60

// answer answers one DNS message (RFC 1035), nil when it deserves none. The
// message is the guest's.
func (g *Gateway) answer(ctx context.Context, message []byte) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(message)
	if err != nil || head.Response || len(message) > maxDNS {
		return nil
	}
	questions, err := p.AllQuestions()
	reply := dnsmessage.Message{Header: dnsmessage.Header{
		ID: head.ID, Response: true, OpCode: head.OpCode,
		RecursionDesired: head.RecursionDesired, RecursionAvailable: true,
	}}
	switch {
	case err != nil || len(questions) != 1:
		reply.RCode = dnsmessage.RCodeFormatError
	case head.OpCode != 0:
		reply.RCode = dnsmessage.RCodeNotImplemented
	default:
		reply.Questions = questions
		reply.RCode, reply.Answers = g.resolve(ctx, questions[0])
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// resolve answers a question. A name that is not allowed does not exist.
func (g *Gateway) resolve(ctx context.Context, q dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.Resource) {
	name, ok := cleanName(q.Name.String())
	if !ok || q.Class != dnsmessage.ClassINET || !g.answers(name) {
		g.unknown(q, name)
		return dnsmessage.RCodeNameError, nil
	}
	e := g.names.entry(name)
	if e == nil {
		g.record.refused(Connection{Time: time.Now(), Protocol: "dns", Reason: "the machine has asked for too many names"})
		return dnsmessage.RCodeServerFailure, nil
	}
	if !g.byProxyOnly(name) {
		found, err := g.names.resolve(ctx, name)
		if notFound(err) || err == nil && len(found) == 0 {
			return dnsmessage.RCodeNameError, nil
		}
		if err != nil {
			g.record.done(Connection{Time: time.Now(), Name: name, Protocol: "dns", Allowed: true, Reason: "the host can not resolve it: " + err.Error()})
			return dnsmessage.RCodeServerFailure, nil
		}
	}
	if q.Type != dnsmessage.TypeA && q.Type != dnsmessage.TypeALL {
		return dnsmessage.RCodeSuccess, nil // there is nothing but an IPv4 address
	}
	return dnsmessage.RCodeSuccess, []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: answerTTL},
		Body:   &dnsmessage.AResource{A: e.address.As4()},
	}}
}

// unknown tells of a question that got no answer. Addresses are looked up by so
// many programs that it says nothing.
func (g *Gateway) unknown(q dnsmessage.Question, name string) {
	c := Connection{Time: time.Now(), Name: name, Protocol: "dns", Reason: notAllowed}
	switch {
	case strings.HasSuffix(strings.ToLower(q.Name.String()), ".arpa."):
		return
	case name == "" || q.Class != dnsmessage.ClassINET:
		c.Name, c.Reason = "", "it is not a name of a host"
	default:
		c.Rule = &Rule{Host: name, Port: 443}
	}
	g.record.refused(c)
}

// serveDNS answers the questions of a datagram socket until it falls silent.
func (g *Gateway) serveDNS(conn net.Conn) {
	buf := make([]byte, maxDNS+1)
	for {
		conn.SetReadDeadline(time.Now().Add(dnsIdle))
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if reply := g.answer(g.ctx, buf[:n]); reply != nil {
			conn.Write(reply)
		}
	}
}

// serveDNSStream does the same for a connection (RFC 1035, 4.2.2).
func (g *Gateway) serveDNSStream(conn net.Conn) {
	var size [2]byte
	for {
		conn.SetDeadline(time.Now().Add(headLimit))
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		reply := g.answer(g.ctx, message)
		if reply == nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

func isDNS(to netip.Addr, port uint16) bool { return to == dnsAddress && port == 53 }

package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// proxyFor returns the host's proxy for a connection, nil when it goes directly.
// The environment has proxies for https and http; ports tell which a connection
// is, since it is made before the guest has said anything.
func (g *Gateway) proxyFor(d *decision) (*url.URL, error) {
	scheme := ""
	switch {
	case d.udp || d.address == hostLoopback:
		return nil, nil
	case d.port == 443 || d.port == 8443:
		scheme = "https"
	case d.port == 80:
		scheme = "http"
	default:
		return nil, nil
	}
	proxy, err := g.opts.Proxy(&url.URL{Scheme: scheme, Host: d.target()})
	if err != nil {
		return nil, fmt.Errorf("the host's proxy settings: %w", err)
	}
	if proxy != nil && proxy.Scheme != "http" && proxy.Scheme != "https" {
		return nil, fmt.Errorf("the host's proxy %s is neither http nor https", proxy.Redacted())
	}
	return proxy, nil
}

// byProxyOnly reports whether all that a name is good for goes to a proxy, which
// resolves names itself: the host may not be able to.
func (g *Gateway) byProxyOnly(name string) bool {
	for _, port := range []uint16{443, 80} {
		if proxy, err := g.proxyFor(&decision{name: name, port: port}); err == nil && proxy != nil {
			return true
		}
	}
	return false
}

// dialProxy connects to a proxy, and through it with CONNECT (RFC 9110, 9.3.6)
// unless the connection is plain HTTP.
func (g *Gateway) dialProxy(ctx context.Context, d *decision, proxy *url.URL) (*upstream, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := g.opts.Dial(ctx, "tcp", proxyAddress(proxy))
	if err != nil {
		return nil, fmt.Errorf("the host's proxy: %w", err)
	}
	if proxy.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: proxy.Hostname()})
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, fmt.Errorf("the host's proxy: %w", err)
		}
		conn = secure
	}
	up := &upstream{Conn: conn, address: proxy.Host, auth: proxyAuth(proxy)}
	if d.port == 80 {
		up.origin = "http://" + d.name
		if d.name == "" {
			up.origin = "http://" + d.target()
		}
		return up, nil
	}
	if err := up.connect(ctx, d.target()); err != nil {
		conn.Close()
		return nil, fmt.Errorf("the host's proxy: %w", err)
	}
	return up, nil
}

func proxyAddress(proxy *url.URL) string {
	if proxy.Port() != "" {
		return proxy.Host
	}
	port := "80"
	if proxy.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(proxy.Hostname(), port)
}

func proxyAuth(proxy *url.URL) string {
	if proxy.User == nil {
		return ""
	}
	password, _ := proxy.User.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password))
}

// connect asks for a tunnel.
func (u *upstream) connect(ctx context.Context, target string) error {
	if deadline, ok := ctx.Deadline(); ok {
		u.SetDeadline(deadline)
		defer u.SetDeadline(time.Time{})
	}
	stop := context.AfterFunc(ctx, func() { u.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", target, target)
	if u.auth != "" {
		fmt.Fprintf(&b, "Proxy-Authorization: %s\r\n", u.auth)
	}
	if _, err := io.WriteString(u.Conn, b.String()+"\r\n"); err != nil {
		return err
	}
	in := bufio.NewReaderSize(io.LimitReader(u.Conn, maxHead), 4096)
	reply, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %q to CONNECT %s", reply.Status, target)
	}
	if in.Buffered() > 0 { // the server has spoken already
		early, _ := in.Peek(in.Buffered())
		u.Conn = &earlyConn{u.Conn, early}
	}
	return nil
}

// earlyConn is a connection of which some bytes were read already.
type earlyConn struct {
	net.Conn
	early []byte
}

// Read gives the early bytes first.
func (e *earlyConn) Read(p []byte) (int, error) {
	if len(e.early) > 0 {
		n := copy(p, e.early)
		e.early = e.early[n:]
		return n, nil
	}
	return e.Conn.Read(p)
}

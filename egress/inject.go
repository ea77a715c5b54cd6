package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http/httpguts"
)

// Injection adds a header to the requests that a machine makes to a host over
// TLS, so that the machine needs no secret of its own. Connections to the host
// end here, with a certificate of the Authority; onward they are verified as any
// other. The guest's own header of that name is replaced.
//
// What the host answers reaches the guest as it is: a host that repeats a
// request's headers in its answer gives them away. TRACE is refused.
type Injection struct {
	Host   string // a name, or an address as the guest sees it
	Port   uint16 // 0: 443
	Header string
	// Value returns the header's value. It is called for each request and must be
	// safe for concurrent use. Its error is told to the guest as "not available",
	// and to Observe as it is: it must not have the value in it.
	Value func(ctx context.Context) (string, error)
}

func (in Injection) port() uint16 {
	if in.Port == 0 {
		return 443
	}
	return in.Port
}

// injector has the hosts whose connections end here.
type injector struct {
	hosts map[string]*injectedHost // by name or address and port
}

type injectedHost struct {
	gateway   *Gateway
	authority *Authority
	host      string
	headers   []Injection
}

func newInjector(g *Gateway, o Options) (*injector, error) {
	j := &injector{hosts: map[string]*injectedHost{}}
	for _, in := range o.Inject {
		if o.Authority == nil {
			return nil, errors.New("headers can not be added without an authority")
		}
		host, err := injectionHost(in.Host)
		if err != nil {
			return nil, err
		}
		if !httpguts.ValidHeaderFieldName(in.Header) || hopByHop[textproto.CanonicalMIMEHeaderKey(in.Header)] || in.Value == nil {
			return nil, fmt.Errorf("a header %q can not be added", in.Header)
		}
		key := injectionKey(host, in.port())
		if j.hosts[key] == nil {
			j.hosts[key] = &injectedHost{gateway: g, authority: o.Authority, host: host}
		}
		j.hosts[key].headers = append(j.hosts[key].headers, in)
	}
	return j, nil
}

// hopByHop are headers that frame a message or name its host: they are not for
// values.
var hopByHop = map[string]bool{
	"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Connection": true,
	"Upgrade": true, "Te": true, "Trailer": true, "Keep-Alive": true,
}

func injectionHost(host string) (string, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().String(), nil
	}
	name, ok := cleanName(host)
	if !ok {
		return "", fmt.Errorf("headers for %q: it is neither a name nor an address", host)
	}
	return name, nil
}

func injectionKey(host string, port uint16) string { return host + " " + portText(port) }

// find returns the host that a connection is to, if it ends here.
func (j *injector) find(d *decision) *injectedHost {
	if d.name != "" {
		return j.hosts[injectionKey(d.name, d.port)]
	}
	if h := j.hosts[injectionKey(d.address.String(), d.port)]; h != nil || d.address != hostLoopback {
		return h
	}
	return j.hosts[injectionKey(gatewayAddress.String(), d.port)]
}

// serve ends the TLS of one connection and passes its requests on.
func (h *injectedHost) serve(f *flow, guest net.Conn) {
	conn := &countedConn{Conn: guest, flow: f}
	secure := tls.Server(conn, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return h.greet(f, hello) },
	})
	ctx, cancel := context.WithTimeout(f.gateway.ctx, headLimit)
	err := secure.HandshakeContext(ctx)
	cancel()
	if err != nil {
		f.note("TLS: " + err.Error())
		return
	}
	transport := h.transport(f)
	defer transport.CloseIdleConnections()
	listener := newOneListener(secure)
	conn.over = listener.Close // also of one that the handler has taken over
	server := &http.Server{
		Handler:           h.handler(f, transport),
		ReadHeaderTimeout: headLimit, IdleTimeout: injectIdle, MaxHeaderBytes: maxHead,
		ErrorLog:    log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return f.gateway.ctx },
	}
	stop := context.AfterFunc(f.gateway.ctx, func() { server.Close() })
	defer stop()
	server.Serve(listener)
	<-listener.closed
}

// greet chooses the certificate: for the name of the connection and no other.
func (h *injectedHost) greet(f *flow, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if f.name != "" && strings.ToLower(strings.TrimSuffix(hello.ServerName, ".")) != f.name {
		f.refuse(fmt.Sprintf("its TLS wants another server, %q", clip(hello.ServerName)), nil)
		return nil, errors.New("another server")
	}
	return h.authority.certificate(h.host)
}

// transport speaks with the real host, verified.
func (h *injectedHost) transport(f *flow) *http.Transport {
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: h.gateway.opts.Roots, ServerName: h.host, NextProtos: []string{"http/1.1"}}
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			up, err := h.gateway.dial(ctx, &f.decision)
			if err != nil {
				return nil, err
			}
			f.dialled(up.address)
			secure := tls.Client(up, config)
			if err := secure.HandshakeContext(ctx); err != nil {
				up.Close()
				return nil, err
			}
			return secure, nil
		},
		MaxConnsPerHost: 1, TLSHandshakeTimeout: dialLimit, MaxResponseHeaderBytes: maxHead,
		DisableCompression: true, ResponseHeaderTimeout: 0,
	}
}

func (f *flow) dialled(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.address = address
}

// note remembers why a connection failed.
func (f *flow) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == "" {
		f.failed = what
	}
}

// handler passes a request on with the headers set.
func (h *injectedHost) handler(f *flow, transport http.RoundTripper) http.Handler {
	target := &url.URL{Scheme: "https", Host: net.JoinHostPort(h.host, portText(f.port))}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
			for _, in := range h.headers {
				r.Out.Header.Del(in.Header)
			}
			for name, value := range r.In.Context().Value(valuesKey{}).(map[string]string) {
				r.Out.Header.Set(name, value)
			}
		},
		Transport: transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			var no *refusedError
			if errors.As(err, &no) {
				f.refuse(no.reason, no.rule)
			}
			f.note("the server: " + err.Error())
			http.Error(w, "the server can not be reached", http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := f.name
		if name == "" {
			name = hostOf(r.Host) // by address: what the guest calls it, it reaches that address
		}
		switch {
		case r.Method == http.MethodTrace || r.Method == http.MethodConnect:
			http.Error(w, "not here", http.StatusMethodNotAllowed)
		case !sameHost(r.Host, name, f.port) || r.URL.Host != "" && !sameHost(r.URL.Host, name, f.port):
			f.refuse(fmt.Sprintf("its HTTP wants another server, %q", clip(r.Host)), nil)
			http.Error(w, "another server", http.StatusMisdirectedRequest)
		default:
			values, err := h.values(r.Context())
			if err != nil {
				f.note("a header's value: " + err.Error())
				http.Error(w, "a header's value is not available", http.StatusBadGateway)
				return
			}
			proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), valuesKey{}, values)))
		}
	})
}

type valuesKey struct{}

func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

// values asks for the headers' values.
func (h *injectedHost) values(ctx context.Context) (map[string]string, error) {
	values := map[string]string{}
	for _, in := range h.headers {
		v, err := in.Value(ctx)
		if err != nil {
			return nil, err
		}
		if !httpguts.ValidHeaderFieldValue(v) {
			return nil, fmt.Errorf("the value for %s has characters that a header can not have", in.Header)
		}
		values[in.Header] = v
	}
	return values, nil
}

// oneListener is a listener with a single connection.
type oneListener struct {
	conn   chan net.Conn
	addr   net.Addr
	once   sync.Once
	closed chan struct{}
}

func newOneListener(conn net.Conn) *oneListener {
	l := &oneListener{conn: make(chan net.Conn, 1), addr: conn.LocalAddr(), closed: make(chan struct{})}
	l.conn <- conn
	return l
}

// Accept gives the connection once, and then waits for its end.
func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *oneListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the connection's.
func (l *oneListener) Addr() net.Addr { return l.addr }

// countedConn counts what the guest sends and gets.
type countedConn struct {
	net.Conn
	flow *flow
	over func() error // called by Close
}

// Close ends the connection.
func (c *countedConn) Close() error {
	if c.over != nil {
		c.over()
	}
	return c.Conn.Close()
}

// Read counts what comes.
func (c *countedConn) Read(p []byte) (int, error) { return counted(&c.flow.sent, c.Conn.Read, p) }

// Write counts what goes.
func (c *countedConn) Write(p []byte) (int, error) {
	return counted(&c.flow.received, c.Conn.Write, p)
}

func counted(n *atomic.Int64, do func([]byte) (int, error), p []byte) (int, error) {
	m, err := do(p)
	n.Add(int64(m))
	return m, err
}

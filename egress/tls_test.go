package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// secure is an HTTPS server of some names, with its own authority.
func secure(t *testing.T, handler http.Handler, hosts ...string) (server string, roots *x509.CertPool) {
	t.Helper()
	authority, err := NewAuthority(hosts, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.PEM())
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name := h.ServerName
		if name == "" {
			name = hosts[0]
		}
		return authority.certificate(name)
	}}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "https://"), roots
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello from "+r.Host) })

// client is an HTTP client in the guest.
func (w *world) client(roots *x509.CertPool) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			host, port, _ := net.SplitHostPort(address)
			a, err := w.resolve(host)
			if err != nil {
				return nil, err
			}
			n, _ := net.LookupPort("tcp", port)
			return w.connect(a, n)
		},
	}}
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTLSByName(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "api.test", Port: 443}, Rule{Host: "api.test", Port: 8443})})
	server, roots := secure(t, hello, "api.test", "evil.test")
	for _, port := range []int{443, 8443} {
		w.route("api.test", there, port, server)
	}
	if got := get(t, w.client(roots), "https://api.test/"); got != "hello from api.test" {
		t.Errorf("got %q", got)
	}
	for _, test := range []struct {
		what, sni string
		port      int
		reason    string
	}{
		{"the name of another server", "evil.test", 443, `wants another server, "evil.test"`},
		{"the name of another server, elsewhere", "evil.test", 8443, `wants another server, "evil.test"`},
		{"no name", "", 443, "no SNI"},
	} {
		conn := tls.Client(w.open("api.test", test.port), &tls.Config{ServerName: test.sni, InsecureSkipVerify: true})
		if err := conn.Handshake(); err == nil {
			t.Errorf("%s: TLS came about", test.what)
		}
		if c := w.refusal("api.test", uint16(test.port)); !strings.Contains(c.Reason, test.reason) && test.sni != "" {
			t.Errorf("%s: told %+v", test.what, c)
		}
	}
}

// TLS 1.2 and a server that asks for a second ClientHello pass.
func TestTLSVariants(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "api.test"})})
	server, roots := secure(t, hello, "api.test")
	w.route("api.test", there, 443, server)
	for _, config := range []*tls.Config{
		{MaxVersion: tls.VersionTLS12},
		{CurvePreferences: []tls.CurveID{tls.CurveP521, tls.X25519}}, // the first is sent, the server may want another
	} {
		config.RootCAs, config.ServerName = roots, "api.test"
		conn := tls.Client(w.open("api.test", 443), config)
		if err := conn.Handshake(); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
}

func TestPort443IsForTLS(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "api.test"})})
	w.route("api.test", there, 443, serve(t, echo))
	conn := w.open("api.test", 443)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
	if got, err := io.ReadAll(conn); err == nil || len(got) > 0 {
		t.Errorf("got %q, %v, want a reset", got, err)
	}
	if c := w.refusal("api.test", 443); !strings.Contains(c.Reason, "for TLS") {
		t.Errorf("told %+v", c)
	}
}

// helloOf returns the first flight of a client.
func helloOf(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	go tls.Client(a, config).Handshake()
	buf := make([]byte, 16<<10)
	n, err := b.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	return buf[:n]
}

func TestHelloInPieces(t *testing.T) {
	raw := helloOf(t, &tls.Config{ServerName: "api.test"})
	body := raw[recordHeader:]
	var split []byte // the same message in records of 7 bytes
	for len(body) > 0 {
		n := min(7, len(body))
		split = append(append(split, 22, 3, 1, 0, byte(n)), body[:n]...)
		body = body[n:]
	}
	for _, in := range [][]byte{raw, split} {
		got, message, err := readHello(strings.NewReader(string(in)))
		if err != nil || string(got) != string(in) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if name, err := helloName(message); err != nil || name != "api.test" {
			t.Errorf("name %q, %v", name, err)
		}
	}
}

func TestHelloThatHidesItsName(t *testing.T) {
	raw := helloOf(t, &tls.Config{ServerName: "api.test"})
	message := append([]byte{}, raw[recordHeader:]...)
	// One more extension: type 0xfe0d, 1 byte.
	message = append(message, 0xfe, 0x0d, 0, 1, 0)
	grow := func(at, n int) {
		v := int(message[at])<<8 | int(message[at+1])
		message[at], message[at+1] = byte((v+n)>>8), byte(v+n)
	}
	grow(2, 5) // the message
	at := 4 + 2 + 32
	at += 1 + int(message[at])
	at += 2 + int(message[at])<<8 + int(message[at+1])
	at += 1 + int(message[at])
	grow(at, 5) // the extensions
	if name, err := helloName(message); err == nil || !strings.Contains(err.Error(), "ECH") {
		t.Errorf("got %q, %v", name, err)
	}
}

func FuzzHello(f *testing.F) {
	f.Add(helloOf(f, &tls.Config{ServerName: "api.test"}))
	f.Add(helloOf(f, &tls.Config{InsecureSkipVerify: true}))
	f.Add([]byte{22, 3, 1, 0, 4, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		raw, message, err := readHello(strings.NewReader(string(in)))
		if err != nil {
			return
		}
		if len(raw) > maxHead || !strings.HasPrefix(string(in), string(raw)) {
			t.Errorf("read %d of %d bytes", len(raw), len(in))
		}
		if name, err := helloName(message); err == nil && len(name) > len(message) {
			t.Error("a name from nowhere")
		}
	})
}

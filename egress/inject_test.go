package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// injected is a world in which api.test:443 gets a header, and what its server saw.
func injected(t *testing.T, value func(context.Context) (string, error), server http.HandlerFunc) (w *world, guest *x509.CertPool) {
	t.Helper()
	authority, err := NewAuthority([]string{"api.test"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	address, roots := secure(t, server, "api.test", "other.test")
	w = newWorld(t, Options{
		Policy: allow(Rule{Host: "api.test", Port: 443}, Rule{Host: "other.test", Port: 443}),
		Inject: []Injection{{Host: "api.test", Header: "Authorization", Value: value}}, Authority: authority, Roots: roots,
	})
	w.route("api.test", there, 443, address)
	w.route("other.test", there, 443, address)
	guest = x509.NewCertPool()
	guest.AppendCertsFromPEM(authority.PEM())
	return w, guest
}

func given(value string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return value, nil }
}

const bearer = "Bearer s3cret-value"

func TestInject(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	w, guest := injected(t, given(bearer), func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		seen = append(seen, fmt.Sprintf("%s %s%s %q %s %s", r.Method, r.Host, r.URL, r.Header["Authorization"], body, r.Proto))
		mu.Unlock()
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "https://other.test/caught", http.StatusTemporaryRedirect)
			return
		}
		io.WriteString(w, "done")
	})
	client := w.client(guest)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, own := range []string{"", "Bearer mine"} {
		r, _ := http.NewRequest("POST", "https://api.test/a?b=c", strings.NewReader("text"))
		if own != "" {
			r.Header.Set("authorization", own)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(answer.Body); string(body) != "done" || answer.ProtoMajor != 1 {
			t.Errorf("got %q by %s", body, answer.Proto)
		}
	}
	answer, err := client.Get("https://api.test/away")
	if err != nil || answer.StatusCode != http.StatusTemporaryRedirect || answer.Header.Get("Location") != "https://other.test/caught" {
		t.Errorf("a redirect: %+v, %v", answer, err)
	}
	for _, r := range []*http.Request{{Method: "TRACE"}, {Method: "GET", Host: "other.test"}} {
		r.URL, _ = url.Parse("https://api.test/")
		if answer, err := client.Do(r); err != nil || answer.StatusCode < 400 {
			t.Errorf("%s to %q: %v, %v", r.Method, r.Host, answer, err)
		}
	}
	want := fmt.Sprintf("[POST api.test/a?b=c [%[1]q] text HTTP/1.1 POST api.test/a?b=c [%[1]q] text HTTP/1.1 GET api.test/away [%[1]q]  HTTP/1.1]", bearer)
	mu.Lock()
	if got := fmt.Sprint(seen); got != want {
		t.Errorf("the server saw %s, want %s", got, want)
	}
	mu.Unlock()
	told := w.reports()
	if !slices.ContainsFunc(told, func(c Connection) bool {
		return c.Name == "api.test" && c.Allowed && c.Address == there && c.Sent > 0 && c.Received > 0
	}) || strings.Contains(fmt.Sprintf("%+v", told), "s3cret") {
		t.Errorf("told %+v", told)
	}
}

// Another host of the same server does not get it, and is not looked into.
func TestInjectThereOnly(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	w, guest := injected(t, given(bearer), func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Host+" "+r.Header.Get("Authorization"))
		mu.Unlock()
	})
	if _, err := w.client(guest).Get("https://other.test/"); err == nil {
		t.Error("the guest's authority vouches for another host")
	}
	conn := tls.Client(w.open("other.test", 443), &tls.Config{ServerName: "other.test", InsecureSkipVerify: true})
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(seen) != "[other.test ]" {
		t.Errorf("seen %q", seen)
	}
}

// A server that can not prove who it is gets nothing; nor does one when there is
// no value.
func TestInjectFailures(t *testing.T) {
	reached := false
	handler := func(http.ResponseWriter, *http.Request) { reached = true }
	w, guest := injected(t, given(bearer), handler)
	w.gateway.opts.Roots = x509.NewCertPool() // trusts nobody
	none, guest2 := injected(t, func(context.Context) (string, error) { return "", errors.New("the agent is gone") }, handler)
	bad, guest3 := injected(t, given("x\r\nHost: evil.test"), handler)
	for i, test := range []struct {
		w     *world
		roots *x509.CertPool
	}{{w, guest}, {none, guest2}, {bad, guest3}} {
		answer, err := test.w.client(test.roots).Get("https://api.test/")
		if err != nil || answer.StatusCode != http.StatusBadGateway {
			t.Errorf("%d: %v, %v", i, answer, err)
		}
		for _, c := range test.w.reports() {
			if c.Protocol == "tcp" && (c.Reason == "" || strings.Contains(c.Reason, "s3cret") || strings.Contains(c.Reason, "evil")) {
				t.Errorf("%d: told %+v", i, c)
			}
		}
	}
	if reached {
		t.Error("the server got a request")
	}
}

func TestAuthorityIsConstrained(t *testing.T) {
	a, err := NewAuthority([]string{"api.test", "203.0.113.7"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(a.PEM())
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !cert.IsCA || time.Until(cert.NotAfter) > 3*time.Hour {
		t.Fatalf("%+v, %v", cert, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	for host, want := range map[string]bool{"api.test": true, "203.0.113.7": true, "other.test": false, "203.0.113.8": false} {
		c, err := a.certificate(host)
		if err != nil {
			t.Fatal(err)
		}
		leaf, _ := x509.ParseCertificate(c.Certificate[0])
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots}); (err == nil) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := NewAuthority([]string{"a b"}, time.Hour); err == nil {
		t.Error("a host that is none passed")
	}
	for _, o := range []Options{
		{Policy: allow(), Inject: []Injection{{Host: "a", Header: "X", Value: given("")}}},
		{Policy: allow(), Authority: a, Inject: []Injection{{Host: "a", Header: "Host", Value: given("")}}},
		{Policy: allow(), Authority: a, Inject: []Injection{{Host: "a", Header: "a b", Value: given("")}}},
		{Policy: allow(), Authority: a, Inject: []Injection{{Host: "*.a", Header: "X", Value: given("")}}},
		{Policy: allow(), Authority: a, Inject: []Injection{{Host: "a", Header: "X"}}},
	} {
		if g, err := New(nil, o); err == nil {
			g.Close()
			t.Errorf("%+v passed", o.Inject)
		}
	}
}

// proxyServer is the host's proxy: CONNECT and absolute addresses, with a password.
func proxyServer(t *testing.T, routes map[string]string) (*url.URL, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		mu.Unlock()
		if r.Method != http.MethodConnect {
			fmt.Fprintf(w, "by proxy: %s", r.RequestURI)
			return
		}
		up, err := net.Dial("tcp", routes[r.Host])
		if err != nil {
			http.Error(w, "no way", http.StatusForbidden)
			return
		}
		defer up.Close()
		conn, _, _ := w.(http.Hijacker).Hijack()
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go io.Copy(up, conn)
		io.Copy(conn, up)
	}))
	t.Cleanup(s.Close)
	u, _ := url.Parse(s.URL)
	u.User = url.UserPassword("me", "pw")
	return u, func() []string { mu.Lock(); defer mu.Unlock(); return asked }
}

func TestByTheHostsProxy(t *testing.T) {
	server, roots := secure(t, hello, "api.test")
	proxy, asked := proxyServer(t, map[string]string{"api.test:443": server})
	w := newWorld(t, Options{
		Policy: allow(Rule{Host: "api.test"}, Rule{Host: "blocked.test"}, Rule{Host: "meta.test"}),
		Proxy:  func(u *url.URL) (*url.URL, error) { return proxy, nil },
	})
	w.routes[proxy.Host] = proxy.Host
	// What the host's resolver says of a name counts for the proxy as well; it
	// knows none of the others.
	w.route("meta.test", "169.254.169.254", 80, server)
	if a, err := w.resolve("meta.test"); err != nil {
		t.Error(err)
	} else if _, err := w.connect(a, 80); err == nil {
		t.Error("a name that leads to a metadata service went to the proxy")
	}
	if got := get(t, w.client(roots), "https://api.test/"); got != "hello from api.test" {
		t.Errorf("got %q", got)
	}
	if got, err := ask(t, w.open("api.test", 80), "GET /x HTTP/1.1\r\nHost: api.test\r\n\r\n", "GET /y HTTP/1.1\r\nHost: api.test\r\nProxy-Authorization: mine\r\n\r\n"); err != nil || fmt.Sprint(got) != "[by proxy: http://api.test/x by proxy: http://api.test/y]" {
		t.Errorf("got %q, %v", got, err)
	}
	a, err := w.resolve("blocked.test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.connect(a, 443); err == nil {
		t.Error("what the proxy refuses came about")
	}
	conn := w.open("api.test", 80)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n")
	if _, err := io.ReadAll(conn); err == nil {
		t.Error("another Host went to the proxy")
	}
	const auth = " Basic bWU6cHc="
	want := "[CONNECT api.test:443" + auth + " GET http://api.test/x" + auth + " GET http://api.test/y" + auth + " CONNECT blocked.test:443" + auth + "]"
	if got := fmt.Sprint(asked()); got != want {
		t.Errorf("the proxy was asked %s, want %s", got, want)
	}
}

package egress

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const there = "203.0.113.7" // an address for documentation (RFC 5737): nobody's

func TestAllowedNameAndPort(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test", Port: 22})})
	w.route("files.test", there, 22, serve(t, echo))
	conn := w.open("files.test", 22)
	io.WriteString(conn, "hello")
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Fatalf("got %q, %v", got, err)
	}
	conn.Close()
	for _, c := range w.reports() {
		if c.Name == "files.test" && c.Protocol == "tcp" {
			if !c.Allowed || c.Address != there || c.Port != 22 || c.Sent != 5 || c.Received != 5 || c.Count != 1 || c.Time.IsZero() {
				t.Errorf("told %+v", c)
			}
			return
		}
	}
	t.Error("the connection was not told of")
}

func TestNamesThatAreNotAllowed(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test", Port: 22}, Rule{Host: "*.below.test", Port: 443})})
	w.route("files.test", there, 22, serve(t, echo))
	w.route("other.test", there, 22, serve(t, echo))
	w.route("a.below.test", there, 22, serve(t, echo))
	for _, name := range []string{"other.test", "below.test", "files.test.other.test", "xfiles.test", "localhost", "gone.below.test"} {
		var no *net.DNSError
		if a, err := w.resolve(name); !errors.As(err, &no) || !no.IsNotFound {
			t.Errorf("%s: got %v, %v, want that it does not exist", name, a, err)
		}
	}
	if _, err := w.resolve("A.Below.TEST"); err != nil {
		t.Error(err)
	}
	c := w.refusal("other.test", 0)
	if c.Protocol != "dns" || c.Rule == nil || c.Rule.String() != "other.test:443" {
		t.Errorf("told %+v", c)
	}
}

func TestRefusedConnections(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test", Port: 22}, Rule{Host: "192.0.2.0/28", Port: 5432}, Rule{Host: "inner.test"}, Rule{Host: "meta.test"})})
	server := serve(t, echo)
	for _, to := range []string{there, "192.0.2.5", "192.0.2.99", "127.0.0.1", "169.254.169.254"} {
		for _, port := range []int{22, 80, 443, 5432} {
			w.route("", to, port, server)
		}
	}
	w.names["files.test"], w.names["inner.test"], w.names["meta.test"] = there, "127.0.0.1", "169.254.169.254"
	address := func(name string) netip.Addr {
		a, err := w.resolve(name)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	files, inner, meta := address("files.test"), address("inner.test"), address("meta.test")
	if conn, err := w.connect(netip.MustParseAddr("192.0.2.5"), 5432); err != nil {
		t.Errorf("an address within an allowed prefix: %v", err)
	} else {
		conn.Close()
	}
	for _, test := range []struct {
		what string
		to   netip.Addr
		port int
		told string
		hcl  string
	}{
		{"another port of the name", files, 443, "files.test", "files.test:443"},
		{"the name's address by number", netip.MustParseAddr(there), 22, there, there + ":22"},
		{"an address outside the prefix", netip.MustParseAddr("192.0.2.99"), 5432, "192.0.2.99", "192.0.2.99:5432"},
		{"another port of the prefix", netip.MustParseAddr("192.0.2.5"), 22, "192.0.2.5", "192.0.2.5:22"},
		{"metadata by number", netip.MustParseAddr("169.254.169.254"), 80, "169.254.169.254", "169.254.169.254:80"},
		{"the host's loopback", gatewayAddress, 22, "127.0.0.1", "127.0.0.1:22"},
		{"a name that leads to the host's loopback", inner, 22, "inner.test", "127.0.0.1:22"},
		{"a name that leads to a metadata service", meta, 80, "meta.test", "169.254.169.254:80"},
		{"an address that stands for no name", netip.MustParseAddr("198.18.9.9"), 22, "198.18.9.9", ""},
		{"another machine of the network", netip.MustParseAddr("10.0.2.7"), 22, "10.0.2.7", ""},
	} {
		began := time.Now()
		conn, err := w.connect(test.to, test.port)
		if err == nil {
			conn.Close()
			t.Errorf("%s: connected", test.what)
			continue
		}
		if !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v after %v, want it refused", test.what, err, time.Since(began))
		}
		c := w.refusal(test.told, uint16(test.port))
		if test.hcl == "" && c.Rule != nil || test.hcl != "" && (c.Rule == nil || c.Rule.String() != test.hcl) {
			t.Errorf("%s: told %+v", test.what, c)
		}
	}
}

// What resolves to a special address is reached when a rule names that address.
func TestSpecialAddressesThatAreNamed(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "127.0.0.1", Port: 8080}, Rule{Host: "inner.test", Port: 8080}, Rule{Host: "10.0.2.2", Port: 9090}, Rule{Host: "0.0.0.0/0", Port: 7070}, Rule{Host: "localhost", Port: 6060})})
	server := serve(t, echo)
	w.route("inner.test", "127.0.0.1", 8080, server)
	for _, port := range []int{9090, 7070, 6060} {
		w.route("", "127.0.0.1", port, server)
	}
	inner, err := w.resolve("inner.test")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		to   netip.Addr
		port int
		want bool
	}{
		{gatewayAddress, 8080, true},
		{gatewayAddress, 9090, true},
		{gatewayAddress, 6060, true},
		{inner, 8080, true},
		{gatewayAddress, 7070, false}, // "everything" does not name the loopback
		{gatewayAddress, 22, false},
	} {
		conn, err := w.connect(test.to, test.port)
		if (err == nil) != test.want {
			t.Errorf("%v port %d: %v", test.to, test.port, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

func TestOpenAndAudit(t *testing.T) {
	for _, mode := range []Mode{Open, Audit} {
		w := newWorld(t, Options{Policy: Policy{Mode: mode, Rules: []Rule{{Host: "files.test", Port: 22}}}})
		server := serve(t, echo)
		w.route("files.test", there, 22, server)
		w.route("other.test", there, 8080, server)
		w.route("", "169.254.169.254", 80, server)
		w.route("", "127.0.0.1", 22, server)
		w.open("files.test", 22).Close()
		w.open("other.test", 8080).Close()
		if conn, err := w.connect(netip.MustParseAddr(there), 22); err != nil {
			t.Error(err)
		} else {
			conn.Close()
		}
		for _, a := range []string{"169.254.169.254", "10.0.2.2"} {
			for _, port := range []int{22, 80} {
				if _, err := w.connect(netip.MustParseAddr(a), port); err == nil {
					t.Errorf("%s: %s was reached", mode, a)
				}
			}
		}
		want := ""
		if mode == Audit {
			want = "[other.test:8080 203.0.113.7:22]"
		}
		if needed := w.gateway.Needed(); len(needed) > 0 && fmt.Sprint(needed) != want || (len(needed) > 0) != (want != "") {
			t.Errorf("%s needs %v", mode, needed)
		}
	}
}

// The host's refusal is the guest's: it is dialled before the guest's handshake.
func TestConnectionRefusedByTheServer(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test"})})
	w.names["files.test"] = there
	a, err := w.resolve("files.test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.connect(a, 22); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
	for _, c := range w.reports() {
		if c.Port == 22 && (!c.Allowed || !strings.Contains(c.Reason, "refused")) {
			t.Errorf("told %+v", c)
		}
	}
}

// A server that speaks first is heard before the client has said anything.
func TestServerSpeaksFirst(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test"})})
	w.route("files.test", there, 22, serve(t, func(c net.Conn) {
		io.WriteString(c, "SSH-2.0-server\r\n")
		got := make([]byte, 256)
		n, _ := c.Read(got)
		c.Write(got[:n])
	}))
	conn := w.open("files.test", 22)
	got := make([]byte, 256)
	if n, err := conn.Read(got); err != nil || string(got[:n]) != "SSH-2.0-server\r\n" {
		t.Fatalf("got %q, %v", got[:n], err)
	}
	const ours = "SSH-2.0-client some comment\r\n"
	io.WriteString(conn, ours)
	if n, err := conn.Read(got); err != nil || string(got[:n]) != ours {
		t.Fatalf("got %q, %v", got[:n], err)
	}
}

// Each direction ends by itself, and nothing is lost.
func TestHalfCloseAndMuchData(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test"})})
	data := make([]byte, 24<<20)
	rand.New(rand.NewSource(1)).Read(data)
	data[0] = 0 // not TLS
	w.route("files.test", there, 9, serve(t, func(c net.Conn) {
		got, err := io.ReadAll(c) // to the guest's end
		if err == nil {
			sum := sha256.Sum256(got)
			c.Write(sum[:])
			c.Write(got)
		}
	}))
	conn := w.open("files.test", 9)
	go func() {
		conn.Write(data)
		conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	sum := sha256.Sum256(data)
	if err != nil || !bytes.Equal(got, append(sum[:], data...)) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
}

// Close ends what is open, and is quick.
func TestCloseEndsConnections(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test"}, Rule{Host: "files.test", UDP: true})})
	w.route("files.test", there, 9, serve(t, func(c net.Conn) { io.Copy(io.Discard, c) }))
	conn := w.open("files.test", 9)
	io.WriteString(conn, "\x00")
	closed := make(chan struct{})
	go func() { w.gateway.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	w.conn.Close()
}

// A machine that goes away ends the gateway.
func TestEndOfTheMachine(t *testing.T) {
	w := newWorld(t, Options{Policy: allow()})
	w.conn.Close()
	select {
	case <-w.gateway.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("it does not notice")
	}
}

func TestPolicyErrors(t *testing.T) {
	for _, host := range []string{"", "a b", "*", "*.*.x", "a..b", "-a", "1.2.3.4/33", "fe80::1%eth0"} {
		var no *PolicyError
		if _, err := compile(allow(Rule{Host: host, Port: 1})); !errors.As(err, &no) {
			t.Errorf("%q: %v", host, err)
		}
	}
	if _, err := compile(Policy{Mode: "none"}); err == nil {
		t.Error("an unknown mode passed")
	}
}

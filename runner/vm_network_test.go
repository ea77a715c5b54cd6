//go:build vm

package runner

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/egress"
	"github.com/ambient-ci/ambient/stages"
)

// elsewhere is a world of names and addresses that lead to servers on loopback.
type elsewhere struct {
	names  map[string]string // to an address
	routes map[string]string // address:port to that of a server
}

// use makes a runner's stages live in it.
func (e elsewhere) use(r *Runner) {
	r.gateways = func(o *egress.Options) {
		o.Lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
			if a, ok := e.names[name]; ok {
				return []netip.Addr{netip.MustParseAddr(a)}, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		}
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if to, ok := e.routes[address]; ok {
				return new(net.Dialer).DialContext(ctx, network, to)
			}
			return nil, fmt.Errorf("no route to %s", address)
		}
	}
}

func (r *recorder) connections() (all []stages.Connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Type == stages.ConnectionMade {
			all = append(all, *e.Connection)
		}
	}
	return all
}

// firstFlight is the ClientHello of a client that wants a server of that name.
func firstFlight(t *testing.T, name string) string {
	t.Helper()
	a, b := net.Pipe()
	go tls.Client(a, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
	buf := make([]byte, 16<<10)
	n, err := b.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	b.Close()
	return base64.StdEncoding.EncodeToString(buf[:n])
}

// attacks are what a hostile guest tries, one function each; it prints what it
// got. Nothing may come that has "SECRET" in it.
const attacks = `
try() { echo "== $1"; shift; "$@" </dev/null 2>&1 | head -c 300 || true; }
get() { timeout 10 wget -q -O - "$@"; }
try allowed get http://good.test/
try allowed-ssh sh -c 'echo over | timeout 10 nc good.test 22'
try name get http://evil.test/
try number get http://203.0.113.66/
try good-by-number get http://203.0.113.7/
try port get http://good.test:8080/
try loopback get http://inner.test/
try metadata get http://meta.test/latest
try metadata-number get http://169.254.169.254/latest
try gateway get http://10.0.2.2:%[1]d/
try host get http://good.test/ --header 'Host: evil.test'
try second-request sh -c 'printf "GET / HTTP/1.1\r\nHost: good.test\r\n\r\nGET / HTTP/1.1\r\nHost: evil.test\r\n\r\n" | timeout 15 nc good.test 80 | tail -n 1'
try connect sh -c 'printf "CONNECT evil.test:443 HTTP/1.1\r\nHost: good.test\r\n\r\n" | timeout 15 nc good.test 80'
try sni-good sh -c 'echo %[2]s | base64 -d | timeout 15 nc good.test 443 | head -c 1 | od -An -tx1'
try sni-evil sh -c 'echo %[3]s | base64 -d | timeout 15 nc good.test 443 | head -c 1 | od -An -tx1'
try dns timeout 10 nslookup good.test 203.0.113.53
try dns-tcp timeout 10 nc 203.0.113.53 53
try udp timeout 8 tftp -g -r x -l - 203.0.113.66 9
try ping timeout 8 ping -c 1 203.0.113.66
try dhcp timeout 8 udhcpc -n -q -t 1 -T 1 -s /bin/true
echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
ip -6 addr add fd00::15/64 dev eth0
ip -6 route add default dev eth0
try ipv6 timeout 8 ping6 -c 1 2001:db8::1
ip addr add 10.0.2.99/24 dev eth0
try spoof timeout 8 ping -c 1 -I 10.0.2.99 good.test
echo "== flood"
for n in $(seq 1 40); do timeout 60 nc 203.0.113.66 81 </dev/null >/dev/null 2>&1 & done
wait
try after get http://good.test/
`

// TestVMNetworkAttacks has a guest try every way out that it may not have. None
// works, each is in the record, and what is allowed works before and after.
func TestVMNetworkAttacks(t *testing.T) {
	page := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text+" for "+r.Host+"\n") })
	}
	good, secret := httptest.NewServer(page("WELCOME")), httptest.NewServer(page("SECRET"))
	secure := httptest.NewTLSServer(page("WELCOME"))
	ssh, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := ssh.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "SSH-2.0-WELCOME\r\n") // it speaks first
			io.Copy(c, c)
			c.Close()
		}
	}()
	t.Cleanup(func() { good.Close(); secret.Close(); secure.Close(); ssh.Close() })
	at := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	e := elsewhere{
		names: map[string]string{"good.test": "203.0.113.7", "evil.test": "203.0.113.66", "inner.test": "127.0.0.1", "meta.test": "169.254.169.254"},
		routes: map[string]string{
			"203.0.113.7:80": at(good), "203.0.113.7:443": at(secure), "203.0.113.7:22": ssh.Addr().String(), "203.0.113.7:8080": at(secret),
			"203.0.113.66:80": at(secret), "127.0.0.1:80": at(secret), "169.254.169.254:80": at(secret), "203.0.113.53:53": at(secret),
			fmt.Sprintf("127.0.0.1:%d", serverPort(secret)): at(secret),
		},
	}
	r := newRunner(t)
	e.use(r)
	job := testJob(t, config.DefaultLimits(), fmt.Sprintf(attacks, serverPort(secret), firstFlight(t, "good.test"), firstFlight(t, "evil.test")))
	job.Stage.ID.Phase, job.Stage.Network = config.Pre, config.NetworkAllow
	job.Stage.Allow = []config.Allow{{Host: "good.test", Port: 80}, {Host: "good.test", Port: 443}, {Host: "good.test", Port: 22}, {Host: "inner.test", Port: 80}, {Host: "meta.test", Port: 80}}
	result, rec := runJob(t, r, job)
	log := rec.log()
	if result.Outcome != stages.Succeeded {
		t.Fatalf("%+v\n%s", result, log)
	}
	checkAttacks(t, log, rec.connections())
	if t.Failed() {
		for _, c := range rec.connections() {
			t.Logf("%+v", c)
		}
		t.Log(log)
	}
}

func serverPort(s *httptest.Server) int { return s.Listener.Addr().(*net.TCPAddr).Port }

func checkAttacks(t *testing.T, log string, told []stages.Connection) {
	t.Helper()
	got := map[string]string{}
	for part := range strings.SplitSeq(log, "== ") {
		name, text, _ := strings.Cut(part, "\n")
		got[name] = text
	}
	for _, name := range []string{"allowed", "allowed-ssh", "after"} {
		if !strings.Contains(got[name], "WELCOME") {
			t.Errorf("%s: %q", name, got[name])
		}
	}
	if !strings.Contains(got["sni-good"], "16") || strings.Contains(got["sni-evil"], "16") {
		t.Errorf("TLS: the good one got %q, the other %q", got["sni-good"], got["sni-evil"])
	}
	if strings.Contains(log, "SECRET") || strings.Contains(got["second-request"], "evil.test\n") {
		t.Error("something got through")
	}
	for what, fits := range map[string]func(stages.Connection) bool{
		"a name": func(c stages.Connection) bool {
			return c.Name == "evil.test" && c.Protocol == "dns" && c.Allow == "evil.test:443"
		},
		"an address": func(c stages.Connection) bool {
			return c.Address == "203.0.113.66" && c.Port == 80 && c.Allow == "203.0.113.66:80"
		},
		"the good one's address": func(c stages.Connection) bool { return c.Address == "203.0.113.7" && c.Port == 80 && c.Name == "" },
		"another port": func(c stages.Connection) bool {
			return c.Name == "good.test" && c.Port == 8080 && c.Allow == "good.test:8080"
		},
		"loopback by name":    func(c stages.Connection) bool { return c.Name == "inner.test" && c.Allow == "127.0.0.1:80" },
		"metadata by name":    func(c stages.Connection) bool { return c.Name == "meta.test" && strings.Contains(c.Reason, "metadata") },
		"metadata by number":  func(c stages.Connection) bool { return c.Address == "169.254.169.254" && c.Port == 80 },
		"the host's loopback": func(c stages.Connection) bool { return c.Address == "127.0.0.1" && c.Name == "" && c.Port != 80 },
		"another Host": func(c stages.Connection) bool {
			return c.Port == 80 && strings.Contains(c.Reason, `wants another server, "evil.test"`)
		},
		"CONNECT": func(c stages.Connection) bool { return strings.Contains(c.Reason, "CONNECT") },
		"another server name": func(c stages.Connection) bool {
			return c.Port == 443 && strings.Contains(c.Reason, `TLS wants another server, "evil.test"`)
		},
		"another name server": func(c stages.Connection) bool {
			return c.Address == "203.0.113.53" && c.Port == 53 && c.Protocol == "udp"
		},
		"the same by TCP": func(c stages.Connection) bool {
			return c.Address == "203.0.113.53" && c.Port == 53 && c.Protocol == "tcp"
		},
		"UDP": func(c stages.Connection) bool {
			return c.Address == "203.0.113.66" && c.Port == 9 && c.Protocol == "udp"
		},
		"ping": func(c stages.Connection) bool { return c.Protocol == "icmp" },
		"DHCP": func(c stages.Connection) bool { return c.Protocol == "dhcp" },
		"IPv6": func(c stages.Connection) bool { return c.Protocol == "ipv6" },
		"another sender": func(c stages.Connection) bool {
			return (c.Protocol == "ipv4" || c.Protocol == "arp") && strings.Contains(c.Reason, "another address than the machine's")
		},
		"floods, as counts": func(c stages.Connection) bool { return c.Port == 81 && c.Count > 30 },
	} {
		found := false
		for _, c := range told {
			found = found || !c.Allowed && fits(c)
		}
		if !found {
			t.Errorf("the record does not have: %s", what)
		}
	}
	if len(told) > 400 {
		t.Errorf("the record has %d connections", len(told))
	}
	if !strings.Contains(log, `network: refused evil.test (dns): it is not in the allow-list; this would allow it: network { allow = ["evil.test:443"] }`) {
		t.Error("the log does not say what would allow it")
	}
}

// TestVMNetworkAudit shows that an audit lets through, and says what would allow
// it.
func TestVMNetworkAudit(t *testing.T) {
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "WELCOME\n") }))
	t.Cleanup(good.Close)
	r := newRunner(t)
	elsewhere{
		names:  map[string]string{"good.test": "203.0.113.7"},
		routes: map[string]string{"203.0.113.7:80": good.Listener.Addr().String(), "203.0.113.9:8080": good.Listener.Addr().String()},
	}.use(r)
	job := testJob(t, config.DefaultLimits(), "wget -q -O - http://good.test/\nwget -q -O - http://203.0.113.9:8080/")
	job.Stage.ID.Phase, job.Stage.Network = config.Pre, config.NetworkAudit
	job.Stage.Allow = []config.Allow{{Host: "files.test", Port: 22}}
	result, rec := runJob(t, r, job)
	const block = `network { allow = ["files.test:22", "good.test:80", "203.0.113.9:8080"] }`
	if result.Outcome != stages.Succeeded || strings.Count(rec.log(), "WELCOME") != 2 || len(result.Warnings) != 1 || !strings.HasSuffix(result.Warnings[0], block) {
		t.Errorf("%+v\n%s", result, rec.log())
	}
}

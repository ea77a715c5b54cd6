package egress

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func plainServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s [%s]", r.Method, r.Host, r.URL.Path, body)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// ask sends requests on one connection and returns the bodies of the answers.
func ask(t *testing.T, conn net.Conn, requests ...string) (answers []string, err error) {
	t.Helper()
	in := bufio.NewReader(conn)
	for _, text := range requests {
		if _, err := io.WriteString(conn, text); err != nil {
			return answers, err
		}
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			return answers, err
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return answers, err
		}
		answers = append(answers, string(body))
	}
	return answers, nil
}

func TestHTTPByHost(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test"})})
	server := plainServer(t)
	w.route("files.test", there, 80, server)
	w.route("files.test", there, 8080, server)
	for _, port := range []int{80, 8080} {
		got, err := ask(t, w.open("files.test", port),
			"GET /a HTTP/1.1\r\nHost: files.test\r\n\r\n",
			"POST /b HTTP/1.1\r\nHost: FILES.test\r\nContent-Length: 3\r\n\r\nxyz",
			"POST /c HTTP/1.1\r\nHost: files.test\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n02\r\nde\r\n0\r\nTrailer: x\r\n\r\n",
			fmt.Sprintf("GET http://files.test:%d/d HTTP/1.1\r\nHost: files.test:%d\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", port, port))
		want := fmt.Sprintf("[GET files.test /a [] POST FILES.test /b [xyz] POST files.test /c [abcde] GET files.test:%d /d []]", port)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("port %d: got %q, %v", port, got, err)
		}
	}
	good := "GET / HTTP/1.1\r\nHost: files.test\r\n\r\n"
	for what, requests := range map[string][]string{
		"another host":             {"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n"},
		"another host, second":     {good, good, "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n"},
		"no host":                  {"GET / HTTP/1.1\r\n\r\n"},
		"two hosts":                {"GET / HTTP/1.1\r\nHost: files.test\r\nHost: evil.test\r\n\r\n"},
		"another port":             {"GET / HTTP/1.1\r\nHost: files.test:1\r\n\r\n"},
		"absolute, another host":   {"GET http://evil.test/ HTTP/1.1\r\nHost: files.test\r\n\r\n"},
		"a proxy":                  {"CONNECT evil.test:443 HTTP/1.1\r\nHost: files.test\r\n\r\n"},
		"HTTP/2":                   {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		"an empty line first":      {"\r\nGET / HTTP/1.1\r\nHost: evil.test\r\n\r\n"},
		"two lengths":              {"POST / HTTP/1.1\r\nHost: files.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nxyz"},
		"length and chunks":        {"POST / HTTP/1.1\r\nHost: files.test\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		"another coding":           {"POST / HTTP/1.1\r\nHost: files.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
		"a chunk that lies":        {"POST / HTTP/1.1\r\nHost: files.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n"},
		"a folded line":            {"GET / HTTP/1.1\r\nHost: files.test\r\nX: a\r\n Host: evil.test\r\n\r\n"},
		"a blank before the colon": {"GET / HTTP/1.1\r\nHost: files.test\r\nHost : evil.test\r\n\r\n"},
		"a carriage return alone":  {"GET / HTTP/1.1\r\nHost: files.test\r\nX: a\rHost: evil.test\r\n\r\n"},
		"a head that does not end": {"GET / HTTP/1.1\r\nHost: files.test\r\nX: " + strings.Repeat("x", maxHead) + "\r\n\r\n"},
	} {
		for _, port := range []int{80, 8080} {
			got, err := ask(t, w.open("files.test", port), requests...)
			if err == nil || len(got) != len(requests)-1 {
				t.Errorf("port %d, %s: got %q, %v", port, what, got, err)
			}
		}
	}
	c := w.refusal("files.test", 8080)
	if c.Allowed || c.Rule != nil || c.Reason == "" {
		t.Errorf("told %+v", c)
	}
}

// Other protocols pass on other ports, and are not waited for.
func TestFirstLines(t *testing.T) {
	for text, want := range map[string]likeness{
		"GET / HTTP/1.1\r\n": isHTTP, "GET / http/1.1\n": isHTTP, "\r": isHTTP, "\n": isHTTP, "PRI * HTTP/2.0\r\n": isHTTP,
		"M-SEARCH * HTTP/1.1\r\n": isHTTP, "GET": mayBeHTTP, "GET /pa": mayBeHTTP, "GET / HTTP/1.1": mayBeHTTP,
		"SSH-2.0-OpenSSH_9.2 Debian\r\n": isOther, "SSH-2.": isOther, "hello": isOther, "USER me\r\n": isOther,
		"0032git-upload-pack /x\x00host=y": isOther, "( 2 ( edit-pipeline": isOther, "@RSYNCD: 31.0\n": isOther, "\x00\x00\x00\x08": isOther, "AMQP\x00": isOther, "QUIT\n": isOther,
	} {
		if got := requestLine([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// A guest that says its request a byte at a time is served, and keeps nobody else
// waiting.
func TestSlowRequest(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "files.test"})})
	w.route("files.test", there, 80, plainServer(t))
	slow := w.open("files.test", 80)
	io.WriteString(slow, "GET / HT")
	for range 40 {
		conn := w.open("files.test", 80)
		io.WriteString(conn, "GET /")
	}
	if got, err := ask(t, w.open("files.test", 80), "GET /a HTTP/1.1\r\nHost: files.test\r\n\r\n"); err != nil || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
	for _, c := range "TP/1.1\r\nHost: files.test\r\n\r" {
		time.Sleep(time.Millisecond)
		io.WriteString(slow, string(c))
	}
	if got, err := ask(t, slow, "\n"); err != nil || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
}

// sink takes what an inspector passes on.
type sink struct {
	net.Conn
	bytes.Buffer
}

func (s *sink) Read(p []byte) (int, error)  { return 0, io.EOF }
func (s *sink) Write(p []byte) (int, error) { return s.Buffer.Write(p) }
func (s *sink) Close() error                { return nil }

type noDeadlines struct{ net.Conn }

func (noDeadlines) SetReadDeadline(time.Time) error { return nil }

// Whatever passes is, to another reader, requests to the right host only.
func FuzzHTTP(f *testing.F) {
	for _, seed := range []string{
		"GET /a HTTP/1.1\r\nHost: files.test\r\n\r\nGET / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
		"POST /b HTTP/1.1\r\nHost: files.test\r\nContent-Length: 3\r\n\r\nxyz",
		"POST /c HTTP/1.1\r\nHost: files.test\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: x\r\n\r\nGET http://files.test/ HTTP/1.0\r\nHost: files.test:80\r\n\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var out sink
		var sent atomic.Int64
		i := &inspector{name: "files.test", port: 80, strict: true, in: newGuestReader(strings.NewReader(in)), out: &upstream{Conn: &out}, sent: &sent, conn: noDeadlines{}}
		_ = i.run()
		r := bufio.NewReader(&out.Buffer)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if host := strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(req.Host, ":80"), ".")); host != "files.test" {
				t.Fatalf("host %q passed", req.Host)
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
		}
	})
}

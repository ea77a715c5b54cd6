package egress

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
)

// http passes on requests whose Host is the connection's name. Whatever could be
// read in two ways is refused: the server may read it the other way.
func (i *inspector) http() error {
	for {
		if _, err := i.in.Peek(1); err != nil {
			return notEOF(err)
		}
		done := i.hurry()
		head, err := readHead(i.in)
		if err != nil {
			return err
		}
		done()
		if err := i.request(head); err != nil {
			return err
		}
	}
}

// request passes one request on.
func (i *inspector) request(head []byte) error {
	r, err := parseRequest(head)
	if err != nil {
		return err
	}
	if i.strict {
		if err := r.agrees(i.name, i.port); err != nil {
			return err
		}
	}
	if err := i.write(r.head(i.out.origin, i.out.auth)); err != nil {
		return err
	}
	if r.chunked {
		return i.chunks()
	}
	return i.body(r.length)
}

// readHead reads up to the empty line that ends a head.
func readHead(in *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := in.ReadSlice('\n')
		if len(head)+len(line) > maxHead {
			return nil, disagree("the head of its HTTP request is longer than %d bytes", maxHead)
		}
		head = append(head, line...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil, disagree("its HTTP ends within a request's head")
		}
		if err != nil {
			return nil, err
		}
		if bytes.HasSuffix(head, []byte("\n\r\n")) || bytes.HasSuffix(head, []byte("\n\n")) {
			return head, nil
		}
		if len(head) <= 2 && (head[0] == '\r' || head[0] == '\n') {
			return nil, disagree("its HTTP begins with an empty line")
		}
	}
}

// request is the head of an HTTP/1 request (RFC 9112).
type request struct {
	method, target, version string
	fields                  []field
	host                    []string
	length                  int64 // of the body
	chunked                 bool
}

type field struct{ name, value string }

func parseRequest(head []byte) (*request, error) {
	lines := strings.Split(strings.TrimRight(string(head), "\r\n"), "\n")
	r := &request{}
	for n, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		for _, c := range []byte(line) {
			if c < ' ' && c != '\t' || c == 0x7f {
				return nil, disagree("its HTTP has a control character in a request's head")
			}
		}
		var err error
		if n == 0 {
			err = r.line(line)
		} else {
			err = r.field(line)
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// line reads the first line.
func (r *request) line(line string) error {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !token(parts[0]) || parts[1] == "" {
		return disagree("it is no HTTP/1 request, and this port is for HTTP")
	}
	r.method, r.target, r.version = parts[0], parts[1], parts[2]
	switch {
	case r.version != "HTTP/1.1" && r.version != "HTTP/1.0":
		return disagree("its HTTP has the version %q: only HTTP/1 can be looked at", clip(r.version))
	case r.method == "CONNECT":
		return disagree("it asks the server to be a proxy (CONNECT)")
	}
	return nil
}

// field reads a line of the form name: value.
func (r *request) field(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok || !token(name) {
		return disagree("its HTTP has a line in a request's head that is none")
	}
	value = strings.Trim(value, " \t")
	switch strings.ToLower(name) {
	case "host":
		r.host = append(r.host, value)
	case "upgrade", "http2-settings", "proxy-authorization", "proxy-connection":
		return nil // left out: what follows an upgrade could not be looked at
	case "transfer-encoding":
		if r.chunked || r.has("content-length") || strings.ToLower(value) != "chunked" || r.version == "HTTP/1.0" {
			return disagree("its HTTP has a request whose length can be read in two ways")
		}
		r.chunked = true
	case "content-length":
		n, err := strconv.ParseUint(value, 10, 62)
		if err != nil || r.chunked || r.has("content-length") || strings.HasPrefix(value, "+") {
			return disagree("its HTTP has a request whose length can be read in two ways")
		}
		r.length = int64(n)
	}
	r.fields = append(r.fields, field{name, value})
	return nil
}

func (r *request) has(name string) bool {
	for _, f := range r.fields {
		if strings.EqualFold(f.name, name) {
			return true
		}
	}
	return false
}

// agrees compares the host of a request with the connection's name.
func (r *request) agrees(name string, port uint16) error {
	if len(r.host) != 1 {
		return disagree("its HTTP does not say which server it wants (Host)")
	}
	hosts := []string{r.host[0]}
	if !strings.HasPrefix(r.target, "/") && r.target != "*" {
		scheme, rest, ok := strings.Cut(r.target, "://")
		if !ok || !strings.EqualFold(scheme, "http") {
			return disagree("its HTTP asks for %q, which is no path", clip(r.target))
		}
		host, _, _ := strings.Cut(rest, "/")
		host, _, _ = strings.Cut(host, "?")
		hosts = append(hosts, host)
	}
	for _, h := range hosts {
		if !sameHost(h, name, port) {
			return disagree("its HTTP wants another server, %q", clip(h))
		}
	}
	return nil
}

func sameHost(host, name string, port uint16) bool {
	if h, p, err := net.SplitHostPort(host); err == nil {
		if p != portText(port) {
			return false
		}
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, ".")) == name
}

// head is the head of the request as it is passed on.
func (r *request) head(origin, auth string) []byte {
	target := r.target
	if origin != "" && strings.HasPrefix(target, "/") {
		target = origin + target
	}
	var b bytes.Buffer
	b.WriteString(r.method + " " + target + " " + r.version + "\r\n")
	for _, f := range r.fields {
		b.WriteString(f.name + ": " + f.value + "\r\n")
	}
	if origin != "" && auth != "" {
		b.WriteString("Proxy-Authorization: " + auth + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// body passes n bytes on.
func (i *inspector) body(n int64) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for n > 0 {
		m, err := i.in.Read((*buf)[:min(n, int64(len(*buf)))])
		if werr := i.write((*buf)[:m]); werr != nil {
			return werr
		}
		if n -= int64(m); err != nil && n > 0 {
			return notEOF(err)
		}
	}
	return nil
}

// chunks passes a chunked body on (RFC 9112, 7.1), without extensions and
// trailers.
func (i *inspector) chunks() error {
	for {
		line, err := i.chunkLine()
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimRight(size, " \t"), 16, 62)
		if err != nil || size == "" || strings.ContainsAny(size, "+_xX") {
			return disagree("its HTTP has a chunk whose length can not be read")
		}
		if n == 0 {
			break
		}
		if err := i.write([]byte(strconv.FormatUint(n, 16) + "\r\n")); err != nil {
			return err
		}
		if err := i.body(int64(n)); err != nil {
			return err
		}
		if line, err := i.chunkLine(); err != nil || line != "" {
			return disagree("its HTTP has a chunk longer than it says")
		}
		if err := i.write([]byte("\r\n")); err != nil {
			return err
		}
	}
	for size := 0; ; {
		line, err := i.chunkLine()
		if err != nil {
			return err
		}
		if size += len(line); size > maxHead {
			return disagree("its HTTP has trailers longer than %d bytes", maxHead)
		}
		if line == "" {
			return i.write([]byte("0\r\n\r\n"))
		}
	}
}

// chunkLine reads a line of the framing, without its end.
func (i *inspector) chunkLine() (string, error) {
	line, err := i.in.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) || errors.Is(err, io.EOF) {
			return "", disagree("its HTTP has a chunked body that is damaged")
		}
		return "", err
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	if !ok {
		return "", disagree("its HTTP has a chunked body that is damaged")
	}
	return text, nil
}

package egress

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// inspector passes on what a guest says on a connection to a name, as long as
// that agrees with the name. It judges by the first bytes, since ports tell
// little: TLS by its ClientHello, HTTP/1 by the Host of each request. Port 443
// must be TLS and port 80 HTTP; on others anything else passes as it is, such as
// SSH. What HTTP on top of TLS says is not seen.
type inspector struct {
	name   string
	port   uint16
	strict bool // else nothing is refused, but HTTP may be rewritten for a proxy
	in     *bufio.Reader
	out    *upstream
	sent   *atomic.Int64
	conn   net.Conn // the guest's, for deadlines
}

func newGuestReader(guest io.Reader) *bufio.Reader { return bufio.NewReaderSize(guest, 32<<10) }

func disagree(format string, args ...any) error {
	return &refusedError{reason: fmt.Sprintf(format, args...)}
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (i *inspector) run() error {
	first, err := i.in.Peek(1)
	if err != nil {
		return notEOF(err)
	}
	switch {
	case first[0] == recordHandshake:
		return i.tls()
	case i.port == 443:
		return disagree("port 443 is for TLS, and this is something else")
	case i.port == 80:
		return i.http()
	}
	like, err := i.likeHTTP()
	if err != nil {
		return err
	}
	if like {
		return i.http()
	}
	return i.rest()
}

// write passes bytes on.
func (i *inspector) write(p []byte) error {
	n, err := i.out.Write(p)
	i.sent.Add(int64(n))
	return err
}

// rest passes everything on.
func (i *inspector) rest() error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := i.in.Read(*buf)
		if n > 0 {
			if werr := i.write((*buf)[:n]); werr != nil {
				return werr
			}
		}
		if err != nil {
			return notEOF(err)
		}
	}
}

// hurry gives the guest headLimit to finish what it has begun to say; the
// function takes that back.
func (i *inspector) hurry() func() {
	i.conn.SetReadDeadline(time.Now().Add(headLimit))
	return func() { i.conn.SetReadDeadline(time.Time{}) }
}

// likeHTTP looks whether the first line is one of HTTP (RFC 9112, 3). It decides
// as early as it can, since another protocol's client may wait for an answer in
// the middle of a line.
func (i *inspector) likeHTTP() (bool, error) {
	for n := 1; n <= maxLine; n = max(n+1, i.in.Buffered()) {
		line, err := i.in.Peek(n)
		if err != nil && len(line) < n {
			return false, notEOF(err)
		}
		switch requestLine(line) {
		case isHTTP:
			return true, nil
		case isOther:
			return false, nil
		}
	}
	return false, disagree("its first line is longer than %d bytes", maxLine)
}

type likeness int

const (
	mayBeHTTP likeness = iota
	isHTTP
	isOther
)

// requestLine judges the beginning of what may be a request line. A line break
// in front of one is passed over by servers (RFC 9112, 2.2), so it counts as HTTP
// and is refused later.
func requestLine(b []byte) likeness {
	if b[0] == '\r' || b[0] == '\n' {
		return isHTTP
	}
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	for n, c := range line {
		if c == '\r' && n == len(line)-1 {
			break
		}
		if c != '\t' && (c < ' ' || c >= 0x7f) {
			return isOther
		}
	}
	method, _, spaced := bytes.Cut(line, []byte{' '})
	for _, c := range method { // those that are in use
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return isOther
		}
	}
	if !whole {
		return mayBeHTTP
	}
	if spaced && strings.Contains(strings.ToUpper(string(line)), "HTTP/") {
		return isHTTP
	}
	return isOther
}

// token reports whether s is a token (RFC 9110, 5.6.2).
func token(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

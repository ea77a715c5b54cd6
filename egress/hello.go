package egress

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// Types of TLS records and messages (RFC 8446, B.1 and B.3).
const (
	recordCipher    = 20
	recordHandshake = 22
	messageHello    = 1
	recordHeader    = 5
	maxRecord       = 1<<14 + 2048
)

// Types of extensions of a ClientHello.
const (
	extServerName   = 0      // RFC 6066, 3
	extHelloOuter   = 0xfe0d // RFC 9849: encrypted ClientHello
	extEncryptedSNI = 0xffce // its predecessor
)

// mostRecords is how many records a client may send before its first
// application data.
const mostRecords = 64

// tls passes a TLS connection on whose ClientHello names the right server.
func (i *inspector) tls() error {
	done := i.hurry()
	raw, message, err := readHello(i.in)
	if err != nil {
		return err
	}
	done()
	if err := i.agrees(message); err != nil {
		return err
	}
	if err := i.write(raw); err != nil {
		return err
	}
	return i.handshake()
}

// agrees compares the server name of a ClientHello with the connection's.
func (i *inspector) agrees(message []byte) error {
	if !i.strict {
		return nil
	}
	name, err := helloName(message)
	switch {
	case err != nil:
		return disagree("its TLS begins wrong: %v", err)
	case name == "":
		return disagree("its TLS does not say which server it wants (no SNI)")
	case strings.ToLower(strings.TrimSuffix(name, ".")) != i.name:
		return disagree("its TLS wants another server, %q", clip(name))
	}
	return nil
}

func clip(s string) string { return s[:min(len(s), 253)] }

// handshake passes on what follows a ClientHello until the records are
// encrypted. A server may ask for a second one (RFC 8446, 4.1.4), which must name
// the same server.
func (i *inspector) handshake() error {
	for range mostRecords {
		head, err := i.in.Peek(recordHeader)
		if err != nil && len(head) < recordHeader {
			return i.rest()
		}
		kind, size := head[0], int(binary.BigEndian.Uint16(head[3:]))
		if kind != recordHandshake && kind != recordCipher || size > maxRecord {
			return i.rest()
		}
		record := make([]byte, recordHeader+size)
		if _, err := io.ReadFull(i.in, record); err != nil {
			return err
		}
		if kind == recordHandshake && isHello(record[recordHeader:]) {
			if err := i.agrees(record[recordHeader:]); err != nil {
				return err
			}
		}
		if err := i.write(record); err != nil {
			return err
		}
	}
	return disagree("its TLS does not get beyond the handshake")
}

// isHello reports whether a record is one whole ClientHello. An encrypted one
// looks like that once in 4 billion times.
func isHello(m []byte) bool {
	return len(m) >= 4 && m[0] == messageHello && int(m[1])<<16|int(m[2])<<8|int(m[3]) == len(m)-4
}

// readHello reads records until they hold a whole ClientHello: the bytes as they
// came, and the message with its header.
func readHello(in io.Reader) (raw, message []byte, err error) {
	for {
		var head [recordHeader]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, nil, helloEnd(err)
		}
		size := int(binary.BigEndian.Uint16(head[3:]))
		if head[0] != recordHandshake || head[1] != 3 || size == 0 || size > maxRecord {
			return nil, nil, disagree("its TLS begins wrong: a record that is no handshake")
		}
		start := len(raw) + recordHeader
		if start+size > maxHead {
			return nil, nil, disagree("its TLS begins with more than %d bytes", maxHead)
		}
		raw = append(append(raw, head[:]...), make([]byte, size)...)
		if _, err := io.ReadFull(in, raw[start:]); err != nil {
			return nil, nil, helloEnd(err)
		}
		message = append(message, raw[start:]...)
		if message[0] != messageHello {
			return nil, nil, disagree("its TLS begins wrong: a message that is no ClientHello")
		}
		if len(message) < 4 {
			continue
		}
		switch want := 4 + (int(message[1])<<16 | int(message[2])<<8 | int(message[3])); {
		case want == len(message):
			return raw, message, nil
		case want < len(message):
			return nil, nil, disagree("its TLS begins wrong: something follows the ClientHello")
		}
	}
}

func helloEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return disagree("its TLS ends within the ClientHello")
	}
	return err
}

var errHello = errors.New("a ClientHello that is damaged")

// reader reads fields with a length in front; bad stays true once one is short.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return make([]byte, min(n, 4))
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) number(bytes int) (n int) {
	for _, b := range r.take(bytes) {
		n = n<<8 | int(b)
	}
	return n
}

func (r *reader) vector(bytes int) []byte {
	n := r.number(bytes)
	if r.bad || n > len(r.rest) {
		r.bad = true
		return nil
	}
	return r.take(n)
}

// helloName returns the server name of a ClientHello message (RFC 8446, 4.1.2),
// "" when it has none. One that hides a name is an error.
func helloName(message []byte) (string, error) {
	r := &reader{rest: message}
	r.take(4 + 2 + 32) // header, version, random
	r.vector(1)        // session
	r.vector(2)        // ciphers
	r.vector(1)        // compression
	if r.bad {
		return "", errHello
	}
	if len(r.rest) == 0 {
		return "", nil
	}
	extensions := &reader{rest: r.vector(2)}
	if r.bad || len(r.rest) > 0 {
		return "", errHello
	}
	name := ""
	seen := map[int]bool{}
	for len(extensions.rest) > 0 {
		kind, data := extensions.number(2), extensions.vector(2)
		if extensions.bad || seen[kind] {
			return "", errHello
		}
		seen[kind] = true
		switch kind {
		case extHelloOuter, extEncryptedSNI:
			return "", errors.New("it hides the name of the server it wants (ECH)")
		case extServerName:
			var err error
			if name, err = serverName(data); err != nil {
				return "", err
			}
		}
	}
	return name, nil
}

// serverName reads the extension of RFC 6066, 3, with its one host name.
func serverName(data []byte) (string, error) {
	r := &reader{rest: data}
	list := &reader{rest: r.vector(2)}
	kind, name := list.number(1), list.vector(2)
	if r.bad || list.bad || len(r.rest) > 0 || len(list.rest) > 0 || kind != 0 || len(name) == 0 {
		return "", errHello
	}
	return string(name), nil
}

package guest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Largest payloads, in bytes, of the frames on the two ports. A frame is its
// payload's length as a big-endian uint32, then the payload.
const (
	MaxMessage  = 1 << 20  // JSON of a Message
	MaxLogFrame = 64 << 10 // header and data of a LogFrame
)

// maxOutputs bounds the reports in a Done; a plan has at most three outputs.
const maxOutputs = 16

// ProtocolError says that the other side broke the protocol. What counts:
//
//   - a frame of length 0 or above the port's limit, or one cut off by the end
//     of the stream (Err is then io.ErrUnexpectedEOF);
//   - a message that is not one JSON object of the known fields, or has bytes
//     after it;
//   - a message with no field set, or with more than one;
//   - a value out of its range: see Message.Check;
//   - a log frame shorter than its header, with an unknown stream or with an
//     action below -1.
//
// The end of the stream between two frames is io.EOF and no protocol error;
// what the port itself reports (a read error, a deadline) is passed on as it
// is.
type ProtocolError struct {
	Reason string
	Err    error // the cause, or nil
}

// Error describes the fault; it never repeats bytes of the other side unquoted.
func (e *ProtocolError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("guest protocol: %s: %v", e.Reason, e.Err)
	}
	return "guest protocol: " + e.Reason
}

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

func broken(format string, args ...any) error {
	return &ProtocolError{Reason: fmt.Sprintf(format, args...)}
}

// WriteMessage writes m as one frame with a single Write. It refuses a message
// that ReadMessage would refuse.
func WriteMessage(w io.Writer, m Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	payload, err := json.Marshal(m)
	if err != nil {
		return &ProtocolError{Reason: "message can not be encoded", Err: err}
	}
	if len(payload) > MaxMessage {
		return broken("message of %d bytes, more than %d", len(payload), MaxMessage)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...))
	return err
}

// ReadMessage reads one frame and returns its message. It allocates at most
// MaxMessage bytes for the payload, as they arrive. The error is io.EOF when the
// stream ends between two frames, a *ProtocolError when the other side is
// wrong, else the reader's own.
func ReadMessage(r io.Reader) (Message, error) {
	payload, err := readFrame(r, MaxMessage)
	if err != nil {
		return Message{}, err
	}
	return decodeMessage(payload)
}

func decodeMessage(payload []byte) (Message, error) {
	var m Message
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Message{}, &ProtocolError{Reason: "message is not what it should be", Err: err}
	}
	if _, err := d.Token(); err != io.EOF {
		return Message{}, broken("bytes after the message")
	}
	if err := m.Check(); err != nil {
		return Message{}, err
	}
	return m, nil
}

// readFrame returns the payload of the next frame of at most limit bytes.
// Memory grows with what has arrived, not with what the length promises.
func readFrame(r io.Reader, limit uint32) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, cutOff("frame's length", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > limit {
		return nil, broken("frame of %d bytes, want 1 to %d", n, limit)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, cutOff("frame", err)
	}
	return b.Bytes(), nil
}

func cutOff(what string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &ProtocolError{Reason: what + " cut off", Err: err}
	}
	return err
}

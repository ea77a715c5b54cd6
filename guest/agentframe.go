package guest

import (
	"encoding/binary"
	"io"
	"slices"
)

// MaxAgentMessage is the largest message of the SSH agent protocol that is
// passed on, in bytes, without its length.
const MaxAgentMessage = 256 << 10

// MaxAgentConns bounds the connections to the SSH agent that are open at a time.
const MaxAgentConns = 64

// AgentKind says what an AgentFrame is.
type AgentKind uint8

// The kinds of AgentFrame.
const (
	AgentOpen  AgentKind = iota + 1 // guest to host: a connection begins
	AgentData                       // both ways: a whole message, and its answer
	AgentClose                      // both ways: the connection is over
)

// AgentFrame is a frame on the agent port. Connections are numbered by the
// guest; on each, one message is answered before the next is sent.
type AgentFrame struct {
	Conn uint32
	Kind AgentKind
	Data []byte // with AgentData: 1 to MaxAgentMessage bytes
}

// An agent frame's payload: the connection as an unsigned 32-bit number, the
// kind as one byte, then the data. Numbers are big-endian.
const agentHeader = 4 + 1

// WriteAgentFrame writes f as one frame with a single Write. It refuses a frame
// that ReadAgentFrame would refuse.
func WriteAgentFrame(w io.Writer, f AgentFrame) error {
	if err := f.check(); err != nil {
		return err
	}
	b := make([]byte, 0, 4+agentHeader+len(f.Data))
	b = binary.BigEndian.AppendUint32(b, uint32(agentHeader+len(f.Data)))
	b = binary.BigEndian.AppendUint32(b, f.Conn)
	b = append(append(b, byte(f.Kind)), f.Data...)
	_, err := w.Write(b)
	return err
}

// ReadAgentFrame reads one frame of the agent port. Errors are as for
// ReadMessage.
func ReadAgentFrame(r io.Reader) (AgentFrame, error) {
	payload, err := readFrame(r, agentHeader+MaxAgentMessage)
	if err != nil {
		return AgentFrame{}, err
	}
	if len(payload) < agentHeader {
		return AgentFrame{}, broken("agent frame of %d bytes", len(payload))
	}
	f := AgentFrame{Conn: binary.BigEndian.Uint32(payload), Kind: AgentKind(payload[4])}
	if data := payload[agentHeader:]; len(data) > 0 {
		f.Data = slices.Clip(data)
	}
	return f, f.check()
}

func (f AgentFrame) check() error {
	switch {
	case f.Kind == AgentData && len(f.Data) > 0 && len(f.Data) <= MaxAgentMessage:
		return nil
	case (f.Kind == AgentOpen || f.Kind == AgentClose) && len(f.Data) == 0:
		return nil
	}
	return broken("agent frame of kind %d with %d bytes", f.Kind, len(f.Data))
}

package guest

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestAgentFrameRoundTrip(t *testing.T) {
	var b bytes.Buffer
	frames := []AgentFrame{{Conn: 1, Kind: AgentOpen}, {Conn: 1<<32 - 1, Kind: AgentData, Data: make([]byte, MaxAgentMessage)}, {Kind: AgentClose}}
	for _, f := range frames {
		if err := WriteAgentFrame(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range frames {
		if got, err := ReadAgentFrame(&b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v %d, want %v: %v", got.Kind, len(got.Data), want.Kind, err)
		}
	}
	if _, err := ReadAgentFrame(&b); err != io.EOF {
		t.Error(err)
	}
}

func TestAgentFrameRefuses(t *testing.T) {
	for name, data := range map[string][]byte{
		"short": frame("1234"), "long": frame(strings.Repeat("x", agentHeader+MaxAgentMessage+1)),
		"kind 0": frame("\x00\x00\x00\x00\x00"), "kind 4": frame("\x00\x00\x00\x00\x04"),
		"open with data": frame("\x00\x00\x00\x00\x01x"), "no data": frame("\x00\x00\x00\x00\x02"), "cut": frame("\x00\x00\x00\x00\x02abc")[:10],
	} {
		var broken *ProtocolError
		if f, err := ReadAgentFrame(bytes.NewReader(data)); !errors.As(err, &broken) {
			t.Errorf("%s: %+v %v", name, f, err)
		}
	}
	for _, f := range []AgentFrame{{}, {Kind: AgentData}, {Kind: AgentOpen, Data: []byte("x")}, {Kind: AgentData, Data: make([]byte, MaxAgentMessage+1)}} {
		var b bytes.Buffer
		if err := WriteAgentFrame(&b, f); err == nil || b.Len() > 0 {
			t.Errorf("%v with %d bytes was written", f.Kind, len(f.Data))
		}
	}
}

// Whatever arrives, reading neither fails nor gives what could not be written.
func FuzzReadAgentFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x05\x00\x00\x00\x01\x01"))
	f.Add([]byte("\x00\x00\x00\x06\x00\x00\x00\x01\x02x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := ReadAgentFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := WriteAgentFrame(&b, frame); err != nil || !bytes.HasPrefix(data, b.Bytes()) {
			t.Errorf("%q was read as %+v: %v", data, frame, err)
		}
	})
}

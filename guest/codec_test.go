package guest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// messages has one of every kind.
var messages = []Message{
	{Ready: &Ready{Protocol: 1, Program: "sha256:00", Kernel: "6.1.0"}},
	{Started: &Started{Action: 3}},
	{Finished: &Finished{Action: 3, Exit: 7, Duration: time.Second}},
	{Finished: &Finished{Signal: "SIGKILL", Limit: LimitMemory}},
	{Warning: &Warning{Text: "a \x1b[31m line\nand more"}},
	{Done: &Done{Outputs: []Packed{{Name: "artifacts", Bytes: 1024}, {Name: "cache", Limit: LimitCache, Error: "large"}}}},
	{Start: &Start{Time: time.Unix(1, 2).UTC(), Entropy: []byte{0, 1}, Hostname: "h", MachineID: "0a"}},
	{Stop: &Stop{Reason: "cancelled"}},
}

func frame(payload string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

func TestMessageRoundTrip(t *testing.T) {
	var b bytes.Buffer
	for _, m := range messages {
		if err := WriteMessage(&b, m); err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
	}
	r := iotest.OneByteReader(&b)
	for _, want := range messages {
		if got, err := ReadMessage(r); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v: %v", got, want, err)
		}
	}
	if _, err := ReadMessage(r); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// An io.Writer that counts: a frame must not be torn by other writers.
type counter struct{ writes int }

func (c *counter) Write(b []byte) (int, error) { c.writes++; return len(b), nil }

func TestOneWriteAFrame(t *testing.T) {
	var c counter
	if err := WriteMessage(&c, messages[0]); err != nil || c.writes != 1 {
		t.Errorf("%d writes: %v", c.writes, err)
	}
	if err := WriteLogFrame(&c, LogFrame{Data: []byte("x")}); err != nil || c.writes != 2 {
		t.Errorf("%d writes: %v", c.writes, err)
	}
}

func TestReadMessageRefuses(t *testing.T) {
	tests := map[string][]byte{
		"empty frame":       frame(""),
		"too long":          {0, 16, 0, 1},
		"longest length":    {255, 255, 255, 255, '{'},
		"cut length":        {0, 0},
		"cut payload":       frame(`{"stop":{"reason":"x"}}`)[:9],
		"no JSON":           frame("hello"),
		"no kind":           frame("{}"),
		"null":              frame("null"),
		"two kinds":         frame(`{"stop":{},"start":{}}`),
		"unknown kind":      frame(`{"stop":{},"extra":1}`),
		"unknown field":     frame(`{"stop":{"reason":"x","more":1}}`),
		"two messages":      frame(`{"stop":{}}{"stop":{}}`),
		"wrong type":        frame(`{"started":{"action":"x"}}`),
		"huge number":       frame(`{"started":{"action":1e99}}`),
		"negative action":   frame(`{"started":{"action":-1}}`),
		"finished -1":       frame(`{"finished":{"action":-1}}`),
		"negative time":     frame(`{"finished":{"duration":-1}}`),
		"limit and error":   frame(`{"finished":{"limit":"disk","error":"x"}}`),
		"unknown limit":     frame(`{"finished":{"limit":"patience"}}`),
		"negative size":     frame(`{"done":{"outputs":[{"bytes":-512}]}}`),
		"odd size":          frame(`{"done":{"outputs":[{"bytes":7}]}}`),
		"unknown limit out": frame(`{"done":{"outputs":[{"limit":"x"}]}}`),
		"many outputs":      frame(`{"done":{"outputs":[` + strings.Repeat("{},", 16) + `{}]}}`),
		"entropy":           frame(`{"start":{"entropy":"` + strings.Repeat("AAAA", 1400) + `"}}`),
		"deep":              frame(strings.Repeat("[", 20000)),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ReadMessage(bytes.NewReader(data))
			var broken *ProtocolError
			if !errors.As(err, &broken) {
				t.Errorf("%T %v", err, err)
			}
			if strings.HasPrefix(name, "cut") && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v does not say that the stream ended", err)
			}
		})
	}
}

func TestReaderErrorsPass(t *testing.T) {
	mine := errors.New("mine")
	var broken *ProtocolError
	if _, err := ReadMessage(iotest.ErrReader(mine)); err != mine || errors.As(err, &broken) {
		t.Error(err)
	}
	cut := io.MultiReader(bytes.NewReader(frame("abc")[:5]), iotest.ErrReader(mine))
	if _, err := ReadLogFrame(cut); err != mine {
		t.Error(err)
	}
}

func TestWriteMessageRefuses(t *testing.T) {
	for _, m := range []Message{{}, {Stop: &Stop{}, Start: &Start{}}, {Started: &Started{Action: -1}},
		{Warning: &Warning{Text: strings.Repeat("x", MaxMessage)}}} {
		var c counter
		var broken *ProtocolError
		if err := WriteMessage(&c, m); !errors.As(err, &broken) || c.writes > 0 {
			t.Errorf("%v, %d writes", err, c.writes)
		}
	}
}

// A length alone must not cost memory.
func TestLengthDoesNotAllocate(t *testing.T) {
	head := binary.BigEndian.AppendUint32(nil, MaxMessage)
	result := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			if _, err := ReadMessage(bytes.NewReader(head)); err == nil {
				b.Fatal("accepted")
			}
		}
	})
	if n := result.AllocedBytesPerOp(); n > 8<<10 {
		t.Errorf("%d bytes for a length", n)
	}
}

func TestLogFrameRoundTrip(t *testing.T) {
	var b bytes.Buffer
	frames := []LogFrame{
		{Time: time.Unix(0, 1), Action: -1, Stream: StreamSystem, Data: []byte("boot\n")},
		{Time: time.Unix(1<<33, 5), Action: 7, Stream: StreamStderr, Data: bytes.Repeat([]byte{0}, MaxLogData)},
		{Time: time.Unix(-5, 0), Stream: StreamStdout, Data: []byte{}},
	}
	for _, f := range frames {
		if err := WriteLogFrame(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range frames {
		got, err := ReadLogFrame(&b)
		if err != nil || !got.Time.Equal(want.Time) || got.Action != want.Action || got.Stream != want.Stream || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%+v: %v", got, err)
		}
	}
	if _, err := ReadLogFrame(&b); err != io.EOF {
		t.Error(err)
	}
}

func TestLogFrameRefuses(t *testing.T) {
	head := strings.Repeat("\x00", 8)
	tests := map[string][]byte{
		"short":  frame("123456789012"),
		"long":   frame(strings.Repeat("x", MaxLogFrame+1)),
		"stream": frame(head + "\x00\x00\x00\x00\x03"),
		"action": frame(head + "\xff\xff\xff\xfe\x00"),
		"cut":    frame(head + "\x00\x00\x00\x00\x00")[:10],
	}
	for name, data := range tests {
		var broken *ProtocolError
		if f, err := ReadLogFrame(bytes.NewReader(data)); !errors.As(err, &broken) {
			t.Errorf("%s: %+v %v", name, f, err)
		}
	}
	for _, f := range []LogFrame{{Action: -2}, {Stream: 3}, {Data: make([]byte, MaxLogData+1)}} {
		if b, err := AppendLogFrame([]byte("kept"), f); err == nil || string(b) != "kept" {
			t.Errorf("%q %v", b, err)
		}
	}
}

func FuzzReadMessage(f *testing.F) {
	for _, m := range messages {
		var b bytes.Buffer
		WriteMessage(&b, m)
		f.Add(b.Bytes())
	}
	f.Add(frame(`{"stop":{},"STOP":{}}`))
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadMessage(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := WriteMessage(&b, m); err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		if again, err := ReadMessage(&b); err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v came back as %+v: %v", m, again, err)
		}
	})
}

func FuzzReadLogFrame(f *testing.F) {
	for _, l := range []LogFrame{{Action: -1}, {Stream: StreamStderr, Data: []byte("x\n")}} {
		b, _ := AppendLogFrame(nil, l)
		f.Add(b)
	}
	f.Add(frame("0123456789ab\x02data"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ReadLogFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		b, err := AppendLogFrame(nil, l)
		if err != nil || !bytes.Equal(b, data[:len(b)]) {
			t.Fatalf("%x came back as %x: %v", data, b, err)
		}
	})
}

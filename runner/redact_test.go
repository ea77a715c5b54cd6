package runner

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/secrets"
	"github.com/ambient-ci/ambient/stages"
)

// A value is taken out of a log wherever it is cut: between frames, between
// lines, and between the outputs of two streams that come in turns.
func TestLogIsClean(t *testing.T) {
	var got []string
	seen := make(chan struct{}, 100)
	lines := stages.NewLineWriter(stages.ObserverFunc(func(e stages.Event) {
		got = append(got, e.Stream+" "+e.Text)
		seen <- struct{}{}
	}), config.StageID{Name: "x"}, 1)
	r := secrets.NewRedactor([]string{"hunter2hunter2"})
	c := newCleanLines(r, lines)
	encoded := base64.StdEncoding.EncodeToString([]byte("my hunter2hunter2"))
	for _, f := range []struct {
		stream guest.Stream
		data   string
	}{
		{guest.StreamStdout, "a hunter2h"}, {guest.StreamStderr, "b hunter2"},
		{guest.StreamStdout, "unter2 A\n"}, {guest.StreamStderr, "\nhunter2 B\n"},
		{guest.StreamStdout, encoded[:10] + "\n" + encoded[10:] + "\n"},
		{guest.StreamStdout, "this is how\n"},
	} {
		c.write(guest.LogFrame{Time: time.Now(), Stream: f.stream, Data: []byte(f.data)})
	}
	for range 4 {
		select {
		case <-seen: // also the last line, whose h could be the beginning of a value
		case <-time.After(10 * time.Second):
			t.Fatal("a line is held back although nothing follows")
		}
	}
	c.flush()
	text := strings.Join(got, "\n")
	for _, want := range []string{"stdout a (sensitive) A", "stderr b (sensitive) B", "stdout this is how"} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "unter2") || strings.Contains(text, encoded[6:10]) || strings.Contains(text, encoded[10:16]) {
		t.Errorf("the value is left in\n%s", text)
	}
}

func TestMessageIsClean(t *testing.T) {
	r := secrets.NewRedactor([]string{"hunter2"})
	long := strings.Repeat("x", 1996) + "hunter2" // clip cuts after 2000 bytes
	m := guest.Message{Done: &guest.Done{Error: long, Outputs: []guest.Packed{{Error: long}}}}
	cleanMessage(r, &m)
	for _, m := range []guest.Message{{Finished: &guest.Finished{Error: long, Signal: long}}, {Warning: &guest.Warning{Text: long}}, m} {
		cleanMessage(r, &m)
		data, err := json.Marshal(m)
		if err != nil || bytes.Contains(data, []byte("hunt")) {
			t.Errorf("%.2100s %v", data, err)
		}
	}
}

func TestEventIsClean(t *testing.T) {
	r := secrets.NewRedactor([]string{"hunter2"})
	e := cleanEvent(r, stages.Event{Text: "hun\x1b[31mter2", Reason: "no hunter2", Name: "xhunter2", Signal: "hunter2"})
	if e.Text != secrets.Mark || e.Reason != "no "+secrets.Mark || e.Name != "x"+secrets.Mark || e.Signal != secrets.Mark {
		t.Errorf("got %+v", e)
	}
}

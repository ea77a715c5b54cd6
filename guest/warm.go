package guest

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
)

// Warm reads and writes messages of all kinds that a short stage has. What
// encoding/json finds out about their types, once for each, is a twentieth of what
// an emulated machine does from Start to its first action; so a guest finds it out
// before Ready.
func Warm() {
	plan := Plan{
		Env:    map[string]string{"A": "a"},
		Inputs: []Input{{Dir: "/"}}, Outputs: []Output{{Dir: "/"}},
		Actions: []Action{{Steps: []Step{{Exec: &Exec{Script: ":", Env: map[string]string{"A": "a"}}}}}},
	}
	text, _ := json.Marshal(plan)
	start := Message{Start: &Start{Time: time.Now(), Entropy: make([]byte, 1), Plan: text}}
	var b bytes.Buffer
	for _, m := range []Message{{Wake: &Wake{}}, start} {
		_ = WriteMessage(&b, m)
		_, _ = ReadMessage(&b)
	}
	_ = json.Unmarshal(text, new(Plan))
	for _, m := range []Message{{Started: &Started{}}, {Finished: &Finished{}}, {Done: &Done{Outputs: []Packed{{}}}}} {
		_ = WriteMessage(io.Discard, m)
	}
}

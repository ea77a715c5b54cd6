package egress

import "testing"

// Every question comes from a port of its own, and there may be many of them.
func TestManyQuestions(t *testing.T) {
	w := newWorld(t, Options{Policy: allow(Rule{Host: "good.test", Port: 80})})
	w.route("good.test", "203.0.113.7", 80, serve(t, echo))
	for i := range 2 * maxSessions {
		if _, err := w.resolve("good.test"); err != nil {
			t.Fatalf("question %d: %v", i+1, err)
		}
	}
}

package main

import "testing"

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{"plam": "plan", "aply": "apply"} {
		if got := nearest(word); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

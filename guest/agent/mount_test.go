package agent

import (
	"errors"
	"maps"
	"testing"
)

// The host hears of each disk that could not be mounted, and of no other.
func TestUnmounted(t *testing.T) {
	if got := (layersDir{failed: map[string]error{"src": nil}}).unmounted(); got != nil {
		t.Errorf("got %v", got)
	}
	l := layersDir{failed: map[string]error{"src": nil, "deps": errors.New("no memory")}}
	if got, want := l.unmounted(), map[string]string{"deps": "no memory"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

package apt

import (
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A user who interrupts does not wait for an index to be unpacked, and is not
// told that it is damaged.
func TestScanIndexIsInterruptible(t *testing.T) {
	path := filepath.Join(t.TempDir(), "Packages.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	for range 20_000 {
		if _, err := z.Write([]byte("Package: p\nDescription: " + strings.Repeat("x", 200) + "\n\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	err = scanIndex(ctx, path, ".gz", "u", func(Stanza, string) error {
		if seen++; seen == 10 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || seen > 10_000 {
		t.Errorf("%v after %d packages", err, seen)
	}
}

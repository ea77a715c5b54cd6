package runner

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testCA is a certificate in PEM.
func testCA(t *testing.T) []byte {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func TestAuthorities(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, parts ...string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(parts, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := string(testCA(t))
	key := "-----BEGIN PRIVATE KEY-----\nSFVOVEVSMg==\n-----END PRIVATE KEY-----\n"
	mixed := write("mixed", "a comment", key, ca, "more", ca)

	got, err := authorities([]byte("host"), []string{mixed})
	if err != nil || !bytes.HasPrefix(got, []byte("host\n-----BEGIN CERTIFICATE")) {
		t.Fatalf("%q, %v", got, err)
	}
	if strings.Contains(string(got), "SFVOVEVSMg") || strings.Contains(string(got), "comment") {
		t.Errorf("more than certificates: %s", got)
	}
	if n := strings.Count(string(got), "BEGIN CERTIFICATE"); n != 2 || !x509.NewCertPool().AppendCertsFromPEM(got) {
		t.Errorf("%d certificates", n)
	}
	if got, err := authorities(nil, nil); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %q, %v", got, err)
	}
	for _, name := range []string{
		write("empty"), write("text", "hello"), write("key", key), write("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), filepath.Join(dir, "none"), dir,
	} {
		if got, err := authorities([]byte("host"), []string{mixed, name}); err == nil || got != nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

package runner

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
)

// TestIdentityOfNetworks makes one change at a time to a stage with a network.
func TestIdentityOfNetworks(t *testing.T) {
	token := func() *config.Secret {
		return &config.Secret{Name: "api", Token: &config.TokenSecret{File: "/a", Use: config.UseInject, Inject: []config.Inject{{Host: "a.example.org", Header: "A", Format: "%s"}}}}
	}
	key := func() *config.Secret {
		return &config.Secret{Name: "key", SSH: &config.SSHSecret{PrivateKey: "/k", Use: config.UseAgent, Hosts: []string{"a.example.org"}}}
	}
	tests := []struct {
		name   string
		change func(s *config.Stage, dir string)
		want   string
	}{
		{"nothing", func(*config.Stage, string) {}, ""},
		{"the mode", func(s *config.Stage, _ string) { s.Network = config.NetworkAudit }, "network"},
		{"a port", func(s *config.Stage, _ string) { s.Allow[0].Port = 2 }, "allowed hosts"},
		{"UDP", func(s *config.Stage, _ string) { s.Allow[0].UDP = true }, "allowed hosts"},
		{"the order of hosts", func(s *config.Stage, _ string) { s.Allow[0], s.Allow[1] = s.Allow[1], s.Allow[0] }, ""},
		{"who brought a host", func(s *config.Stage, _ string) { s.Allow[0].By = "x"; s.Allow[0].Range.Filename = "y" }, ""},
		{"no secret", func(s *config.Stage, _ string) { s.Secrets = s.Secrets[:1] }, "secrets"},
		{"where a secret lies", func(s *config.Stage, _ string) { s.Secrets[0].Token.File = "/b"; s.Secrets[1].SSH.PrivateKey = "/l" }, ""},
		{"the header of a secret", func(s *config.Stage, _ string) { s.Secrets[0].Token.Inject[0].Header = "B" }, "secrets"},
		{"the use of a key", func(s *config.Stage, _ string) { s.Secrets[1].SSH.Use = config.UseFile }, "secrets"},
		{"the hosts of a key", func(s *config.Stage, _ string) { s.Secrets[1].SSH.Hosts = []string{"b.example.org"} }, "secrets"},
		{"an authority", func(_ *config.Stage, dir string) { os.WriteFile(filepath.Join(dir, "ca"), []byte("B"), 0o644) }, "trust"},
		{"the time of an authority", func(_ *config.Stage, dir string) {
			os.Chtimes(filepath.Join(dir, "ca"), time.Unix(1, 0), time.Unix(1, 0))
		}, ""},
		{"where an authority lies", func(s *config.Stage, dir string) {
			os.Rename(filepath.Join(dir, "ca"), filepath.Join(dir, "cb"))
			s.Trust = []string{filepath.Join(dir, "cb")}
		}, ""},
		{"no authority", func(s *config.Stage, _ string) { s.Trust = nil }, "trust"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "ca"), []byte("A"), 0o644); err != nil {
				t.Fatal(err)
			}
			stage := s.job.Stage
			stage.ID.Phase, stage.Network = config.Pre, config.NetworkAllow
			stage.Allow = []config.Allow{{Host: "a.example.org", Port: 1}, {Host: "b.example.org"}}
			stage.Trust, stage.Secrets = []string{filepath.Join(dir, "ca")}, []*config.Secret{token(), key()}
			before := s.identity()
			tt.change(stage, dir)
			if got := differing(before, s.identity()); got != tt.want {
				t.Errorf("differing: %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTrustThatCanNotBeRead(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, maxTrust+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(dir, "none"), dir, pipe, large} {
		if digest, err := trustDigest([]string{name}); err == nil || digest != "" {
			t.Errorf("%s: %q, %v", name, digest, err)
		}
	}
}

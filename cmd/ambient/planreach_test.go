package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
)

func TestOfflineReach(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "lock"), []byte("b.example.org"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		reach func(config.Args, actions.Host, actions.Tree) ([]config.Allow, error)
		known bool
		want  string
	}{
		{"arguments", func(a config.Args, _ actions.Host, _ actions.Tree) ([]config.Allow, error) {
			return []config.Allow{{Host: a.String("host"), Port: 443}}, nil
		}, true, "a.example.org:443"},
		{"the tree", func(_ config.Args, _ actions.Host, tree actions.Tree) ([]config.Allow, error) {
			text, err := tree.Read("lock", 100)
			return []config.Allow{{Host: string(text)}}, err
		}, true, "b.example.org:*"},
		{"the machine", func(_ config.Args, h actions.Host, _ actions.Tree) ([]config.Allow, error) {
			return []config.Allow{{Host: h.Go().Proxy}}, nil
		}, false, ""},
		{"a missing file", func(_ config.Args, _ actions.Host, tree actions.Tree) ([]config.Allow, error) {
			_, err := tree.Read("none", 100)
			return nil, err
		}, false, ""},
	} {
		args := config.Args{Values: map[string]any{"host": "a.example.org"}}
		tree := planTree{config.Source{Address: dir, Local: true}}
		list, known := offlineReach(&actions.Definition{Reach: c.reach}, &config.Action{Args: args}, tree)
		var got []string
		for _, a := range list {
			got = append(got, a.String())
		}
		if known != c.known || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, %t", c.name, got, known)
		}
	}
}

// TestPlanTreeIsHostile reads what a stranger's tree can hold.
func TestPlanTreeIsHostile(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 101), 0o600); err != nil {
		t.Fatal(err)
	}
	tree := planTree{config.Source{Address: dir, Local: true}}
	for _, name := range []string{"link", "pipe", "large", ".", "../" + filepath.Base(outside) + "/secret", filepath.Join(outside, "secret"), "none"} {
		if data, err := tree.Read(name, 100); err == nil {
			t.Errorf("%s: %d bytes", name, len(data))
		}
	}
	if data, err := tree.Read("large", 101); err != nil || len(data) != 101 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := (planTree{config.Source{Address: dir}}).Read("large", 1000); err == nil {
		t.Error("a source that is elsewhere was read")
	}
}

// TestPortable shows that a saved plan does not depend on where the checkout is.
func TestPortable(t *testing.T) {
	t.Setenv("HOME", "/home/user")
	dir := "/home/user/greet"
	s := &config.Stage{
		Trust: []string{dir + "/ci/ca.pem", "/etc/ca.pem"},
		Secrets: []*config.Secret{
			{Name: "a", SSH: &config.SSHSecret{PrivateKey: "/home/user/.ssh/id", KnownHostsFile: dir + "/known", Certificate: dir + "/cert", Sign: &config.SSHSign{CA: dir + "/ca"}}},
			{Name: "b", Token: &config.TokenSecret{File: dir + "/b", Age: "/b.age", Identity: "/home/user/age"}},
		},
	}
	p := portable(s, dir)
	ssh, token := p.Secrets[0].SSH, p.Secrets[1].Token
	got := append(p.Trust, ssh.PrivateKey, ssh.KnownHostsFile, ssh.Certificate, ssh.Sign.CA, token.File, token.Age, token.Identity)
	want := "ci/ca.pem /etc/ca.pem ~/.ssh/id known cert ca b /b.age ~/age"
	if strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
	if s.Trust[0] != dir+"/ci/ca.pem" || s.Secrets[0].SSH.Sign.CA != dir+"/ca" || s.Secrets[1].Token.File != dir+"/b" {
		t.Error("the stage itself was changed")
	}
}

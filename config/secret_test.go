package config

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

const publish = `
project "p" {
  post "publish" {
    secrets = [secret.token.used]
    action "shell" { script = "true" }
  }
}
secret "token" "used" { env = "USED" }
`

func TestUnusedSecret(t *testing.T) {
	c, diags := loadText(t, publish+"secret \"token\" \"idle\" { env = \"IDLE\" }\n", Options{})
	if len(diags) != 1 || diags[0].Severity != hcl.DiagWarning || diags[0].Summary != "Secret that no stage names" || len(c.Projects) != 1 {
		t.Fatalf("%v", diags)
	}
	if d := diags[0]; d.Subject.Start.Line != 9 || d.Subject.Start.Column != 16 {
		t.Errorf("it points at %v", d.Subject)
	}
	if _, diags := loadText(t, publish, Options{}); len(diags) != 0 {
		t.Errorf("%v", diags)
	}
}

// TestPastedKeyIsNotShown pastes keys where paths belong: the lines that a
// diagnostic shows hide them.
func TestPastedKeyIsNotShown(t *testing.T) {
	for _, src := range []string{
		`secret "ssh" "x" { private_key = "-----BEGIN OPENSSH PRIVATE KEY-----\nHUNTER2\n-----END OPENSSH PRIVATE KEY-----\n" }`,
		"secret \"ssh\" \"x\" {\n  private_key = <<-EOT\n    -----BEGIN OPENSSH PRIVATE KEY-----\n    HUNTER2\n  EOT\n}",
		`secret "token" "x" { age = "AGE-SECRET-KEY-1HUNTER2" }`,
		`trust { ca_file = "-----BEGIN CERTIFICATE-----\nHUNTER2" }`,
	} {
		c, diags := loadText(t, src+publish, Options{})
		var b bytes.Buffer
		if err := WriteDiagnostics(&b, c, diags, 80, false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "Key instead of a path") || strings.Contains(b.String(), "HUNTER2") {
			t.Errorf("%s", b.String())
		}
	}
}

func TestHomeIsUnknown(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, FileName, publish+"trust { ca_file = \"~/ca.pem\" }\n")
	_, diags := Load(dir, Options{Actions: testActions()})
	if len(diags) != 1 || diags[0].Summary != "Unknown home directory" {
		t.Errorf("%v", diags)
	}
}

// TestSecretFilesAreNotRead shows that Load does not care whether the files of
// secrets and authorities are there.
func TestSecretFilesAreNotRead(t *testing.T) {
	c, diags := loadText(t, `
trust { ca_file = "/nowhere/ca.pem" }
secret "ssh" "a" {
  private_key      = "/nowhere/key"
  use              = "file"
  known_hosts_file = "nowhere"
  certificate      = "nowhere"
}
secret "token" "b" { command = ["false"] }
project "p" {
  post "publish" {
    secrets = [secret.ssh.a, secret.token.b]
    action "shell" { script = "cat ${secret.ssh.a.path} ${secret.token.b.path}" }
  }
}`, Options{})
	if len(diags) != 0 {
		t.Fatal(diags)
	}
	s := c.Projects[0].Stages[0]
	if got := s.Actions[0].Args.String("script"); got != "cat /ci/secrets/a /ci/secrets/b" {
		t.Errorf("script %q", got)
	}
	if got := strings.Join(s.SecretAddresses(), " "); got != "secret.ssh.a secret.token.b" {
		t.Errorf("secrets %q", got)
	}
}

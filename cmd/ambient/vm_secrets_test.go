//go:build vm

package main

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/internal/vmtest"
)

const publisher = `
variable "word" {
  type      = string
  sensitive = true
  default   = "sens1tive-w0rd"
}
secret "token" "printed" {
  command  = ["cat", "value"]
  variable = "TOKEN"
}
secret "token" "filed" { file = "value" }
secret "token" "idle" { file = "nowhere" }
project "p" {
  plan "build" {
    action "shell" { script = "env; ls -lA /ci/secrets; [ -z \"$(ls -A /ci/secrets)\" ] && echo no secrets here" }
  }
  post "publish" {
    network { mode = "none" }
    secrets = [secret.token.printed, secret.token.filed]
    env     = { WORD = var.word }
    action "shell" { script = "echo it is $TOKEN and $WORD; base64 ${secret.token.filed.path}; set -x; : $TOKEN; cat /ci/secrets/filed >/ci/receipts/copy; exit 3" }
  }
}
`

// A value is in nothing that a run prints or keeps, but for artifacts, and only
// the stage that names it is given it; a secret that no stage names is not read.
func TestVMSecretsOfARun(t *testing.T) {
	const value = "t0ken/of+many=words"
	env, dir := vmtest.Env(t), project(t, publisher)
	if err := os.WriteFile(filepath.Join(dir, "value"), []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, args := range [][]string{{"plan", "-detail"}, {"plan", "-json"}, {"apply"}, {"logs"}, {"show"}, {"show", "-json"}} {
		if args[0] == "logs" || args[0] == "show" {
			args = append(args, vmtest.Runs(t, env)[0].ID)
		}
		status, out := vmtest.Run(t, env, dir, args...)
		if want := map[bool]int{true: 1, false: 0}[args[0] == "apply"]; status != want {
			t.Errorf("%v ended with %d:\n%s", args, status, out)
		}
		if args[0] == "apply" && !strings.Contains(out, "secret.token.printed was in what it printed and was taken out (") {
			t.Errorf("apply does not tell of the leak:\n%s", out)
		}
		said.WriteString(out)
	}
	for _, want := range []string{"no secrets here", "it is (sensitive) and (sensitive)"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, said.String())
		}
	}
	hidden := []string{value, "sens1tive-w0rd", base64.StdEncoding.EncodeToString([]byte(value))[:20]}
	for _, text := range hidden {
		if strings.Contains(said.String(), text) {
			t.Errorf("%q was printed", text)
		}
	}
	searchRecord(t, env, hidden)
	vmtest.NothingLeft(t, env)
}

// searchRecord looks for texts in everything that runs left.
func searchRecord(t *testing.T, env, hidden []string) {
	t.Helper()
	state := ""
	for _, v := range env {
		if s, ok := strings.CutPrefix(v, "XDG_STATE_HOME="); ok {
			state = s
		}
	}
	used := false
	filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".tar") {
			return nil
		}
		data, _ := os.ReadFile(path)
		for _, text := range hidden {
			if bytes.Contains(data, []byte(text)) {
				t.Errorf("%q is in %s", text, path)
			}
		}
		used = used || bytes.Contains(data, []byte(`"type":"secrets_used"`)) && bytes.Contains(data, []byte(`"name":"secret.token.printed","redacted":`))
		return nil
	})
	if !used {
		t.Error("the record does not count")
	}
}

// What is wrong with a secret of the host's is no failure of the project.
func TestVMSecretIsMissing(t *testing.T) {
	env, dir := vmtest.Env(t), project(t, publisher)
	status, out := vmtest.Run(t, env, dir, "apply", "-target=post.publish")
	if status != 3 || !strings.Contains(out, "secret.token.printed (ambient.hcl:7): command cat: exit status 1: cat: value: No such file or directory") {
		t.Errorf("ended with %d:\n%s", status, out)
	}
	vmtest.NothingLeft(t, env)
}

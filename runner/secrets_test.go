package runner

import (
	"archive/tar"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/internal/sshdtest"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/stages"
)

// secretStage is an execution of a post stage with these secrets, without a
// machine.
func secretStage(all ...*config.Secret) *execution {
	stage := &config.Stage{ID: config.StageID{Project: "p", Phase: config.Post, Name: "publish"}, Secrets: all}
	job := &stages.Job{RunID: "r", Project: &config.Project{Name: "p"}, Stage: stage}
	return newExecution(&Runner{}, job, stages.ObserverFunc(func(stages.Event) {}))
}

func named(name string, line int, s config.Secret) *config.Secret {
	s.Name = name
	s.Range.Filename, s.Range.Start.Line = "dir/ambient.hcl", line
	return &s
}

func token(name string, t config.TokenSecret) *config.Secret {
	return named(name, 7, config.Secret{Token: &t})
}

// What is wrong with a secret is said with its name and place, and without any
// value.
func TestSecretsThatCanNotBeRead(t *testing.T) {
	t.Setenv("TEST_TOKEN", "hunter2")
	t.Setenv("TEST_LINES", "hunter2\nhunter2")
	t.Setenv("HOME", t.TempDir())
	key := filepath.Join(t.TempDir(), "id")
	sshdtest.Keygen(t, key)
	for name, c := range map[string]struct {
		secret *config.Secret
		want   string
	}{
		"no file":     {token("a", config.TokenSecret{File: "/nowhere/x"}), "secret.token.a (ambient.hcl:7): file /nowhere/x: no such file"},
		"no variable": {token("a", config.TokenSecret{Env: "TEST_NOT_SET"}), "secret.token.a (ambient.hcl:7): environment variable TEST_NOT_SET is not set"},
		"command":     {token("a", config.TokenSecret{Command: []string{"sh", "-c", "echo hunter2; exit 1"}}), "secret.token.a (ambient.hcl:7): command sh: exit status 1"},
		"header":      {token("a", config.TokenSecret{Env: "TEST_LINES", Use: config.UseInject}), "no header can hold"},
		"unknown":     {named("k", 3, config.Secret{SSH: &config.SSHSecret{PrivateKey: key, Use: config.UseAgent, Hosts: []string{"h:2222"}}}), "secret.ssh.k (ambient.hcl:3): known_hosts has no key of h:2222; add it once you have checked it (ssh-keyscan -p 2222 h)"},
		"no host":     {named("k", 3, config.Secret{SSH: &config.SSHSecret{PrivateKey: key, Use: config.UseAgent}}), "names no hosts"},
		"no key":      {named("k", 3, config.Secret{SSH: &config.SSHSecret{PrivateKey: "/nowhere/k"}}), "secret.ssh.k (ambient.hcl:3): file /nowhere/k: no such file"},
		"nothing":     {named("k", 3, config.Secret{SSH: &config.SSHSecret{}}), "neither a private key nor a certificate"},
		"certificate": {named("k", 3, config.Secret{SSH: &config.SSHSecret{PrivateKey: key, Certificate: key + ".pub"}}), "public key and no certificate"},
	} {
		err := secretStage(c.secret).readSecrets(context.Background())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	both := secretStage(token("same", config.TokenSecret{Env: "TEST_TOKEN"}), named("same", 3, config.Secret{SSH: &config.SSHSecret{PrivateKey: key, Use: config.UseFile}}))
	if err := both.readSecrets(context.Background()); err == nil || !strings.Contains(err.Error(), "two secrets would be the file /ci/secrets/same") {
		t.Errorf("two of a name: %v", err)
	}
}

// A plan stage gets no secret, whatever the configuration says.
func TestPlanStagesHaveNoSecrets(t *testing.T) {
	t.Setenv("TEST_TOKEN", "hunter2hunter2")
	x := secretStage(token("a", config.TokenSecret{Env: "TEST_TOKEN"}))
	x.job.Stage.ID.Phase = config.Plan
	if err := planSecrets(&guest.Plan{}, x.job.Stage); err == nil {
		t.Error("planned")
	}
	if err := x.readSecrets(context.Background()); err == nil || x.secrets != nil {
		t.Error("read")
	}
}

func TestSecretsAreDelivered(t *testing.T) {
	t.Setenv("TEST_TOKEN", "hunter2hunter2")
	key := filepath.Join(t.TempDir(), "id")
	sshdtest.Keygen(t, key)
	x := secretStage(
		token("file", config.TokenSecret{Env: "TEST_TOKEN", Use: config.UseFile}),
		token("variable", config.TokenSecret{Env: "TEST_TOKEN", Use: config.UseVariable, Variable: "API"}),
		token("inject", config.TokenSecret{Env: "TEST_TOKEN", Use: config.UseInject, Inject: []config.Inject{{Host: "api.example.org", Header: "Authorization", Format: "Bearer %s"}}}),
		named("k", 3, config.Secret{SSH: &config.SSHSecret{PrivateKey: key, Use: config.UseFile, Hosts: []string{"h:2222"}, KnownHosts: "h " + sshdtest.PublicKey(t, key) + "\nother " + sshdtest.PublicKey(t, key)}}),
	)
	defer x.release()
	x.plan = &guest.Plan{Inputs: planInputs(config.Post), Actions: []guest.Action{{}}}
	if err := planSecrets(x.plan, x.job.Stage); err != nil {
		t.Fatal(err)
	}
	x.disks = append(x.disks, qemuvm.Disk{Serial: guest.SerialSecrets})
	if err := x.readSecrets(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := readDevice(t, x.disks[0].Path)
	private, _ := os.ReadFile(key)
	for name, want := range map[string]string{
		"file": "hunter2hunter2", ".variables/API": "hunter2hunter2", "k": string(private), "known_hosts": "h " + sshdtest.PublicKey(t, key) + "\n",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if _, there := got["inject"]; there || len(got) != 5 {
		t.Errorf("delivered %d files", len(got))
	}
	if in := x.secrets.injections; len(in) != 1 || in[0] != (injection{"secret.token.inject", "api.example.org", "Authorization", "Bearer hunter2hunter2"}) {
		t.Errorf("injected %+v", in)
	}
	if x.plan.Agent || x.plan.EnvFiles["API"] != "/ci/secrets/.variables/API" {
		t.Errorf("planned %+v", x.plan)
	}
	config := string(x.plan.Actions[0].Steps[0].Write.Content)
	if !strings.Contains(config, "Host h\n  IdentityFile /ci/secrets/k\n") || !strings.Contains(config, "StrictHostKeyChecking yes") {
		t.Errorf("ssh's configuration: %s", config)
	}
	if text := x.redact.Text("a hunter2hunter2 b"); strings.Contains(text, "hunter2") {
		t.Errorf("shown: %s", text)
	}
}

func readDevice(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string]string{}
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(r)
		files[h.Name] = string(data)
		if h.Mode&0o077 != 0 && !strings.HasSuffix(h.Name, ".pub") && h.Name != knownHostsFile {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
	}
}

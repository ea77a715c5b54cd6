//go:build vm

package runner

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/internal/sshdtest"
	"github.com/ambient-ci/ambient/stages"
)

// publishJob is a post stage with a network that runs a script as root in the
// image with tools.
func publishJob(t *testing.T, script string, all ...*config.Secret) *stages.Job {
	t.Helper()
	limits := config.DefaultLimits()
	limits.Disk, limits.Memory = 512<<20, 512<<20
	job := testJob(t, limits, script)
	job.Stage.ID.Phase, job.Stage.Network, job.Stage.Image, job.Stage.Secrets = config.Post, config.NetworkOpen, toolImage, all
	return job
}

// reach lets a stage reach servers on this host's loopback.
func reach(job *stages.Job, servers ...*sshdtest.Server) {
	for _, s := range servers {
		job.Stage.Allow = append(job.Stage.Allow, config.Allow{Host: "127.0.0.1", Port: uint16(s.Port)})
	}
}

// guestHost is how a guest reaches this host's loopback.
const guestHost = "10.0.2.2"

func sshSecret(s *sshdtest.Server, key string, use config.SecretUse) *config.Secret {
	return named("deploy", 3, config.Secret{SSH: &config.SSHSecret{
		PrivateKey: key, Use: use, Hosts: []string{fmt.Sprintf("%s:%d", guestHost, s.Port)}, KnownHosts: s.KnownHost(guestHost),
	}})
}

// ssh, scp, git and rsync log in at the host that the key is for, with nothing
// in the file but the secret. The key is nowhere in the machine: not in its
// memory, which is looked through from outside while the stage runs, nor on its
// devices or in the environment, which the guest looks through. At another host
// it logs in nowhere, and the agent does nothing else.
func TestVMSSHAgent(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "id")
	sshdtest.Keygen(t, key)
	allowed, other := sshdtest.Start(t, sshdtest.PublicKey(t, key)), sshdtest.Start(t, sshdtest.PublicKey(t, key))
	run(t, dir, "git", "init", "-q", "--bare", "-b", "main", "repo.git")
	attack, err := os.ReadFile("testdata/secrets/attack.py")
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("%s@%s", allowed.User, guestHost)
	script := fmt.Sprintf(`
		echo "listing: $(ls -A /ci/secrets)"
		ssh -p %[2]d %[1]s echo in by ssh
		echo content >/tmp/f
		scp -q -P %[2]d /tmp/f %[1]s:%[3]s/by-scp
		rsync -e "ssh -p %[2]d" /tmp/f %[1]s:%[3]s/by-rsync
		git init -q -b main /tmp/r && cd /tmp/r
		git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m 'by git'
		git push -q ssh://%[1]s:%[2]d%[3]s/repo.git main
		if ssh -p %[4]d -o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no %[1]s true; then echo OTHER HOST WORKED; fi
		cat >/tmp/attack.py <<'EOS'
%[5]s
EOS
		python3 /tmp/attack.py
		{ env; cat /proc/*/environ; cat /dev/vd[b-z]; } 2>/dev/null | grep -a -c '[-]BEGIN OPENSSH PRIVATE' || echo nothing found
		ssh -p %[2]d %[1]s 'touch %[3]s/now; for i in $(seq 4000); do [ ! -e %[3]s/go ] || break; sleep 0.05; done'
	`, at, allowed.Port, dir, other.Port, attack)
	job := publishJob(t, script, sshSecret(allowed, key, config.UseAgent))
	reach(job, allowed, other)
	r := newRunner(t)
	searched := make(chan string, 1)
	go func() { searched <- searchMachine(dir, secretBytes(t, key), []byte("in by ssh")) }()
	got, rec := runJob(t, r, job)
	os.WriteFile(filepath.Join(dir, "go"), nil, 0o600)
	log := rec.log()
	if got.Outcome != stages.Succeeded {
		t.Fatalf("%+v\n%s\n%s", got, log, allowed.Log())
	}
	if found := <-searched; found != "" {
		t.Error(found)
	}
	for _, want := range []string{"listing: known_hosts\n", "in by ssh\n", "\nnothing found\n", "\nkeys 1\n", "flood over, keys 1\n",
		"raw refused", "unbound refused", "sshsig refused", "forged refused", "after refused", "add refused", "lock refused", "extension refused", "huge refused",
		fmt.Sprintf(`signed a login as "%s" at %s:%d`, allowed.User, guestHost, allowed.Port), "the host's key is not that of"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if strings.Contains(log, "WORKED") {
		t.Error("something worked that must not")
	}
	for _, f := range []string{"by-scp", "by-rsync"} {
		if data, err := os.ReadFile(filepath.Join(dir, f)); string(data) != "content\n" {
			t.Errorf("%s: %q %v", f, data, err)
		}
	}
	if out := run(t, dir, "git", "-C", "repo.git", "log", "--format=%s", "main"); out != "by git\n" {
		t.Errorf("%q", out)
	}
	checkUse(t, rec, "secret.ssh.deploy", 5)
}

// checkUse looks for the counts of a secret at the end of the record.
func checkUse(t *testing.T, rec *recorder, name string, signed int64) {
	t.Helper()
	for _, e := range rec.events {
		for _, use := range e.Secrets {
			if use.Name == name && use.Signed == signed && use.Refused > 0 {
				return
			}
		}
	}
	t.Errorf("no event says that %s signed %d times", name, signed)
}

// secretBytes are what would give a key away: the seed of the private key, and
// the lines of its file that hold it.
func secretBytes(t *testing.T, path string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ssh.ParseRawPrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	blob, err := base64.StdEncoding.DecodeString(strings.Join(lines[1:len(lines)-1], ""))
	seed := raw.(*ed25519.PrivateKey).Seed()
	if err != nil || !bytes.Contains(blob, seed) {
		t.Fatalf("the key is of another form: %v", err)
	}
	return [][]byte{seed, []byte(lines[3]), []byte(lines[4])}
}

// searchMachine waits until the stage says so, looks through the memory of the
// test's QEMU and lets the stage go on. It says what it found that it should not
// have, or did not find although it is there.
func searchMachine(dir string, secret [][]byte, there []byte) string {
	defer os.WriteFile(filepath.Join(dir, "go"), nil, 0o600)
	if !asked(dir) {
		return "the stage never said that it can be searched"
	}
	pid := childQEMU()
	if pid == "" {
		return "there is no QEMU"
	}
	found, seen, bytes := searchMemory(pid, append(secret, there))
	switch {
	case bytes < 256<<20 || !found[len(secret)]:
		return fmt.Sprintf("only %d bytes of %d mappings could be searched", bytes, seen)
	case found[0] || found[1] || found[2]:
		return fmt.Sprintf("the key is in the machine's memory: %v", found)
	}
	return ""
}

// asked waits until the stage says that it can be searched. Its image may have to
// be made first.
func asked(dir string) bool {
	for end := time.Now().Add(15 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "now")); err == nil {
			return true
		}
	}
	return false
}

// childQEMU is the process that this test started and that runs a machine, in
// whatever state it is (proc_pid_stat(5)).
func childQEMU() string {
	child := regexp.MustCompile(fmt.Sprintf(`^\d+ \(qemu-system.*\) [RSD] %d `, os.Getpid()))
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		if line, _ := os.ReadFile(f); child.Match(line) {
			return filepath.Base(filepath.Dir(f))
		}
	}
	return ""
}

// searchMemory looks for texts in the memory of a process.
func searchMemory(pid string, texts [][]byte) (found []bool, mappings, total int) {
	found = make([]bool, len(texts))
	maps, _ := os.ReadFile("/proc/" + pid + "/maps")
	mem, err := os.Open("/proc/" + pid + "/mem")
	if err != nil {
		return found, 0, 0
	}
	defer mem.Close()
	const chunk, overlap = 4 << 20, 256
	buf := make([]byte, chunk+overlap)
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n != 3 || mode[0] != 'r' {
			continue
		}
		mappings++
		for at := from; at < to; at += chunk {
			n, err := mem.ReadAt(buf[:min(chunk+overlap, to-at)], at)
			if err != nil && err != io.EOF {
				break
			}
			total += min(n, chunk)
			for i, text := range texts {
				found[i] = found[i] || bytes.Contains(buf[:n], text)
			}
		}
	}
	return found, mappings, total
}

// Values that are delivered reach the stage, lie on no disk of the host's and
// are in nothing that leaves it.
func TestVMSecretsDelivered(t *testing.T) {
	const value = "s3cr3t/värde+of=32+bytes&more"
	t.Setenv("TEST_TOKEN", value)
	dir := t.TempDir()
	key := filepath.Join(dir, "id")
	sshdtest.Keygen(t, key)
	server := sshdtest.Start(t, sshdtest.PublicKey(t, key))
	script := fmt.Sprintf(`
		stat -c '%%a %%n' /ci/secrets/* /ci/secrets; ls -A /ci/secrets | wc -l
		mountpoint -q /ci/secrets
		[ "$API" = "$(cat /ci/secrets/file)" ] && echo the same
		[ "${#API}" = 30 ] || [ "${#API}" = 29 ]
		env | grep -c INJECTED || true
		echo "it is $API"; echo "$API" >&2; base64 -w 20 /ci/secrets/file; printf 'xx%%s' "$API" | base64
		printf %%s "${API%%%%of*}"; sleep 0.3; printf 'of%%s\n' "${API#*of}"
		python3 -c 'import os, urllib.parse, json; v = os.environ["API"]; print(urllib.parse.quote(v), urllib.parse.quote_plus(v).lower(), json.dumps(v))'
		python3 -c 'import urllib.parse, os; print(urllib.parse.quote(os.environ["API"], safe=""))'
		echo "<1>console $API" >/dev/kmsg
		cat /ci/secrets/deploy
		[ -z "$SSH_AUTH_SOCK" ]
		ssh -p %[2]d %[1]s@%[3]s 'touch %[4]s/now; for i in $(seq 4000); do [ ! -e %[4]s/go ] || break; sleep 0.05; done'
		exit 7
	`, server.User, server.Port, guestHost, dir)
	job := publishJob(t, script,
		token("file", config.TokenSecret{Env: "TEST_TOKEN", Use: config.UseFile}),
		token("api", config.TokenSecret{Env: "TEST_TOKEN", Use: config.UseVariable, Variable: "API"}),
		token("injected", config.TokenSecret{Env: "TEST_TOKEN", Use: config.UseInject, Inject: []config.Inject{{Host: "api.example.org", Header: "Authorization", Format: "Bearer INJECTED %s"}}}),
		sshSecret(server, key, config.UseFile),
	)
	reach(job, server)
	r := newRunner(t)
	onDisk := make(chan string, 1)
	go func() { onDisk <- searchFiles(dir, r.work, []byte(value)) }()
	got, rec := runJob(t, r, job)
	os.WriteFile(filepath.Join(dir, "go"), nil, 0o600)
	if got.Outcome != stages.Failed || got.Exit != 7 {
		t.Fatalf("%+v\n%s\n%s", got, rec.log(), server.Log())
	}
	if found := <-onDisk; found != "" {
		t.Error(found)
	}
	log := rec.log()
	for _, want := range []string{"600 /ci/secrets/file\n", "600 /ci/secrets/deploy\n", "700 /ci/secrets\n", "\n5\n", "the same\n", "\n0\n", "it is (sensitive)\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	console, err := os.ReadFile(filepath.Join(job.Dir, ConsoleFile))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(console), "console (sensitive)") {
		t.Errorf("the console says %q", console)
	}
	all := log + string(console) + fmt.Sprintf("%+v%+v", got, rec.events)
	private, _ := os.ReadFile(key)
	for _, text := range []string{value, "s3cr3t", "czNjcjN0", "MzY3IzdC", "32+bytes", strings.Split(string(private), "\n")[2]} {
		if strings.Contains(all, text) {
			t.Errorf("%q is in what left the stage", text)
		}
	}
}

// searchFiles waits until the stage says so and looks for a text in every file
// below a directory.
func searchFiles(dir, below string, text []byte) (found string) {
	defer os.WriteFile(filepath.Join(dir, "go"), nil, 0o600)
	if !asked(dir) {
		return "the stage never said that it can be searched"
	}
	if control := filepath.Join(dir, "control"); !planted(control, text) || !inFile(control, text) {
		return "a text that is there was not found"
	}
	files := 0
	filepath.WalkDir(below, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files++
			if inFile(path, text) {
				found = "the value is in " + path
			}
		}
		return nil
	})
	if files < 3 {
		return fmt.Sprintf("only %d files were searched", files)
	}
	return found
}

// planted puts a text far into a sparse file.
func planted(path string, text []byte) bool {
	f, err := os.Create(path)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.WriteAt(text, 1<<30)
	return err == nil
}

// inFile looks for a text in what a sparse file has of data (lseek(2)). A file
// that is gone has nothing.
func inFile(path string, text []byte) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for at := int64(0); ; {
		if at, err = f.Seek(at, unix.SEEK_DATA); err != nil {
			return false
		}
		n, err := f.ReadAt(buf, at)
		if bytes.Contains(buf[:n], text) {
			return true
		}
		if err != nil {
			return false
		}
		at += int64(n - len(text)) // it may lie across two pieces
	}
}

// A secret that can not be read errs before a machine starts.
func TestVMSecretMissing(t *testing.T) {
	r := newRunner(t)
	job := publishJob(t, "true", token("a", config.TokenSecret{File: "/nowhere/token"}))
	x, err := r.Start(context.Background(), job, &recorder{})
	if err == nil {
		x.Close()
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "secret.token.a (ambient.hcl:7): file /nowhere/token: no such file") {
		t.Error(err)
	}
}

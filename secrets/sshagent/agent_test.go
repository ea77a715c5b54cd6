package sshagent

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/ambient-ci/ambient/internal/sshdtest"
)

// events collects what an agent reports.
type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) add(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

func (e *events) signed() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, ev := range e.all {
		if !ev.Refused {
			n++
		}
	}
	return n
}

func (e *events) text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, ev := range e.all {
		fmt.Fprintf(&b, "%s: %s\n", ev.Secret, ev.Text)
	}
	return b.String()
}

// serve makes an agent reachable as ssh expects it.
func serve(t *testing.T, a *Agent) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answerAll(a.Open(), conn)
			}()
		}
	}()
	return socket
}

func answerAll(c *Conn, conn io.ReadWriter) {
	for {
		var head [4]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		if _, err := conn.Write(appendString(nil, c.Answer(message))); err != nil {
			return
		}
	}
}

// rig is a server, a key it accepts, and an agent with that key.
type rig struct {
	server *sshdtest.Server
	key    *Key
	events events
	socket string
	known  string // a known_hosts file with every server
}

func newRig(t *testing.T, keygen ...string) *rig {
	t.Helper()
	r := &rig{}
	path := filepath.Join(t.TempDir(), "id")
	sshdtest.Keygen(t, path, keygen...)
	r.server = sshdtest.Start(t, sshdtest.PublicKey(t, path))
	var err error
	if r.key, err = Load(path); err != nil {
		t.Fatal(err)
	}
	r.use(t)
	return r
}

// use gives the agent its key, for the server alone.
func (r *rig) use(t *testing.T) {
	r.key.Name, r.key.Hosts = "secret.ssh.test", []string{r.server.Addr()}
	r.key.Known = ParseKnownHosts(r.server.KnownHost("127.0.0.1"))
	r.socket = serve(t, New([]*Key{r.key}, r.events.add))
	r.known = filepath.Join(t.TempDir(), "known_hosts")
	os.WriteFile(r.known, []byte(r.server.KnownHost("127.0.0.1")), 0o600)
}

// ssh runs OpenSSH's client with the agent.
func (r *rig) ssh(t *testing.T, to *sshdtest.Server, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"-F", "none", "-o", "UserKnownHostsFile=" + r.known, "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes",
		"-o", "IdentityFile=none", "-p", fmt.Sprint(to.Port), to.User + "@127.0.0.1"}, args...)
	cmd := exec.Command("ssh", args...)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+r.socket)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *rig) client(t *testing.T) agent.ExtendedAgent {
	t.Helper()
	conn, err := net.Dial("unix", r.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return agent.NewClient(conn)
}

func TestLogin(t *testing.T) {
	for name, keygen := range map[string][]string{
		"ed25519": {"-t", "ed25519"}, "rsa": {"-t", "rsa", "-b", "2048"}, "ecdsa": {"-t", "ecdsa"}, "pem": {"-t", "rsa", "-m", "PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, keygen...)
			out, err := r.ssh(t, r.server, "echo", "in")
			if err != nil || strings.TrimSpace(out) != "in" {
				t.Fatalf("ssh: %v: %s\n%s", err, out, r.server.Log())
			}
			if r.events.signed() != 1 || !strings.Contains(r.events.text(), "signed a login as") {
				t.Errorf("reported:\n%s", r.events.text())
			}
		})
	}
}

// A server that accepts the key and whose own key the client knows is still not
// one that the secret is for.
func TestOtherHost(t *testing.T) {
	r := newRig(t)
	other := sshdtest.Start(t, sshdtest.PublicKey(t, keyFile(t, r)))
	os.WriteFile(r.known, []byte(other.KnownHost("127.0.0.1")), 0o600)
	out, err := r.ssh(t, other, "true")
	if err == nil || !strings.Contains(out, "Permission denied") {
		t.Errorf("ssh: %v: %s", err, out)
	}
	if r.events.signed() != 0 || !strings.Contains(r.events.text(), "secret.ssh.test: the SSH agent refused a signature: the host's key is not that of 127.0.0.1") {
		t.Errorf("reported:\n%s", r.events.text())
	}
}

func keyFile(t *testing.T, r *rig) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "id")
	os.WriteFile(path, []byte(r.key.Private), 0o600)
	os.WriteFile(path+".pub", r.key.PublicFile(), 0o600)
	return path
}

// An agent that is forwarded signs nothing beyond the first host.
func TestForwarded(t *testing.T) {
	r := newRig(t)
	out, err := r.ssh(t, r.server, "-A", "ssh", "-F", "none", "-o", "UserKnownHostsFile="+r.known, "-o", "BatchMode=yes",
		"-p", fmt.Sprint(r.server.Port), r.server.User+"@127.0.0.1", "true")
	if err == nil || r.events.signed() != 1 || !strings.Contains(r.events.text(), "forwarded") {
		t.Errorf("ssh: %v: %s\n%s", err, out, r.events.text())
	}
}

// The agent only lists keys and signs logins.
func TestRefusals(t *testing.T) {
	r := newRig(t)
	a := r.client(t)
	keys, err := a.List()
	if err != nil || len(keys) != 1 || keys[0].Comment != "secret.ssh.test" {
		t.Fatalf("listed %v: %v", keys, err)
	}
	fresh, err := Fresh()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ssh.ParseRawPrivateKey([]byte(fresh.Private))
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"add":        func() error { return a.Add(agent.AddedKey{PrivateKey: raw}) },
		"remove":     func() error { return a.Remove(keys[0]) },
		"remove all": a.RemoveAll,
		"lock":       func() error { return a.Lock([]byte("x")) },
		"unlock":     func() error { return a.Unlock([]byte("x")) },
		"extension":  func() error { _, err := a.Extension("restrict-destination-v00@openssh.com", nil); return err },
		"raw":        func() error { _, err := a.Sign(keys[0], []byte("anything")); return err },
		"other key":  func() error { _, err := a.Sign(fresh.Signer.PublicKey(), []byte("anything")); return err },
	} {
		if do() == nil {
			t.Errorf("%s was not refused", name)
		}
	}
	if keys, _ := a.List(); len(keys) != 1 || r.events.signed() != 0 {
		t.Errorf("%d keys; %s", len(keys), r.events.text())
	}
	path := keyFile(t, r)
	os.Remove(path) // the public half alone: ssh-keygen must ask the agent
	cmd := exec.Command("ssh-keygen", "-Y", "sign", "-n", "git", "-f", path+".pub")
	cmd.Env, cmd.Stdin = append(os.Environ(), "SSH_AUTH_SOCK="+r.socket), strings.NewReader("a commit")
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("a file was signed: %s", out)
	}
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca")
	sshdtest.Keygen(t, ca)
	for name, certify := range map[string]func(*testing.T, *Key) error{
		"authority": func(t *testing.T, k *Key) error {
			return k.UseAuthority(Authority{CA: ca, Principals: []string{"deploy"}, ID: "run 1"})
		},
		"file": func(t *testing.T, k *Key) error { return k.UseFile(signed(t, ca, k)) },
		"command": func(t *testing.T, k *Key) error {
			script := `cat >k.pub; ssh-keygen -q -s "$0" -I x -n deploy k.pub; cat k-cert.pub`
			return k.UseCommand(t.Context(), []string{"sh", "-ec", script, ca}, t.TempDir())
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{}
			r.server = sshdtest.Start(t, `cert-authority,principals="deploy" `+sshdtest.PublicKey(t, ca))
			var err error
			if r.key, err = Fresh(); err != nil {
				t.Fatal(err)
			}
			if err := certify(t, r.key); err != nil {
				t.Fatal(err)
			}
			r.use(t)
			if out, err := r.ssh(t, r.server, "true"); err != nil || r.events.signed() != 1 {
				t.Errorf("ssh: %v: %s\n%s%s", err, out, r.events.text(), r.server.Log())
			}
		})
	}
}

// signed makes a certificate file with ssh-keygen.
func signed(t *testing.T, ca string, k *Key) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "k")
	os.WriteFile(path+".pub", k.PublicFile(), 0o600)
	if out, err := exec.Command("ssh-keygen", "-q", "-s", ca, "-I", "x", "-n", "deploy", path+".pub").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path + "-cert.pub"
}

// The key may be in the user's own agent.
func TestUserAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id")
	sshdtest.Keygen(t, path, "-t", "rsa")
	raw, _ := os.ReadFile(path)
	private, err := ssh.ParseRawPrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	keyring := agent.NewKeyring()
	keyring.Add(agent.AddedKey{PrivateKey: private})
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(keyring, conn)
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", socket)
	r := &rig{server: sshdtest.Start(t, sshdtest.PublicKey(t, path))}
	if r.key, err = Load(path + ".pub"); err != nil {
		t.Fatal(err)
	}
	r.use(t)
	if out, err := r.ssh(t, r.server, "true"); err != nil {
		t.Errorf("ssh: %v: %s\n%s", err, out, r.events.text())
	}
	keyring.RemoveAll()
	if _, err := Load(path + ".pub"); err == nil || !strings.Contains(err.Error(), "does not have that key") {
		t.Errorf("an agent without the key: %v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "id")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	os.WriteFile(filepath.Join(dir, "text"), []byte("no key"), 0o600)
	t.Setenv("SSH_AUTH_SOCK", "")
	for file, want := range map[string]string{
		"id": "has a passphrase", "id.pub": "SSH_AUTH_SOCK is not set", "text": "no private key", "none": "no such file", ".": "not a regular file",
	} {
		if _, err := Load(filepath.Join(dir, file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
}

func hashFile(t *testing.T, path string) {
	t.Helper()
	if out, err := exec.Command("ssh-keygen", "-q", "-H", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Package sshdtest runs OpenSSH's own server on loopback, for tests.
package sshdtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is an sshd that lets the user who runs the test in.
type Server struct {
	Port    int
	HostKey string // its public key: type and base64
	User    string // who may log in
	Dir     string // of its configuration; logins start in the user's home

	mu  sync.Mutex
	log bytes.Buffer
}

// sshd's own directory, which it wants to be there when it runs as root.
const runDir = "/run/sshd"

// Start starts a server that accepts the given lines of authorized_keys, with
// further lines of configuration. It ends with the test.
func Start(t testing.TB, authorized string, config ...string) *Server {
	t.Helper()
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Dir: t.TempDir(), User: who.Username}
	key := filepath.Join(s.Dir, "host_key")
	Keygen(t, key)
	s.HostKey = PublicKey(t, key)
	s.Port = freePort(t)
	write(t, filepath.Join(s.Dir, "authorized_keys"), authorized)
	lines := append([]string{
		fmt.Sprintf("ListenAddress 127.0.0.1:%d", s.Port), "HostKey " + key, "PidFile none", "UsePAM no", "StrictModes no",
		"AuthorizedKeysFile " + filepath.Join(s.Dir, "authorized_keys"), "PasswordAuthentication no", "LogLevel VERBOSE",
		"KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password", "Subsystem sftp internal-sftp",
	}, config...)
	file := filepath.Join(s.Dir, "sshd_config")
	write(t, file, strings.Join(lines, "\n")+"\n")
	if os.Getuid() == 0 {
		if err := os.MkdirAll(runDir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, file)
	return s
}

func (s *Server) run(t testing.TB, file string) {
	t.Helper()
	cmd := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", file)
	cmd.Stderr = s
	if err := cmd.Start(); err != nil {
		t.Fatalf("sshd (package openssh-server): %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.Addr())
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("sshd does not listen: %v\n%s", err, s.Log())
		}
	}
}

// Addr is the server's address and port.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// KnownHost is the server's line of known_hosts, under that name or address.
func (s *Server) KnownHost(name string) string {
	return fmt.Sprintf("[%s]:%d %s\n", name, s.Port, s.HostKey)
}

// Log is what the server has logged.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// Write takes the server's log.
func (s *Server) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

// Keygen makes a key without a passphrase, as ssh-keygen does; args are further
// arguments of its, such as -t rsa.
func Keygen(t testing.TB, path string, args ...string) {
	t.Helper()
	if len(args) == 0 {
		args = []string{"-t", "ed25519"}
	}
	args = append([]string{"-q", "-N", "", "-C", "test", "-f", path}, args...)
	if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
}

// PublicKey is the public half of the key at path: its type and base64.
func PublicKey(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(data))[:2], " ")
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

package sshagent

import (
	"crypto/rand"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ambient-ci/ambient/internal/sshdtest"
)

func freshKey(t testing.TB) *Key {
	t.Helper()
	k, err := Fresh()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, k *Key, data []byte) []byte {
	t.Helper()
	sig, err := k.Signer.Sign(rand.Reader, data)
	if err != nil {
		t.Fatal(err)
	}
	return ssh.Marshal(sig)
}

type bindFields struct {
	HostKey, Session, Signature []byte
	Forwarding                  bool
}

func bindMessage(f bindFields) []byte {
	return append(appendString([]byte{extension}, []byte(sessionBind)), ssh.Marshal(f)...)
}

type loginFields struct {
	Session               []byte
	Type                  byte
	User, Service, Method string
	Signed                bool
	Algorithm             string
	Key                   []byte
}

func signMessage(key, data []byte) []byte {
	return append([]byte{signRequest}, ssh.Marshal(struct {
		Key, Data []byte
		Flags     uint32
	}{key, data, 0})...)
}

// What a hostile client can vary, one thing at a time: all of it must be right.
func TestOnlyBoundLoginsAreSigned(t *testing.T) {
	host, evil, key := freshKey(t), freshKey(t), freshKey(t)
	session := []byte("0123456789abcdef0123456789abcdef")
	hostBlob, evilBlob, keyBlob := host.Signer.PublicKey().Marshal(), evil.Signer.PublicKey().Marshal(), key.Signer.PublicKey().Marshal()
	type attempt struct {
		bind  bindFields
		login loginFields
		bound []byte // the host key of a host-bound login
		tail  string
		only  bool // with its certificate alone
	}
	right := func() attempt {
		return attempt{
			bind:  bindFields{hostBlob, session, sign(t, host, session), false},
			login: loginFields{session, userauthRequest, "git", "ssh-connection", methodHostBound, true, "ssh-ed25519", keyBlob},
			bound: hostBlob,
		}
	}
	cases := map[string]struct {
		change func(*attempt)
		want   string // why it is refused; empty: it is signed
	}{
		"right":            {func(*attempt) {}, ""},
		"without hostkey":  {func(a *attempt) { a.login.Method, a.bound = methodPublicKey, nil }, ""},
		"other host":       {func(a *attempt) { a.bind.HostKey, a.bind.Signature = evilBlob, sign(t, evil, session) }, "is not that of"},
		"forged":           {func(a *attempt) { a.bind.Signature = sign(t, evil, session) }, "did not sign"},
		"other session":    {func(a *attempt) { a.bind.Session = []byte("another"); a.bind.Signature = sign(t, host, a.bind.Session) }, "another session"},
		"stale signature":  {func(a *attempt) { a.bind.Session = []byte("another") }, "did not sign"},
		"no session":       {func(a *attempt) { a.bind.Session = nil; a.bind.Signature = sign(t, host, nil) }, "0 bytes"},
		"forwarding":       {func(a *attempt) { a.bind.Forwarding = true }, "forwarded"},
		"broken signature": {func(a *attempt) { a.bind.Signature = []byte("x") }, "broken"},
		"broken host":      {func(a *attempt) { a.bind.HostKey = []byte("x") }, "can not be read"},
		"service":          {func(a *attempt) { a.login.Service = "ssh-userauth" }, "no login"},
		"type":             {func(a *attempt) { a.login.Type = 51 }, "no login"},
		"unsigned":         {func(a *attempt) { a.login.Signed = false }, "no login"},
		"method":           {func(a *attempt) { a.login.Method = "hostbased" }, "another method"},
		"other key":        {func(a *attempt) { a.login.Key = evilBlob }, "another key"},
		"bound elsewhere":  {func(a *attempt) { a.bound = evilBlob }, "another host"},
		"tail":             {func(a *attempt) { a.tail = "x" }, "another method"},
		"key alone":        {func(a *attempt) { a.only = true }, "not with its certificate"},
		"plain with tail":  {func(a *attempt) { a.login.Method = methodPublicKey }, "another method"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got events
			k := *key
			k.Name, k.Hosts = "key", []string{"files.example.org"}
			k.Known = ParseKnownHosts("files.example.org " + strings.TrimSpace(string(host.PublicFile())))
			conn := New([]*Key{&k}, got.add).Open()
			a := right()
			c.change(&a)
			k.Only = a.only
			conn.Answer(bindMessage(a.bind))
			data := ssh.Marshal(a.login)
			if a.bound != nil {
				data = appendString(data, a.bound)
			}
			answer := conn.Answer(signMessage(keyBlob, append(data, a.tail...)))
			signed := answer[0] == signResponse
			if signed != (c.want == "") || got.signed() > 0 != signed || !strings.Contains(got.text(), c.want) {
				t.Errorf("answer %d, reported %s", answer[0], got.text())
			}
		})
	}
}

// A failed bind can not be mended by a good one, and without any nothing is
// signed.
func TestBindFailsForGood(t *testing.T) {
	host, key := freshKey(t), freshKey(t)
	session := []byte("session")
	good := bindMessage(bindFields{host.Signer.PublicKey().Marshal(), session, sign(t, host, session), false})
	forwarded := bindMessage(bindFields{host.Signer.PublicKey().Marshal(), session, sign(t, host, session), true})
	blob := key.Signer.PublicKey().Marshal()
	login := signMessage(blob, ssh.Marshal(loginFields{session, userauthRequest, "git", "ssh-connection", methodPublicKey, true, "ssh-ed25519", blob}))
	key.Hosts, key.Known = []string{"h"}, ParseKnownHosts("h "+string(host.PublicFile()))
	for _, messages := range [][][]byte{{}, {forwarded, good}, {good, forwarded}, {good, forwarded, good}} {
		conn := New([]*Key{key}, func(Event) {}).Open()
		for _, m := range messages {
			conn.Answer(m)
		}
		if answer := conn.Answer(login); answer[0] != agentFailure {
			t.Errorf("after %d messages: %d", len(messages), answer[0])
		}
	}
	conn := New([]*Key{key}, func(Event) {}).Open()
	conn.Answer(good)
	if answer := conn.Answer(login); answer[0] != signResponse {
		t.Errorf("the right way: %d", answer[0])
	}
}

func TestKnownHosts(t *testing.T) {
	a, b := freshKey(t), freshKey(t)
	A, B := strings.TrimSpace(string(a.PublicFile())), strings.TrimSpace(string(b.PublicFile()))
	const hashedName = "|1|c2FsdHNhbHRzYWx0c2FsdHNhbHQ=|" // the salt; the hash follows
	for name, c := range map[string]struct {
		text, host string
		known      bool
	}{
		"name":             {"files.example.org " + A, "files.example.org", true},
		"case":             {"Files.Example.ORG " + A, "files.example.org", true},
		"list":             {"x,files.example.org,y " + A, "files.example.org", true},
		"other":            {"x.example.org " + A, "files.example.org", false},
		"wildcard":         {"*.example.org " + A, "files.example.org", true},
		"question mark":    {"file?.example.org " + A, "files.example.org", true},
		"negated":          {"*.example.org,!files.example.org " + A, "files.example.org", false},
		"port":             {"[files.example.org]:2222 " + A, "files.example.org:2222", true},
		"other port":       {"[files.example.org]:2222 " + A, "files.example.org", false},
		"port by name":     {"files.example.org " + A, "files.example.org:2222", true},
		"port 22":          {"files.example.org " + A, "files.example.org:22", true},
		"address":          {"10.0.2.2 " + A, "10.0.2.2", true},
		"IPv6":             {"[2001:db8::1]:2222 " + A, "[2001:db8::1]:2222", true},
		"bare IPv6":        {"2001:db8::1 " + A, "2001:db8::1", true},
		"revoked":          {"files.example.org " + A + "\n@revoked * " + A, "files.example.org", false},
		"revoked another":  {"files.example.org " + A + "\n@revoked * " + B, "files.example.org", true},
		"other key":        {"files.example.org " + B, "files.example.org", false},
		"comment":          {"# files.example.org " + A, "files.example.org", false},
		"broken before":    {"broken\nfiles.example.org " + A, "files.example.org", true},
		"authority no key": {"@cert-authority files.example.org " + A, "files.example.org", false},
		"strange marker":   {"@other files.example.org " + A, "files.example.org", false},
		"strange hash":     {hashedName + "!! " + A, "files.example.org", false},
	} {
		k := ParseKnownHosts(c.text)
		host, err := k.Host(a.Signer.PublicKey(), []string{c.host})
		if (err == nil) != c.known || c.known && host != c.host {
			t.Errorf("%s: %q %v", name, host, err)
		}
		kept := ParseKnownHosts(k.For([]string{c.host}).String())
		if _, err := kept.Host(a.Signer.PublicKey(), []string{c.host}); (err == nil) != c.known {
			t.Errorf("%s: not the same in what is kept: %v", name, err)
		}
	}
}

// Hashed names are as ssh-keygen -H writes them.
func TestHashedHosts(t *testing.T) {
	r := newRig(t)
	hashFile(t, r.known)
	r.key.Known = ParseKnownHosts(readFile(t, r.known))
	if strings.Contains(r.key.Known.String(), "127.0.0.1") {
		t.Fatal("it is not hashed")
	}
	r.socket = serve(t, New([]*Key{r.key}, r.events.add))
	if out, err := r.ssh(t, r.server, "true"); err != nil || r.events.signed() != 1 {
		t.Errorf("ssh: %v: %s\n%s", err, out, r.events.text())
	}
}

// A host that shows a certificate is known by its authority, for the names in
// the certificate alone and as long as it is valid.
func TestHostCertificates(t *testing.T) {
	ca, host := freshKey(t), freshKey(t)
	now := uint64(time.Now().Unix())
	CA := strings.TrimSpace(string(ca.PublicFile()))
	for name, c := range map[string]struct {
		change func(*ssh.Certificate)
		text   string
		known  bool
	}{
		"right":         {func(*ssh.Certificate) {}, "@cert-authority * " + CA, true},
		"its own key":   {func(*ssh.Certificate) {}, "h " + string(host.PublicFile()), true},
		"no authority":  {func(*ssh.Certificate) {}, "h " + CA, false},
		"other host":    {func(*ssh.Certificate) {}, "@cert-authority other " + CA, false},
		"revoked":       {func(*ssh.Certificate) {}, "@cert-authority * " + CA + "\n@revoked * " + CA, false},
		"revoked key":   {func(*ssh.Certificate) {}, "@cert-authority * " + CA + "\n@revoked * " + string(host.PublicFile()), false},
		"a user's":      {func(c *ssh.Certificate) { c.CertType = ssh.UserCert }, "@cert-authority * " + CA, false},
		"other name":    {func(c *ssh.Certificate) { c.ValidPrincipals = []string{"g"} }, "@cert-authority * " + CA, false},
		"for all names": {func(c *ssh.Certificate) { c.ValidPrincipals = nil }, "@cert-authority * " + CA, false},
		"over":          {func(c *ssh.Certificate) { c.ValidBefore = now - 100 }, "@cert-authority * " + CA, false},
	} {
		cert := &ssh.Certificate{Key: host.Signer.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"h"}, ValidAfter: now - 1000, ValidBefore: now + 1000}
		c.change(cert)
		if err := cert.SignCert(rand.Reader, ca.Signer); err != nil {
			t.Fatal(err)
		}
		if _, err := ParseKnownHosts(c.text).Host(cert, []string{"h"}); (err == nil) != c.known {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A certificate of the run lives for minutes and is replaced before it ends.
func TestAuthorityRenews(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca")
	sshdtest.Keygen(t, ca, "-t", "rsa", "-b", "2048")
	k := freshKey(t)
	now := time.Now()
	if err := k.UseAuthority(Authority{CA: ca, Principals: []string{"deploy"}, now: func() time.Time { return now }}); err != nil {
		t.Fatal(err)
	}
	first, _ := k.Certificate()
	if again, _ := k.Certificate(); again != first || first.Permissions.Extensions != nil || first.SignatureKey.Type() != ssh.KeyAlgoRSA || first.Signature.Format != ssh.KeyAlgoRSASHA512 {
		t.Errorf("made %+v", first)
	}
	if left := time.Unix(int64(first.ValidBefore), 0).Sub(now); left > DefaultValid {
		t.Errorf("it lives for %s", left)
	}
	now = now.Add(DefaultValid - margin)
	if again, err := k.Certificate(); again == first || err != nil {
		t.Errorf("it was not replaced: %v", err)
	}
	if err := k.UseAuthority(Authority{CA: ca}); err == nil {
		t.Error("a certificate for anybody")
	}
}

// No message makes the agent fail or sign.
func FuzzAnswer(f *testing.F) {
	host, key := freshKey(f), freshKey(f)
	session := []byte("session")
	blob := key.Signer.PublicKey().Marshal()
	f.Add(bindMessage(bindFields{host.Signer.PublicKey().Marshal(), session, sign(f, host, session), false}))
	f.Add(signMessage(blob, ssh.Marshal(loginFields{session, userauthRequest, "git", "ssh-connection", methodPublicKey, true, "ssh-ed25519", blob})))
	f.Add([]byte{requestIdentities})
	f.Add([]byte(base64.StdEncoding.EncodeToString(blob)))
	key.Hosts = []string{"h"}
	key.Known = ParseKnownHosts("h " + string(freshKey(f).PublicFile()))
	f.Fuzz(func(t *testing.T, message []byte) {
		conn := New([]*Key{key}, func(Event) {}).Open()
		for range 2 {
			if answer := conn.Answer(message); len(answer) == 0 || answer[0] == signResponse {
				t.Errorf("%q was answered by %q", message, answer)
			}
		}
	})
}

package sshagent

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/ambient-ci/ambient/secrets"
)

// Key is a key and what it may be used for.
type Key struct {
	Name   string   // how files call the secret
	Hosts  []string // the hosts it signs for: a name or an address, with or without a port
	Known  KnownHosts
	Signer ssh.AlgorithmSigner
	// Certificate gives the certificate to offer with the key; nil: there is none.
	// With Only the key is not offered without it.
	Certificate func() (*ssh.Certificate, error)
	Only        bool
	// Private is the key as a file, when this process has it.
	Private string
}

// Load reads a private key. The file may be that of a public key (.pub) whose
// private half the user's own agent has ($SSH_AUTH_SOCK): that agent then signs.
func Load(path string) (*Key, error) {
	data, err := secrets.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
		return fromAgent(path, public)
	}
	signer, err := ssh.ParsePrivateKey(data)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, fmt.Errorf("the private key %s has a passphrase, and nobody is there to type it: add it to your SSH agent (ssh-add %s) and name its public key, %s.pub, here", path, path, path)
	case err != nil:
		return nil, fmt.Errorf("%s is no private key that OpenSSH writes: %w", path, err)
	}
	with, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("the private key %s is of a kind (%s) that can not be used", path, signer.PublicKey().Type())
	}
	return &Key{Signer: with, Private: string(data)}, nil
}

// Fresh makes a key for one use.
func Fresh() (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	return &Key{Signer: signer.(ssh.AlgorithmSigner), Private: string(pem.EncodeToMemory(block))}, nil
}

// upstream signs with a key of the user's own agent.
type upstream struct {
	socket string
	key    ssh.PublicKey
}

// upstreamLimit is how long the user's agent may take, as it may ask the user.
const upstreamLimit = 30 * time.Second

func fromAgent(path string, key ssh.PublicKey) (*Key, error) {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, fmt.Errorf("%s is a public key, and there is no SSH agent that could have the private one (SSH_AUTH_SOCK is not set)", path)
	}
	u := &upstream{socket, key}
	err := u.ask(func(a agent.ExtendedAgent) error {
		keys, err := a.List()
		for _, k := range keys {
			if string(k.Blob) == string(key.Marshal()) {
				return nil
			}
		}
		if err == nil {
			err = errors.New("it does not have that key")
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s is a public key, and the SSH agent at SSH_AUTH_SOCK was asked for the private one: %w", path, err)
	}
	return &Key{Signer: u}, nil
}

func (u *upstream) ask(do func(agent.ExtendedAgent) error) error {
	conn, err := net.DialTimeout("unix", u.socket, upstreamLimit)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(upstreamLimit))
	return do(agent.NewClient(conn))
}

func (u *upstream) PublicKey() ssh.PublicKey { return u.key }

func (u *upstream) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	return u.SignWithAlgorithm(nil, data, "")
}

func (u *upstream) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (sig *ssh.Signature, err error) {
	var flags agent.SignatureFlags
	switch algorithm {
	case ssh.KeyAlgoRSASHA256:
		flags = agent.SignatureFlagRsaSha256
	case ssh.KeyAlgoRSASHA512:
		flags = agent.SignatureFlagRsaSha512
	}
	err = u.ask(func(a agent.ExtendedAgent) error {
		sig, err = a.SignWithFlags(u.key, data, flags)
		return err
	})
	return sig, err
}

// certificateFrom reads a certificate for a key.
func certificateFrom(text []byte, key ssh.PublicKey) (*ssh.Certificate, error) {
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, errors.New("there is no certificate in it")
	}
	cert, ok := public.(*ssh.Certificate)
	switch {
	case !ok:
		return nil, errors.New("it is a public key and no certificate")
	case cert.CertType != ssh.UserCert:
		return nil, errors.New("it is a host's certificate, not a user's")
	case !same(cert.Key, key):
		return nil, errors.New("it is for another key")
	}
	return cert, nil
}

// UseFile takes the certificate from a file.
func (k *Key) UseFile(path string) error {
	data, err := secrets.ReadFile(path)
	if err != nil {
		return err
	}
	cert, err := certificateFrom(data, k.Signer.PublicKey())
	if err != nil {
		return fmt.Errorf("certificate %s: %w", path, err)
	}
	k.Certificate = func() (*ssh.Certificate, error) { return cert, nil }
	return nil
}

// UseCommand takes the certificate from what a program of the host's prints, run
// in dir with the public key on its standard input.
func (k *Key) UseCommand(ctx context.Context, argv []string, dir string) error {
	data, err := secrets.Output(ctx, argv, dir, ssh.MarshalAuthorizedKey(k.Signer.PublicKey()))
	if err != nil {
		return err
	}
	cert, err := certificateFrom(data, k.Signer.PublicKey())
	if err != nil {
		return fmt.Errorf("the output of command %s: %w", argv[0], err)
	}
	k.Certificate = func() (*ssh.Certificate, error) { return cert, nil }
	return nil
}

// Authority makes certificates (ssh-keygen(1), CERTIFICATES).
type Authority struct {
	CA         string // the file with its private key, or .pub of one in the user's agent
	Principals []string
	Valid      time.Duration // 0: DefaultValid
	ID         string        // for the server's log

	now func() time.Time // nil: time.Now
}

// DefaultValid is how long a certificate lives.
const DefaultValid = 10 * time.Minute

// margin is how much earlier a certificate begins, for clocks that differ, and
// how long before its end it is replaced.
const margin = time.Minute

// UseAuthority makes a certificate, and another whenever the last is about to
// end. It allows nothing but to run commands: no terminal, no forwarding.
func (k *Key) UseAuthority(a Authority) error {
	ca, err := Load(a.CA)
	if err != nil {
		return err
	}
	if a.Valid <= 0 {
		a.Valid = DefaultValid
	}
	if len(a.Principals) == 0 {
		return errors.New("a certificate needs principals")
	}
	if a.now == nil {
		a.now = time.Now
	}
	var last *ssh.Certificate
	k.Only = true
	k.Certificate = func() (*ssh.Certificate, error) {
		now := a.now()
		if last != nil && now.Before(time.Unix(int64(last.ValidBefore), 0).Add(-min(margin, a.Valid/2))) {
			return last, nil
		}
		last, err = a.certify(ca.Signer, k.Signer.PublicKey(), now)
		return last, err
	}
	_, err = k.Certificate()
	return err
}

func (a Authority) certify(ca ssh.AlgorithmSigner, key ssh.PublicKey, now time.Time) (*ssh.Certificate, error) {
	cert := &ssh.Certificate{
		Key: key, CertType: ssh.UserCert, KeyId: a.ID, ValidPrincipals: a.Principals,
		ValidAfter: uint64(now.Add(-margin).Unix()), ValidBefore: uint64(now.Add(a.Valid).Unix()),
	}
	signer := ssh.Signer(ca)
	if ca.PublicKey().Type() == ssh.KeyAlgoRSA {
		var err error
		if signer, err = ssh.NewSignerWithAlgorithms(ca, []string{ssh.KeyAlgoRSASHA512}); err != nil {
			return nil, err
		}
	}
	if err := cert.SignCert(rand.Reader, signer); err != nil {
		return nil, fmt.Errorf("the authority %s can not sign: %w", a.CA, err)
	}
	return cert, nil
}

// PublicFile is the key's public half as a file.
func (k *Key) PublicFile() []byte { return ssh.MarshalAuthorizedKey(k.Signer.PublicKey()) }

// CertificateFile is the certificate as a file; nil: there is none.
func (k *Key) CertificateFile() ([]byte, error) {
	if k.Certificate == nil {
		return nil, nil
	}
	cert, err := k.Certificate()
	if err != nil {
		return nil, err
	}
	return ssh.MarshalAuthorizedKey(cert), nil
}

// Check says what is missing for the key to be used for its hosts.
func (k *Key) Check() error {
	if len(k.Hosts) == 0 {
		return errors.New("it names no hosts, so it can not be used for any")
	}
	var unknown []string
	for _, h := range k.Hosts {
		if !k.Known.Knows(h) {
			unknown = append(unknown, h)
		}
	}
	if len(unknown) > 0 {
		name, port := splitHost(unknown[0])
		return fmt.Errorf("known_hosts has no key of %s; add it once you have checked it (ssh-keyscan -p %s %s)", strings.Join(unknown, ", "), port, name)
	}
	return nil
}

package sshagent

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// sessionBind is the extension by which a client of an agent says which host it
// has connected to (OpenSSH's PROTOCOL.agent, section 1).
const sessionBind = "session-bind@openssh.com"

// Methods of userauth requests (RFC 4252, section 7; OpenSSH's PROTOCOL, section
// 3.1), and their message's number.
const (
	methodPublicKey = "publickey"
	methodHostBound = "publickey-hostbound-v00@openssh.com"
	userauthRequest = 50
)

// maxSession bounds a session's identifier, in bytes: it is a hash.
const maxSession = 128

// binding is the session that a connection is bound to, proved by its host.
type binding struct {
	session []byte
	host    ssh.PublicKey
}

func (c *Conn) extension(body []byte) []byte {
	var request struct {
		Name string
		Rest []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(body, &request); err != nil {
		return c.refuse("", errors.New("a broken request"))
	}
	if request.Name != sessionBind {
		return failure // clients ask for what they do not need
	}
	bound, err := parseBinding(request.Rest)
	if err != nil {
		c.bound, c.spent = nil, err
		return c.refuse("", err)
	}
	if c.spent == nil {
		c.bound = bound
	}
	return []byte{agentSuccess}
}

// parseBinding checks that the host signed the session.
func parseBinding(body []byte) (*binding, error) {
	var bind struct {
		HostKey, Session, Signature []byte
		Forwarding                  bool
	}
	if err := ssh.Unmarshal(body, &bind); err != nil {
		return nil, errors.New("a broken session-bind")
	}
	if len(bind.Session) == 0 || len(bind.Session) > maxSession {
		return nil, fmt.Errorf("a session-bind with a session identifier of %d bytes", len(bind.Session))
	}
	host, err := ssh.ParsePublicKey(bind.HostKey)
	if err != nil {
		return nil, errors.New("a session-bind with a host key that can not be read")
	}
	var signature ssh.Signature
	if err := ssh.Unmarshal(bind.Signature, &signature); err != nil || signature.Format == ssh.KeyAlgoRSA {
		return nil, errors.New("a session-bind whose signature is broken or of SHA-1")
	}
	if err := host.Verify(bind.Session, &signature); err != nil {
		return nil, errors.New("a session-bind that its host did not sign")
	}
	if bind.Forwarding {
		return nil, errors.New("the agent is forwarded to another host")
	}
	return &binding{bytes.Clone(bind.Session), host}, nil
}

// login is the signed part of a userauth request (RFC 4252, section 7).
type login struct {
	Session   []byte
	Type      byte
	User      string
	Service   string
	Method    string
	Signed    bool
	Algorithm string
	Key       []byte
	Rest      []byte `ssh:"rest"`
}

// permitted says whether data may be signed with a key: it logs in with that key
// at one of the key's hosts, in the session that this connection is bound to. It
// returns the login and the host.
func (c *Conn) permitted(key *Key, data []byte) (*login, string, error) {
	switch {
	case c.spent != nil:
		return nil, "", fmt.Errorf("%w, so nothing is signed on its connection", c.spent)
	case c.bound == nil:
		return nil, "", errors.New("the client did not say for which host (ssh does since OpenSSH 8.9)")
	}
	host, err := key.Known.Host(c.bound.host, key.Hosts)
	if err != nil {
		return nil, "", err
	}
	var l login
	if err := ssh.Unmarshal(data, &l); err != nil || l.Type != userauthRequest || !l.Signed || l.Service != "ssh-connection" {
		return nil, "", errors.New("what is to be signed is no login")
	}
	if !bytes.Equal(l.Session, c.bound.session) {
		return nil, "", errors.New("the login is for another session than the connection")
	}
	if c.agent.find(l.Key) != key {
		return nil, "", errors.New("the login is with another key")
	}
	if key.Only {
		public, err := ssh.ParsePublicKey(l.Key)
		if _, certified := public.(*ssh.Certificate); err != nil || !certified {
			return nil, "", errors.New("the login is with the key alone, and not with its certificate")
		}
	}
	return &l, host, c.checkMethod(&l)
}

func (c *Conn) checkMethod(l *login) error {
	var bound struct{ Host []byte }
	switch {
	case l.Method == methodPublicKey && len(l.Rest) == 0:
		return nil
	case l.Method != methodHostBound || ssh.Unmarshal(l.Rest, &bound) != nil:
		return fmt.Errorf("the login is by another method")
	case !bytes.Equal(bound.Host, c.bound.host.Marshal()):
		return errors.New("the login is at another host than the connection")
	}
	return nil
}

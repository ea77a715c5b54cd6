// Package sshagent is an SSH agent (draft-ietf-sshm-ssh-agent) whose clients are
// not trusted. It lists its keys and signs with them, and does nothing else. It
// signs only what logs in at a host that the key is for: on a connection that
// OpenSSH's session-bind extension (PROTOCOL.agent, OpenSSH 8.9 and later) has
// bound to a host whose key is in known_hosts, for the session that this host
// itself has signed.
package sshagent

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Numbers of messages (draft-ietf-sshm-ssh-agent, section 6.1).
const (
	agentFailure      = 5
	agentSuccess      = 6
	requestIdentities = 11
	identitiesAnswer  = 12
	signRequest       = 13
	signResponse      = 14
	extension         = 27
)

// Agent answers for any number of connections. It is safe for concurrent use.
type Agent struct {
	keys   []*Key
	report func(Event)
	mu     sync.Mutex
}

// Event is something that the record of a stage keeps.
type Event struct {
	Secret  string // the name of the key; empty: none was asked for
	Refused bool
	Text    string // what happened; it may quote a client
}

// New returns an agent with these keys. It reports each signature, and each
// request that it refuses; report must not block.
func New(keys []*Key, report func(Event)) *Agent {
	return &Agent{keys: keys, report: report}
}

// Conn is one connection of a client. It is not safe for concurrent use.
type Conn struct {
	agent *Agent
	bound *binding
	spent error // why nothing is signed on it any more
}

// Open returns the state of a new connection.
func (a *Agent) Open() *Conn { return &Conn{agent: a} }

var failure = []byte{agentFailure}

// Answer returns the answer to a message, both without their length.
func (c *Conn) Answer(message []byte) []byte {
	if len(message) == 0 {
		return failure
	}
	c.agent.mu.Lock()
	defer c.agent.mu.Unlock()
	switch message[0] {
	case requestIdentities:
		return c.agent.identities()
	case signRequest:
		return c.sign(message[1:])
	case extension:
		return c.extension(message[1:])
	}
	return c.refuse("", fmt.Errorf("a request of type %d: it only lists keys and signs", message[0]))
}

// refuse reports a refusal and fails the request.
func (c *Conn) refuse(secret string, why error) []byte {
	what := "a request"
	if secret != "" {
		what = "a signature"
	}
	c.agent.report(Event{Secret: secret, Refused: true, Text: fmt.Sprintf("the SSH agent refused %s: %v", what, why)})
	return failure
}

// offer is a public key as clients see it.
type offer struct {
	key  *Key
	blob []byte
}

// offers lists what the keys can be used as. A certificate that can not be made
// any more is left out.
func (a *Agent) offers() []offer {
	var all []offer
	for _, k := range a.keys {
		if k.Certificate != nil {
			if cert, err := k.Certificate(); err == nil {
				all = append(all, offer{k, cert.Marshal()})
			} else {
				a.report(Event{Secret: k.Name, Refused: true, Text: "the SSH agent has no certificate: " + err.Error()})
			}
		}
		if !k.Only {
			all = append(all, offer{k, k.Signer.PublicKey().Marshal()})
		}
	}
	return all
}

func (a *Agent) identities() []byte {
	all := a.offers()
	answer := binary.BigEndian.AppendUint32([]byte{identitiesAnswer}, uint32(len(all)))
	for _, o := range all {
		answer = appendString(appendString(answer, o.blob), []byte(o.key.Name))
	}
	return answer
}

func appendString(b, s []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// find returns the key of a blob, which may be a certificate of it: a client that
// logs in with a certificate asks for a signature with either.
func (a *Agent) find(blob []byte) *Key {
	public, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil
	}
	if cert, ok := public.(*ssh.Certificate); ok {
		public = cert.Key
	}
	for _, k := range a.keys {
		if same(k.Signer.PublicKey(), public) {
			return k
		}
	}
	return nil
}

func (c *Conn) sign(body []byte) []byte {
	var request struct {
		Key, Data []byte
		Flags     uint32
	}
	if err := ssh.Unmarshal(body, &request); err != nil {
		return c.refuse("", fmt.Errorf("a broken request to sign"))
	}
	key := c.agent.find(request.Key)
	if key == nil {
		return c.refuse("", fmt.Errorf("a signature with a key that it does not have"))
	}
	login, host, err := c.permitted(key, request.Data)
	if err != nil {
		return c.refuse(key.Name, err)
	}
	algorithm, err := algorithmOf(key.Signer.PublicKey().Type(), request.Flags)
	if err != nil {
		return c.refuse(key.Name, err)
	}
	signature, err := key.Signer.SignWithAlgorithm(rand.Reader, request.Data, algorithm)
	if err != nil {
		return c.refuse(key.Name, fmt.Errorf("signing failed: %w", err))
	}
	c.agent.report(Event{Secret: key.Name, Text: fmt.Sprintf("the SSH agent signed a login as %.100q at %s", login.User, host)})
	return appendString([]byte{signResponse}, ssh.Marshal(signature))
}

// algorithmOf is the signature's algorithm; RSA needs a flag, as without one it
// means SHA-1.
func algorithmOf(keyType string, flags uint32) (string, error) {
	const sha256, sha512 = 2, 4
	switch {
	case keyType != ssh.KeyAlgoRSA:
		return keyType, nil
	case flags&sha512 != 0:
		return ssh.KeyAlgoRSASHA512, nil
	case flags&sha256 != 0:
		return ssh.KeyAlgoRSASHA256, nil
	}
	return "", fmt.Errorf("the client asked for SHA-1, which is broken")
}

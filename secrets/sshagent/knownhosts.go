package sshagent

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// KnownHosts says which keys hosts have (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
type KnownHosts struct{ entries []entry }

type entry struct {
	marker string // "", cert-authority or revoked
	names  []string
	key    ssh.PublicKey
	line   string
}

// ParseKnownHosts reads the text of a known_hosts file. Lines that can not be
// read are left out, as ssh does.
func ParseKnownHosts(text string) KnownHosts {
	var k KnownHosts
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		marker, names, key, _, _, err := ssh.ParseKnownHosts([]byte(line + "\n"))
		if err == nil && (marker == "" || marker == "cert-authority" || marker == "revoked") {
			k.entries = append(k.entries, entry{marker, names, key, line})
		}
	}
	return k
}

// For keeps what concerns some hosts. A host is a name or an address, with or
// without a port behind a colon.
func (k KnownHosts) For(hosts []string) KnownHosts {
	var kept KnownHosts
	for _, e := range k.entries {
		if slices.ContainsFunc(hosts, func(h string) bool { return e.isFor(h) }) {
			kept.entries = append(kept.entries, e)
		}
	}
	return kept
}

// Knows reports whether some key is known for a host.
func (k KnownHosts) Knows(host string) bool {
	return slices.ContainsFunc(k.entries, func(e entry) bool { return e.marker != "revoked" && e.isFor(host) })
}

// String is the text as known_hosts files have it.
func (k KnownHosts) String() string {
	var b strings.Builder
	for _, e := range k.entries {
		b.WriteString(e.line + "\n")
	}
	return b.String()
}

// Host returns the first of the hosts that a key is known for.
func (k KnownHosts) Host(key ssh.PublicKey, hosts []string) (string, error) {
	for _, host := range hosts {
		if k.revoked(key, host) {
			return "", fmt.Errorf("the host's key is revoked in known_hosts (for %s)", host)
		}
	}
	for _, host := range hosts {
		for _, e := range k.entries {
			if e.isFor(host) && e.vouches(key, host) {
				return host, nil
			}
		}
	}
	return "", errors.New("the host's key is not that of " + strings.Join(hosts, " or "))
}

func (k KnownHosts) revoked(key ssh.PublicKey, host string) bool {
	suspects := []ssh.PublicKey{key}
	if cert, ok := key.(*ssh.Certificate); ok {
		suspects = append(suspects, cert.Key, cert.SignatureKey)
	}
	return slices.ContainsFunc(k.entries, func(e entry) bool {
		return e.marker == "revoked" && e.isFor(host) &&
			slices.ContainsFunc(suspects, func(s ssh.PublicKey) bool { return same(e.key, s) })
	})
}

// vouches reports whether an entry for a host says that a key is the host's.
func (e entry) vouches(key ssh.PublicKey, host string) bool {
	cert, isCert := key.(*ssh.Certificate)
	switch {
	case e.marker == "" && isCert:
		return same(e.key, cert.Key)
	case e.marker == "":
		return same(e.key, key)
	case e.marker != "cert-authority" || !isCert || !same(e.key, cert.SignatureKey):
		return false
	}
	name, _ := splitHost(host)
	return cert.CertType == ssh.HostCert && len(cert.ValidPrincipals) > 0 &&
		(&ssh.CertChecker{}).CheckCert(name, cert) == nil
}

func same(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// splitHost returns the name in lower case, and the port, "22" if none is given.
func splitHost(host string) (name, port string) {
	host = strings.ToLower(host)
	if name, port, err := net.SplitHostPort(host); err == nil {
		return name, port
	}
	return strings.Trim(host, "[]"), "22"
}

// isFor reports whether an entry is for a host. As for ssh, what is known of a
// name without a port counts for every port.
func (e entry) isFor(host string) bool {
	name, port := splitHost(host)
	if port != "22" && e.matches("["+name+"]:"+port) {
		return true
	}
	return e.matches(name)
}

func (e entry) matches(name string) bool {
	found := false
	for _, pattern := range e.names {
		switch {
		case strings.HasPrefix(pattern, "|"):
			found = found || hashed(pattern, name)
		case strings.HasPrefix(pattern, "!"):
			if wildcard(strings.ToLower(pattern[1:]), name) {
				return false
			}
		default:
			found = found || wildcard(strings.ToLower(pattern), name)
		}
	}
	return found
}

// hashed compares a name with a hashed one: |1|salt|HMAC-SHA1 of it.
func hashed(pattern, name string) bool {
	parts := strings.Split(pattern, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return false
	}
	salt, err1 := base64.StdEncoding.DecodeString(parts[2])
	want, err2 := base64.StdEncoding.DecodeString(parts[3])
	sum := hmac.New(sha1.New, salt)
	sum.Write([]byte(name))
	return err1 == nil && err2 == nil && hmac.Equal(sum.Sum(nil), want)
}

// wildcard matches * and ? (ssh_config(5), PATTERNS).
func wildcard(pattern, name string) bool {
	p, n, star, mark := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p, n = p+1, n+1
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

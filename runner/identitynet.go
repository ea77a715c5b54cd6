package runner

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// networkParts are what a stage can reach, whom it trusts, and what it gets of
// secrets. Their values are not among them: nobody reads a secret to find out
// whether a stage has to run.
func networkParts(id *stages.Identity, s *config.Stage) error {
	add(id, "network", string(s.Network))
	var hosts []string
	for _, a := range s.Allow {
		hosts = append(hosts, a.String())
	}
	slices.Sort(hosts)
	add(id, "allowed hosts", hashJSON(hosts))
	var uses [][]string
	for _, secret := range s.Secrets {
		uses = append(uses, secretUse(secret))
	}
	add(id, "secrets", hashJSON(uses))
	trust, err := trustDigest(s.Trust)
	add(id, "trust", trust)
	return err
}

// secretUse is what a stage sees of a secret, but for its value.
func secretUse(s *config.Secret) []string {
	out := []string{s.Address(), string(s.Use())}
	if s.SSH != nil {
		return append(out, s.SSH.Hosts...)
	}
	out = append(out, s.Token.Variable)
	for _, in := range s.Token.Inject {
		out = append(out, in.Host, in.Header, in.Format)
	}
	return out
}

// trustDigest hashes the content of files with certificate authorities. Where
// they lie does not matter.
func trustDigest(files []string) (string, error) {
	if len(files) == 0 {
		return "none", nil
	}
	var digests []string
	for _, name := range files {
		data, err := readTrust(name)
		if err != nil {
			return "", fmt.Errorf("trust: %s: %w", name, err)
		}
		digests = append(digests, fmt.Sprintf("%x", sha256.Sum256(data)))
	}
	return hashJSON(digests), nil
}

package runner

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

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

// maxTrust is the largest file with certificate authorities, in bytes.
const maxTrust = 4 << 20

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
			return "", fmt.Errorf("trust: %w", err)
		}
		digests = append(digests, fmt.Sprintf("%x", sha256.Sum256(data)))
	}
	return hashJSON(digests), nil
}

// readTrust reads a file with certificate authorities.
func readTrust(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is not a file", name))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxTrust+1))
	if err == nil && len(data) > maxTrust {
		err = fmt.Errorf("%s has more than %s", name, config.FormatSize(maxTrust))
	}
	return data, err
}

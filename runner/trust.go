package runner

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"github.com/ambient-ci/ambient/config"
)

// maxTrust is the largest file with certificate authorities, in bytes.
const maxTrust = 4 << 20

// authorities are what a guest trusts, in PEM: what the host does, and what the
// files of trust blocks hold.
func authorities(host []byte, files []string) ([]byte, error) {
	all := slices.Clone(host)
	for _, name := range files {
		data, err := readTrust(name)
		if err == nil {
			data, err = certificates(data)
		}
		if err != nil {
			return nil, fmt.Errorf("trust: %s: %w", name, err)
		}
		if len(all) > 0 && all[len(all)-1] != '\n' {
			all = append(all, '\n')
		}
		all = append(all, data...)
	}
	return all, nil
}

// certificates returns the certificates of a file in PEM and nothing else: a key
// that stands beside them does not enter a guest.
func certificates(data []byte) ([]byte, error) {
	var out bytes.Buffer
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, err
		}
		_ = pem.Encode(&out, &pem.Block{Type: block.Type, Bytes: block.Bytes}) // a buffer does not fail
	}
	if out.Len() == 0 {
		return nil, errors.New("there is no certificate in PEM in it")
	}
	return out.Bytes(), nil
}

// readTrust reads a file with certificate authorities.
func readTrust(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it is not a file"))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxTrust+1))
	if err == nil && len(data) > maxTrust {
		err = fmt.Errorf("it has more than %s", config.FormatSize(maxTrust))
	}
	return data, err
}

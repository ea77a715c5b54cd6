package agent

import (
	"crypto/x509"
	"errors"
)

// bundleFile is where programs on Debian look for certificate authorities.
const bundleFile = "/etc/ssl/certs/ca-certificates.crt"

// trustVariables name the bundle for programs that look elsewhere.
var trustVariables = []string{"SSL_CERT_FILE", "NIX_SSL_CERT_FILE", "CURL_CA_BUNDLE",
	"REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "PIP_CERT", "CARGO_HTTP_CAINFO"}

// trust installs the host's certificate authorities in place of the image's,
// and returns the environment that points to them and the same as a pool.
func trust(pem []byte, install func(path string, content []byte) error) (map[string]string, *x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, nil, errors.New("no certificate in what the host trusts")
	}
	if err := install(bundleFile, pem); err != nil {
		return nil, nil, err
	}
	env := map[string]string{}
	for _, name := range trustVariables {
		env[name] = bundleFile
	}
	return env, pool, nil
}

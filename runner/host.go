package runner

import (
	"os"
	"runtime"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/images/apt"
)

// caFiles are where systems keep the bundle of certificate authorities that
// they trust, after the two variables that OpenSSL and Go obey.
var caFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch, Gentoo
	"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
	"/etc/ssl/ca-bundle.pem",             // openSUSE
	"/etc/ssl/cert.pem",                  // Alpine
}

// maxCA bounds the bundle that is handed to guests, in bytes.
const maxCA = 4 << 20

// hostCA is the bundle of certificate authorities that this host trusts, nil
// when it has none.
func hostCA() []byte {
	for _, path := range append([]string{os.Getenv("SSL_CERT_FILE")}, caFiles...) {
		if data, err := os.ReadFile(path); path != "" && err == nil && len(data) <= maxCA {
			return data
		}
	}
	return nil
}

// hostInfo is what actions may know of this machine.
func hostInfo() actions.Host {
	return actions.NewHost(debianSources)
}

func debianSources(suite string) ([]actions.DebianSource, error) {
	found, err := apt.Sources(suite, "")
	if err != nil {
		return nil, err
	}
	var out []actions.DebianSource
	for _, s := range found {
		out = append(out, actions.DebianSource{URI: s.URI, Suite: s.Suite, Components: s.Components})
	}
	return out, nil
}

func goArch() string { return runtime.GOARCH }

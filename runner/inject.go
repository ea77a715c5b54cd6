package runner

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/egress"
)

// authoritySpare is how much longer than the stage its authority lives.
const authoritySpare = time.Hour

// prepareAuthority makes the authority that ends the TLS of hosts whose requests
// get a header. It is the stage's alone, and its key is in no file.
func (x *execution) prepareAuthority() error {
	var hosts []string
	for _, s := range x.job.Stage.Secrets {
		if s.Use() != config.UseInject {
			continue
		}
		for _, in := range s.Token.Inject {
			host, _, err := injectionTarget(in.Host)
			if err != nil {
				return err
			}
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		return nil
	}
	var err error
	x.net.authority, err = egress.NewAuthority(hosts, x.job.Stage.Limits.Timeout+authoritySpare)
	return err
}

// injectionTarget reads a host, or a host and a port.
func injectionTarget(text string) (host string, port uint16, err error) {
	host, number, err := net.SplitHostPort(text)
	if err != nil { // no port
		return text, 443, nil
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("%q has no port that is one", text)
	}
	return host, uint16(n), nil
}

// trusted adds the stage's own authority to what its guest trusts, and remembers
// the rest for connections that are verified here.
func (x *execution) trusted(pem []byte) []byte {
	if x.net == nil || x.net.authority == nil {
		return pem
	}
	x.net.roots = x509.NewCertPool()
	x.net.roots.AppendCertsFromPEM(pem)
	return append(append(pem[:len(pem):len(pem)], '\n'), x.net.authority.PEM()...)
}

// headers are what the gateway adds to requests.
func (x *execution) headers() (all []egress.Injection, err error) {
	if x.secrets == nil {
		return nil, nil
	}
	for _, in := range x.secrets.injections {
		host, port, err := injectionTarget(in.Host)
		if err != nil {
			return nil, err
		}
		value := in.Value
		all = append(all, egress.Injection{
			Host: host, Port: port, Header: in.Header,
			Value: func(context.Context) (string, error) { return value, nil },
		})
	}
	return all, nil
}

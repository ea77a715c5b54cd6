package config

import "time"

// Secret is a secret block: where a value is, never the value. It is read when a
// stage that names it starts. Exactly one of SSH and Token is set.
type Secret struct {
	Name  string
	SSH   *SSHSecret
	Token *TokenSecret
	Range Range // of the block's header
}

// Address is how files name a secret: secret.ssh.deploy.
func (s *Secret) Address() string {
	if s.SSH != nil {
		return "secret.ssh." + s.Name
	}
	return "secret.token." + s.Name
}

// SSHSecret is a key for SSH. Paths are absolute, on this machine.
type SSHSecret struct {
	PrivateKey string
	Use        SecretUse // agent or file
	// Hosts are what the key may be used for: a name, or name:port. With UseAgent a
	// signature is made for these hosts only, known by KnownHosts.
	Hosts      []string
	KnownHosts string // the text of a known_hosts file (sshd(8))
	// KnownHostsFile is a file with the same. With neither, the one of the host's
	// user counts.
	KnownHostsFile string
	// At most one of these is set.
	Certificate        string   // a file
	CertificateCommand []string // prints a certificate for the public key on its standard input
	Sign               *SSHSign // a certificate made for each run
}

// SSHSign makes a certificate that lives for minutes (ssh-keygen(1),
// CERTIFICATES).
type SSHSign struct {
	CA         string // the file with the authority's private key
	Principals []string
	Valid      time.Duration
}

// SecretUse is how a stage uses a secret.
type SecretUse string

// The uses of a secret.
const (
	UseAgent    SecretUse = "agent"    // ssh: it stays on the host, which signs
	UseFile     SecretUse = "file"     // a file below /ci/secrets
	UseVariable SecretUse = "variable" // token: an environment variable of the stage
	UseInject   SecretUse = "inject"   // token: it stays on the host, which adds it to requests
)

// TokenSecret is a text. Exactly one of File, Command, Env and Age is set; paths
// are absolute, on this machine.
type TokenSecret struct {
	File     string
	Command  []string // prints it; run in the configuration's directory
	Env      string   // a variable of ambient's own environment
	Age      string   // a file encrypted with age
	Identity string   // with Age: the file with the identity; empty: the user's own

	Use      SecretUse // file, variable or inject
	Variable string    // with UseVariable: its name
	Inject   []Inject  // with UseInject
}

// Inject adds a header with a token to the requests to a host.
type Inject struct {
	Host   string // a name; the port is 443, or as in name:port
	Header string
	Format string // with one %s for the value
}

// SecretAddresses names the secrets of a stage, in the order of the file.
func (s *Stage) SecretAddresses() []string {
	names := make([]string, len(s.Secrets))
	for i, secret := range s.Secrets {
		names[i] = secret.Address()
	}
	return names
}

package config

import "time"

// secretSpec is what every secret block has; its kinds have the rest.
var secretSpec = &blockSpec{Name: "secret", Labels: []string{"kind", "name"}, Kinds: []*blockSpec{sshSpec, tokenSpec}}

const secretPlace = "A secret stands at the top of a file. A pre or post stage names it: secrets = [secret.ssh.NAME]."

const noSecretsInPlan = "A plan stage runs the project's code, which nobody has vetted and which could put a secret into a log or an artifact, so it never gets one. " +
	"Use the secret in a pre stage, to fetch, or in a post stage, to deliver."

const pathDoc = " A path on this machine, relative to the directory of the files; `~/` is your home. It is read when a stage that names the secret starts."

// Bounds of a certificate that is signed for a run.
const (
	minValid     = time.Minute
	maxValid     = 24 * time.Hour
	defaultValid = 10 * time.Minute
)

var sshSpec = &blockSpec{
	Name: "secret", Kind: "ssh", Labels: []string{"kind", "name"},
	Doc: "A key for SSH, used as `secrets = [secret.ssh.NAME]` by `pre` and `post` stages. With `use = \"agent\"` it never enters the machine: `SSH_AUTH_SOCK` leads to an agent " +
		"on the host, which signs for `hosts` only.",
	Example: "secret \"ssh\" \"deploy\" {\n  private_key = \"~/.ssh/deploy_ed25519\"\n  hosts       = [\"files.example.org\"]\n}",
	Args: []argSpec{
		{Name: "private_key", Type: "string", Required: true, Doc: "The file with the private key." + pathDoc},
		{Name: "use", Type: "string", Default: `"agent"`, Doc: "`agent`: the key stays on the host, which signs. `file`: the key is the file `secret.ssh.NAME.path` in the machine."},
		{Name: "hosts", Type: "list(string)", Default: "[]", Doc: "What the key may be used for: `NAME`, or `NAME:PORT` where the port is not 22. An agent needs at least one, since it signs for no other."},
		{Name: "known_hosts", Type: "string", Default: "those of the user", Doc: "The keys of `hosts`: the text of a known_hosts file (sshd(8)), for example from `file(\"known_hosts\")`."},
		{Name: "known_hosts_file", Type: "string", Doc: "The same in a file." + pathDoc},
		{Name: "certificate", Type: "string", Doc: "The file with a certificate for the key." + pathDoc},
		{Name: "certificate_command", Type: "list(string)", Doc: "A command on this machine that reads the public key from its standard input and prints a certificate for it. Without a shell."},
	},
	Blocks: []*blockSpec{{
		Name: "sign", Single: true,
		Doc:     "A certificate for the key, made for each run and good for minutes.",
		Example: "sign {\n  ca         = \"~/.ssh/ca_ed25519\"\n  principals = [\"deploy\"]\n  valid      = \"10m\"\n}",
		Args: []argSpec{
			{Name: "ca", Type: "string", Required: true, Doc: "The file with the private key of the authority." + pathDoc},
			{Name: "principals", Type: "list(string)", Required: true, Doc: "The names of users or hosts that the certificate is good for."},
			{Name: "valid", Type: "duration", Default: FormatDuration(defaultValid), Doc: "How long it is good, from 1m to 24h."},
		},
	}},
}

const noValueHere = "A value in a file that many can read is no secret. Say where it is: file = \"…\", command = [\"…\"], env = \"…\", or age = \"…\" for a file that is encrypted with age."

var tokenSpec = &blockSpec{
	Name: "secret", Kind: "token", Labels: []string{"kind", "name"},
	Doc: "A text such as a password or a token, used as `secrets = [secret.token.NAME]` by `pre` and `post` stages. Exactly one of `file`, `command`, `env` and `age` says where it is. " +
		"In the machine it is the file `secret.token.NAME.path`, or what `variable` says; with `inject` it never enters the machine.",
	Example: "secret \"token\" \"api\" {\n  command = [\"pass\", \"show\", \"example/api\"]\n  inject {\n    host = \"api.example.org\"\n  }\n}",
	Args: []argSpec{
		{Name: "file", Type: "string", Doc: "A file with the value; one line end after it does not count." + pathDoc},
		{Name: "command", Type: "list(string)", Doc: "A command on this machine that prints the value. Run in the directory of the files, without a shell, when a stage that names the secret starts."},
		{Name: "env", Type: "string", Doc: "The environment variable of `ambient` that holds the value."},
		{Name: "age", Type: "string", Doc: "A file that is encrypted with age." + pathDoc},
		{Name: "identity", Type: "string", Default: "the user's own", Doc: "With `age`: the file with the identity that decrypts it." + pathDoc},
		{Name: "variable", Type: "string", Doc: "The environment variable of the stage that is to hold the value, instead of a file."},
		{Name: "value", Never: noValueHere}, {Name: "token", Never: noValueHere}, {Name: "password", Never: noValueHere},
	},
	Blocks: []*blockSpec{{
		Name: "inject",
		Doc: "Adds the value to requests over HTTPS on their way out of the machine. The stage may reach the host without naming it in its `network` block. " +
			"There may be several.",
		Example: "inject {\n  host   = \"api.example.org\"\n  header = \"Authorization\"\n  format = \"Bearer %s\"\n}",
		Args: []argSpec{
			{Name: "host", Type: "string", Required: true, Doc: "The host: `NAME`, or `NAME:PORT` where the port is not 443."},
			{Name: "header", Type: "string", Default: `"Authorization"`, Doc: "The header, which replaces one that the guest sends."},
			{Name: "format", Type: "string", Default: `"Bearer %s"`, Doc: "The header's value, with one `%s` for the secret."},
		},
	}},
}

// secretsArg is the argument by which a stage of a phase names secrets.
func secretsArg(phase Phase) argSpec {
	a := argSpec{Name: "secrets", Type: "list(secret)", Default: "[]", Doc: "The secrets that the stage uses, such as `[secret.ssh.deploy, secret.token.api]`. They are read when it starts, and by no other stage."}
	if phase == Plan {
		a.Never = noSecretsInPlan
	}
	return a
}

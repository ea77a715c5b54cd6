package actions

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// What the delivering actions share. The artifacts that they read were made by
// the project's code and are hostile: what they hold must neither run in a
// machine that has secrets nor lead out of the artifacts, where secrets are.

const (
	secretsKnownHosts = guest.DirSecrets + "/known_hosts"
	deliverDir        = "/run/ambient-deliver" // on a tmpfs
	sshConfig         = deliverDir + "/ssh_config"
)

// statusFinal is the exit status of a delivering script for a failure that no
// other try mends and that is no outage.
const statusFinal = 65

// Parameters that the delivering actions share.
var (
	keyParam   = config.Param{Name: "key", Type: config.TypeString, Doc: "The file with the private key: `secret.ssh.NAME.path`. Without it, the agent's keys and every key that is a file in `/ci/secrets` are tried."}
	portParam  = config.Param{Name: "port", Type: config.TypeNumber, Default: int64(22), Doc: "The port of the SSH server."}
	tokenParam = config.Param{Name: "token", Type: config.TypeString, Doc: "A file with a password or token: `secret.token.NAME.path`. A secret with an `inject` block needs no such argument."}
)

var (
	sshUser = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	netName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$|^[0-9A-Fa-f:]+:[0-9A-Fa-f:.]+$`)
)

// sshTarget is where files go by SSH: [user@]host:path, an IPv6 address in
// square brackets.
type sshTarget struct{ user, host, path string }

func parseSSHTarget(s string) (t sshTarget, ok bool) {
	if i := strings.Index(s, "@"); i >= 0 && i < strings.Index(s, ":") {
		t.user, s = s[:i], s[i+1:]
		if !sshUser.MatchString(t.user) {
			return t, false
		}
	}
	if rest, is := strings.CutPrefix(s, "["); is {
		t.host, t.path, ok = strings.Cut(rest, "]:")
	} else {
		t.host, t.path, ok = strings.Cut(s, ":")
	}
	return t, ok && netName.MatchString(t.host) && t.path != "" && !strings.HasPrefix(t.path, ":") && !strings.HasPrefix(t.path, "//") && !strings.HasPrefix(t.path, "-") && plainWord(t.path)
}

// address is the target without its path, as ssh, scp and rsync take it.
func (t sshTarget) address() string {
	host := t.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.user != "" {
		return t.user + "@" + host
	}
	return host
}

// plainWord reports whether s is text without white space, control characters
// and characters that mean something to a shell.
func plainWord(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("'\"`$;&|<>()*?[]{}!#\\", r)
	})
}

// sshTarget checks an argument of the form [user@]host:path.
func (c *checker) sshTarget(args config.Args) {
	if _, ok := parseSSHTarget(args.String("target")); !ok {
		c.problem("target", "Not a target", "Write \"host:path\" or \"user@host:path\", without white space and characters that mean something to a shell; the path does not begin with a hyphen. The port has an argument of its own.")
	}
	c.port("port", args)
}

func (c *checker) port(param string, args config.Args) {
	if n := args.Int(param); args.Has(param) && (n < 1 || n > 65535) {
		c.problem(param, "Port out of range", "Write a number from 1 to 65535.")
	}
}

// secretFile checks an argument that names a file below /ci/secrets.
func (c *checker) secretFile(param string, args config.Args) {
	if p := args.String(param); args.Has(param) && (!strings.HasPrefix(p, guest.DirSecrets+"/") || path.Clean(p) != p || !plainWord(p)) {
		c.problem(param, "Not a secret that is a file", "Write secret.ssh.NAME.path or secret.token.NAME.path, and name the secret in the stage's secrets.")
	}
}

// artifact checks an argument that names something in the artifacts.
func (c *checker) artifact(param, p string) {
	if path.Clean(p) != "." || p == "" {
		c.below(param, p, guest.DirArtifacts)
	}
}

// sshReach is the server of an SSH target.
func sshReach(args config.Args, _ Host, _ Tree) ([]config.Allow, error) {
	t, ok := parseSSHTarget(args.String("target"))
	if !ok {
		return nil, fmt.Errorf("the target %q is none", args.String("target"))
	}
	return allowHost(t.host, args.Int("port")), nil
}

func allowHost(host string, port int64) []config.Allow {
	return []config.Allow{{Host: strings.ToLower(host), Port: uint16(port)}}
}

// allowURL is the server of an address with a scheme whose port is given.
func allowURL(address string, ports map[string]int64) ([]config.Allow, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	port := ports[u.Scheme]
	if p := u.Port(); p != "" {
		if port, err = strconv.ParseInt(p, 10, 17); err != nil || port > 65535 {
			return nil, fmt.Errorf("the address %s has no port that there is", u.Redacted())
		}
	}
	return allowHost(u.Hostname(), port), nil
}

// deliverScript returns a step that runs shell text with the helpers below. It is
// repeated when it fails but by statusFinal, and then an outage.
func deliverScript(text string, args config.Args, ssh bool, needs ...guest.Tool) guest.Step {
	prepare := ""
	if ssh {
		prepare = fmt.Sprintf(sshPrepare, sshConfig, quote(args.String("key")), args.Int("port"), secretsKnownHosts, guest.DirSecrets)
		needs = append(needs, guest.Tool{Program: "ssh", Package: "openssh-client"})
	}
	return guest.Step{Exec: &guest.Exec{
		Script: fmt.Sprintf(deliverHelpers, deliverDir, statusFinal, guest.DirArtifacts) + prepare + text, Shell: "sh",
		Dir: guest.DirArtifacts, Env: map[string]string{"LC_ALL": "C.UTF-8"}, Needs: needs,
		Retries: int(args.Int("retries")), Outage: true, Final: statusFinal,
	}}
}

// deliverHelpers are shell functions. Their arguments: a scratch directory, the
// final status, the artifacts.
const deliverHelpers = `scratch=%[1]s
artifacts=%[3]s
rm -rf "$scratch"
mkdir -m 0700 "$scratch"
refuse() {
	echo "$*" >&2
	exit %[2]d
}
# inside PATH: it exists, and leads to something in the artifacts.
inside() {
	real=$(readlink -f -- "$artifacts/$1") && [ -e "$real" ] || refuse "$1 is not in the artifacts"
	case $real in
	"$artifacts" | "$artifacts"/*) ;;
	*) refuse "$1 is a link that leads out of the artifacts" ;;
	esac
}
# plain PATH: it holds files and directories only.
plain() {
	odd=$(find "$1" ! -type f ! -type d | head -n 3)
	[ -z "$odd" ] || refuse "only plain files can be delivered, and these are none: $odd"
}
# attempt PATTERN COMMAND...: a failure of the command that says PATTERN, in any
# case, is final.
attempt() {
	final=$1
	shift
	{
		status=0
		"$@" || status=$?
		echo "$status" >"$scratch/status"
	} 2>&1 | tee "$scratch/said"
	status=$(cat "$scratch/status")
	[ "$status" -ne 0 ] || return 0
	if grep -qiE -- "$final" "$scratch/said"; then exit %[2]d; fi
	return "$status"
}
`

// sshFinal is what ssh says when a server refuses it, as an extended regular
// expression.
const sshFinal = "permission denied|host key verification failed|identification has changed|no matching host key|no matching .* method|too many authentication|account is|not a directory|no such file|read-only file system|no space left|quota exceeded"

// sshPrepare writes a configuration for ssh. Its arguments: where to, a key, the
// port, the known hosts, the secrets.
const sshPrepare = `key=%[2]s
if [ ! -s %[4]s ]; then
	refuse "there is no %[4]s, so no server can be told from an impostor: name in the stage's secrets an SSH secret with known_hosts"
fi
{
	echo "Host *"
	echo "	Port %[3]d"
	echo "	BatchMode yes"
	echo "	StrictHostKeyChecking yes"
	echo "	UserKnownHostsFile %[4]s"
	echo "	GlobalKnownHostsFile /dev/null"
	echo "	UpdateHostKeys no"
	echo "	ConnectTimeout 30"
	echo "	ServerAliveInterval 15"
	echo "	ServerAliveCountMax 4"
	if [ -n "$key" ]; then
		echo "	IdentityFile $key"
		echo "	IdentitiesOnly yes"
		echo "	IdentityAgent none"
	else
		for f in %[5]s/*; do
			if [ -f "$f" ] && head -n 1 "$f" | grep -q -- "^-----BEGIN .*PRIVATE KEY-----"; then echo "	IdentityFile $f"; fi
		done
		echo "	IdentityFile none"
	fi
} >%[1]s
[ -z "$key" ] || [ -s "$key" ] || refuse "there is no $key"
`

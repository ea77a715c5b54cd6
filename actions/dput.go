package actions

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// dputPorts are the methods and their ports.
var dputPorts = map[string]int64{"ftp": 21, "http": 80, "https": 443, "scp": 22}

const dputWork = "/var/tmp/ambient-dput"

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "dput",
		Doc: "Uploads Debian packages to the queue of an archive, with dput.\n\n" +
			"It uploads every `.changes` file in a directory of the artifacts, with the files that it lists. Packages are not signed: the archive must trust its uploaders by other means. " +
			"For `scp` the server's key must be in the `known_hosts` of an SSH secret of the stage. " +
			"A server that can not be reached makes the stage errored, once the retries are used up; one that refuses makes it failed. The image needs `dput`, and `openssh-client` for SSH.",
		Phases: []config.Phase{config.Post},
		Params: []config.Param{
			artifactsParam,
			{Name: "host", Type: config.TypeString, Required: true, Doc: "The server's name or address."},
			{Name: "method", Type: config.TypeString, Default: "scp", Doc: "How to upload: `scp`, `https`, `http`, or `ftp` as an anonymous user."},
			{Name: "incoming", Type: config.TypeString, Required: true, Doc: "The directory on the server."},
			{Name: "login", Type: config.TypeString, Default: "root", Doc: "The user's name on the server, for `scp`."},
			{Name: "port", Type: config.TypeNumber, Doc: "The server's port. Without it, the usual one of the method."},
			keyParam, retriesParam,
		},
		Example:     "action \"dput\" {\n  artifacts = \"debian\"\n  host      = \"archive.example.org\"\n  login     = \"upload\"\n  incoming  = \"/srv/queue\"\n}",
		NeedsDebian: true,
		Check:       checkDput,
	},
	Steps: dputSteps,
	Reach: func(args config.Args, _ Host, _ Tree) ([]config.Allow, error) {
		if args.String("method") == "ftp" {
			return allowHost(args.String("host"), 0), nil // files have ports of their own
		}
		return allowHost(args.String("host"), dputPort(args)), nil
	},
	Title: func(args config.Args) string { return "dput " + args.String("host") },
})

func dputPort(args config.Args) int64 {
	if args.Has("port") {
		return args.Int("port")
	}
	return dputPorts[args.String("method")]
}

func checkDput(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	c.artifact("artifacts", args.String("artifacts"))
	if !netName.MatchString(args.String("host")) {
		c.problem("host", "Not a host", "Write the name or the address of a server; the port has an argument of its own.")
	}
	methods := sortedKeys(dputPorts)
	if !slices.Contains(methods, args.String("method")) {
		c.problem("method", "Unknown method", "Write one of "+strings.Join(methods, ", ")+".")
	}
	if p := args.String("incoming"); p == "" || strings.HasPrefix(p, "-") || !plainWord(p) || strings.Contains(p, "%") {
		c.problem("incoming", "Not a directory", "Write the directory on the server, without white space and characters that mean something to a shell; it does not begin with a hyphen.")
	}
	if args.Has("login") && !sshUser.MatchString(args.String("login")) {
		c.problem("login", "Not a user's name", "Write the name as the server knows it, without white space.")
	}
	c.port("port", args)
	c.secretFile("key", args)
	return c.problems
}

func dputSteps(args config.Args, _ Host) ([]guest.Step, error) {
	method, host := args.String("method"), args.String("host")
	ssh := method == "scp"
	login := "anonymous"
	if ssh {
		login = args.String("login")
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if !ssh && dputPort(args) != dputPorts[method] {
		host = fmt.Sprintf("%s:%d", host, dputPort(args))
	}
	given := config.Args{Values: map[string]any{"port": dputPort(args), "key": args.String("key"), "retries": args.Int("retries")}}
	text := fmt.Sprintf(dputUpload, quote(path.Clean(args.String("artifacts"))), dputWork, host, method, args.String("incoming"), login, sshConfig, quote(dputFinal))
	return []guest.Step{deliverScript(text, given, ssh, guest.Tool{Program: "dput", Package: "dput"})}, nil
}

// dputFinal is what dput says when an upload is refused, beside what ssh says.
const dputFinal = sshFinal + "|upload failed( as|: 4[0-9][0-9])|need authentication|wrong password|error '?(5[0-9][0-9]|4[0-9][0-9])|: (530|550|553) |checksum|unsigned|certificate"

// dputUpload uploads every .changes file. Its arguments: the directory, a scratch
// directory, and of dput.cf(5) fqdn, method, incoming and login, then ssh's
// configuration and what is final. dput reads every file that a .changes names,
// wherever it is, and gives the names to a shell on the server: so these must be
// plain and the files copies. What an earlier try uploaded is not sent again. It runs ssh and scp by their names.
const dputUpload = `inside %[1]s
work=%[2]s
rm -rf "$work"
mkdir -p "$work"
find "$real" -maxdepth 1 -type f -exec cp {} "$work/" \;
chmod 0644 "$work"/* 2>/dev/null || true
cd "$work"
ls -- *.changes >/dev/null 2>&1 || refuse "there is no .changes file in $real"
for changes in *.changes; do
	odd=$(awk 'BEGIN { plain = "^[A-Za-z0-9][A-Za-z0-9.+~_-]*$" }
		/^[^ \t]/ { files = tolower($0) ~ /^(files|checksums-[a-z0-9]+):/; if (NF == 1) next }
		files && NF > 0 && $NF !~ plain { print $NF; exit }' "$changes")
	[ -z "$odd" ] || refuse "$changes names a file that no archive takes: $odd"
done
mkdir "$scratch/bin"
for tool in ssh scp; do
	printf '#!/bin/sh\nexec /usr/bin/%%s -F %%s "$@"\n' "$tool" %[7]s >"$scratch/bin/$tool"
	chmod 0700 "$scratch/bin/$tool"
done
export PATH="$scratch/bin:$PATH"
cat >"$scratch/dput.cf" <<-EOF
	[queue]
	fqdn = %[3]s
	method = %[4]s
	incoming = %[5]s
	login = %[6]s
	allow_unsigned_uploads = 1
	allow_dcut = 0
	run_dinstall = 0
	run_lintian = 0
	check_version = 0
	progress_indicator = 0
	passive_ftp = 1
EOF
for changes in *.changes; do
	if grep -qxF -- "$changes" "$work.done" 2>/dev/null; then continue; fi
	attempt %[8]s dput -c "$scratch/dput.cf" -U -u queue "$changes"
	printf '%%s\n' "$changes" >>"$work.done"
done
cd /
rm -rf "$work" "$work.done"
`

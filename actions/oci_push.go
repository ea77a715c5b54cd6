package actions

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "oci_push",
		Doc: "Pushes a container image to a registry, with skopeo.\n\n" +
			"The image is an OCI layout, a directory or a tar archive, or an archive as `docker save` makes it; which one is found out. An image for several architectures is pushed whole, and its layers as they are, where the registry has them not. " +
			"A registry that can not be reached makes the stage errored, once the retries are used up; one that refuses makes it failed. The image of the stage needs `skopeo`.",
		Phases: []config.Phase{config.Post},
		Params: []config.Param{
			{Name: "image", Type: config.TypeString, Required: true, Doc: "The image, relative to the artifacts."},
			{Name: "target", Type: config.TypeString, Required: true, Doc: "Where to: `registry/repository:tag`, such as `registry.example.org:5000/team/hello:1.2`."},
			{Name: "tags", Type: config.TypeStrings, Doc: "Further tags of the same repository."},
			{Name: "username", Type: config.TypeString, Default: "ci", Doc: "The user's name, with `token`."},
			tokenParam,
			{Name: "tls", Type: config.TypeBool, Default: true, Doc: "Whether the registry is reached by HTTPS. Set it to false for a registry that only has HTTP."},
			retriesParam,
		},
		Example:     "action \"oci_push\" {\n  image    = \"hello.tar\"\n  target   = \"registry.example.org/team/hello:1.2\"\n  username = \"deploy\"\n  token    = secret.token.registry.path\n}",
		NeedsDebian: true,
		Check:       checkOCIPush,
	},
	Steps: ociPushSteps,
	Reach: func(args config.Args, _ Host, _ Tree) ([]config.Allow, error) {
		host, _, ok := ociTarget(args.String("target"))
		if !ok {
			return nil, fmt.Errorf("the target %q is none", args.String("target"))
		}
		return allowURL(ociScheme(args)+"://"+host, gitPorts)
	},
	Title: func(args config.Args) string { return "oci_push " + args.String("target") },
})

func ociScheme(args config.Args) string {
	if args.Bool("tls") {
		return "https"
	}
	return "http"
}

// As the distribution specification has them.
var (
	ociHost = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?$`)
	ociRepo = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	ociTag  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
)

// ociTarget returns the registry and the repository of registry/repository:tag.
func ociTarget(s string) (host, repository string, ok bool) {
	host, rest, ok := strings.Cut(s, "/")
	repository, tag, tagged := strings.Cut(rest, ":")
	return host, repository, ok && tagged && ociHost.MatchString(host) && ociRepo.MatchString(repository) && ociTag.MatchString(tag)
}

func checkOCIPush(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	c.below("image", args.String("image"), guest.DirArtifacts)
	if _, _, ok := ociTarget(args.String("target")); !ok {
		c.problem("target", "Not the target of an image", "Write \"registry/repository:tag\", the repository in small letters.")
	}
	for _, t := range args.Strings("tags") {
		if !ociTag.MatchString(t) {
			c.problem("tags", "Not a tag", "A tag has up to 128 letters, digits, \"_\", \".\" and \"-\", and does not begin with a dot or a hyphen.")
			break
		}
	}
	if !sshUser.MatchString(args.String("username")) {
		c.problem("username", "Not a user's name", "Write the name as the registry knows it, without white space.")
	}
	c.secretFile("token", args)
	return c.problems
}

func ociPushSteps(args config.Args, _ Host) ([]guest.Step, error) {
	host, repository, _ := ociTarget(args.String("target"))
	targets := []string{args.String("target")}
	for _, t := range args.Strings("tags") {
		targets = append(targets, host+"/"+repository+":"+t)
	}
	text := fmt.Sprintf(ociPush, quote(path.Clean(args.String("image"))), quote(args.String("token")), quote(args.String("username")), quote(host),
		quote(ociFinal), args.Bool("tls"), quoteAll(targets))
	return []guest.Step{deliverScript(text, args, false, guest.Tool{Program: "skopeo", Package: "skopeo"})}, nil
}

// ociFinal is what skopeo says when a registry refuses an image.
const ociFinal = "unauthorized|denied|authentication required|forbidden|invalid status code from registry 4[0-9][0-9]|status code? 40[0-9]|name unknown|name_unknown|manifest invalid|x509|http response to https client|does not match|digest mismatch"

// ociPush pushes an image under each tag. Its arguments: the image, the token's
// file, the user's name, the registry, what is final, whether to use TLS, the
// targets.
const ociPush = `inside %[1]s
token=%[2]s
if [ -d "$real" ]; then
	plain "$real"
	[ -e "$real/oci-layout" ] || refuse "oci_push: $real is no OCI layout: it has no file oci-layout"
	from=oci:$real
elif tar -tf "$real" 2>/dev/null | grep -qxE '(\./)?oci-layout'; then
	from=oci-archive:$real
elif tar -tf "$real" 2>/dev/null | grep -qxE '(\./)?manifest\.json'; then
	from=docker-archive:$real
else
	refuse "oci_push: $real is no archive with an image: it has no oci-layout and no manifest.json"
fi
if [ -n "$token" ]; then
	[ -s "$token" ] || refuse "there is no $token"
	auth=$({ printf '%%s:' %[3]s; tr -d '\r\n' <"$token"; } | base64 -w 0)
	printf '{"auths":{"%%s":{"auth":"%%s"}}}' %[4]s "$auth" >"$scratch/auth.json"
else
	echo '{}' >"$scratch/auth.json"
fi
export REGISTRY_AUTH_FILE="$scratch/auth.json" TMPDIR=/var/tmp
for target in %[7]s; do
	attempt %[5]s skopeo copy --all --dest-tls-verify=%[6]t "$from" "docker://$target"
done
`

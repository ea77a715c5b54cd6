package actions

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

const (
	rustupHome    = guest.DirDeps + "/rustup" // RUSTUP_HOME: toolchains, and the programs that choose one
	rustupScratch = "/tmp/ambient-rustup"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name: "rustup",
		Doc: "Installs a toolchain of Rust into `/ci/deps/rustup`.\n\n" +
			"It is for later actions of the same stage, such as `cargo_fetch`, and for all `plan` stages: `RUSTUP_HOME`, `RUSTUP_TOOLCHAIN` and `PATH` are set for them, " +
			"so that this toolchain is used whatever `rust-toolchain.toml` says. The image needs a linker too: the package `gcc`.\n\n" +
			"rustup is that of the image, or comes from where toolchains are. That is what `RUSTUP_DIST_SERVER` and `RUSTUP_UPDATE_ROOT` say on the machine that runs ambient, or what rustup on that machine uses by itself. " +
			"rustup checks what it fetches against the checksums of the channel. " +
			"A server that can not be reached makes the stage errored; a toolchain, component or target that does not exist makes it failed.",
		Phases: []config.Phase{config.Pre},
		Params: []config.Param{
			{Name: "channel", Type: config.TypeString, Default: "stable", Doc: "The toolchain: `stable`, `beta`, `nightly`, a version such as `1.85.0`, or `nightly-2026-11-01`."},
			{Name: "profile", Type: config.TypeString, Default: "minimal", Doc: "`minimal`, `default` or `complete`."},
			{Name: "components", Type: config.TypeStrings, Doc: "Further components, such as `clippy` and `rustfmt`."},
			{Name: "target", Type: config.TypeStrings, Doc: "Further targets to compile for, such as `x86_64-unknown-linux-musl`."},
			retriesParam,
		},
		NeedsDebian: true,
		Example:     "action \"rustup\" {\n  channel    = \"1.85.0\"\n  components = [\"clippy\", \"rustfmt\"]\n}",
		Check:       checkRustup,
	},
	Steps:   rustupSteps,
	Depends: rustupDepends,
	Reach:   rustupReach,
	Title:   func(args config.Args) string { return "rustup " + args.String("channel") },
	PlanEnv: rustupEnv,
	SetEnv:  rustupEnv,
	Path:    func(config.Args) []string { return []string{rustupHome + "/bin"} },
})

func rustupEnv(args config.Args) map[string]string {
	return map[string]string{"RUSTUP_HOME": rustupHome, "RUSTUP_TOOLCHAIN": args.String("channel"), "RUSTUP_AUTO_INSTALL": "0"}
}

var (
	rustupChannel = regexp.MustCompile(`^(stable|beta|nightly|\d+\.\d+(\.\d+)?(-beta(\.\d+)?)?)(-\d{4}-\d{2}-\d{2})?(-[a-z0-9_]+(-[a-z0-9_]+)+)?$`)
	rustupFixed   = regexp.MustCompile(`^(\d+\.\d+\.\d+|\w+-\d{4}-\d{2}-\d{2})`)
)

func checkRustup(args config.Args) []config.Problem {
	var c checker
	c.retries(args)
	if !rustupChannel.MatchString(args.String("channel")) {
		c.problem("channel", "Not a toolchain", "Write \"stable\", \"beta\", \"nightly\", a version such as \"1.85.0\", or a channel with a date such as \"nightly-2026-11-01\".")
	}
	switch args.String("profile") {
	case "minimal", "default", "complete":
	default:
		c.problem("profile", "Unknown profile", "Write \"minimal\", \"default\" or \"complete\".")
	}
	c.words("components", "component", args.Strings("components"))
	c.words("target", "target", args.Strings("target"))
	return c.problems
}

// rustupSources returns the two addresses that rustup needs, which are empty
// when nothing on this machine says them.
func rustupSources(host Host) (RustupSettings, error) {
	s := host.Rustup()
	if s.DistServer == "" {
		s.DistServer = withoutPassword(host.Default("rustup"), &s.Withheld)
	}
	if s.UpdateRoot == "" && s.DistServer != "" {
		s.UpdateRoot = strings.TrimSuffix(s.DistServer, "/") + "/rustup" // rustup's own rule
	}
	for _, address := range []string{s.DistServer, s.UpdateRoot} {
		if address != "" && !isWeb(address) {
			return s, fmt.Errorf("a virtual machine can not get toolchains from %q, which is not http or https: set RUSTUP_DIST_SERVER and RUSTUP_UPDATE_ROOT", address)
		}
	}
	return s, nil
}

func rustupSteps(args config.Args, host Host) ([]guest.Step, error) {
	sources, err := rustupSources(host)
	if err != nil {
		return nil, err
	}
	env := map[string]string{
		"RUSTUP_HOME":                 rustupHome,
		"CARGO_HOME":                  rustupHome, // rustup puts its programs into the directory bin there
		"RUSTUP_INIT_SKIP_PATH_CHECK": "yes",
		"RUSTUP_TERM_COLOR":           "never",
		"LC_ALL":                      "C",
	}
	if sources.DistServer != "" {
		env["RUSTUP_DIST_SERVER"], env["RUSTUP_UPDATE_ROOT"] = sources.DistServer, sources.UpdateRoot
	}
	flags := []string{"--profile=" + args.String("profile")}
	for _, c := range args.Strings("components") {
		flags = append(flags, "--component="+c)
	}
	for _, t := range args.Strings("target") {
		flags = append(flags, "--target="+t)
	}
	return []guest.Step{
		script(withheldNote("rustup", sources.Withheld)+fmt.Sprintf(rustupPrepare, rustupScratch), env),
		fetchScript(fmt.Sprintf(rustupInit, rustupScratch), env, args.Int("retries")),
		fetchScript(fmt.Sprintf(rustupFetch, rustupScratch, quoteAll(flags), quote(args.String("channel")), rustupHome), env, args.Int("retries")),
		script(fmt.Sprintf(rustupFinish, rustupScratch, rustupHome, args.String("channel")), env),
	}, nil
}

// rustupPrepare sees that there is a rustup, or a way to get one. Its argument:
// the scratch directory.
const rustupPrepare = `scratch=%[1]s
rm -rf "$scratch"
mkdir -p "$scratch" "$RUSTUP_HOME"
if ! command -v rustup >/dev/null && [ -z "$RUSTUP_UPDATE_ROOT" ]; then
	echo "rustup: the image has no rustup, and nothing says where to get it: set RUSTUP_UPDATE_ROOT and RUSTUP_DIST_SERVER on the machine that runs ambient, install rustup there, or add the package rustup (Debian 13 and later) to the image" >&2
	exit 1
fi
if ! command -v rustup >/dev/null && ! command -v curl >/dev/null && ! command -v wget >/dev/null && ! command -v python3 >/dev/null; then
	echo "rustup: the image has no rustup, and neither curl nor wget nor python3 to get it: add the package curl to it" >&2
	exit 1
fi
`

// rustupInit gets rustup where the image has none, and checks it against the
// checksum beside it. Its argument: the scratch directory.
const rustupInit = `scratch=%[1]s
if command -v rustup >/dev/null; then exit 0; fi
get() {
	if command -v curl >/dev/null; then curl -fsSL -o "$2" "$1"
	elif command -v wget >/dev/null; then wget -q -O "$2" "$1"
	else python3 -c 'import shutil, sys, urllib.request as u; shutil.copyfileobj(u.urlopen(sys.argv[1], timeout=60), open(sys.argv[2], "wb"))' "$1" "$2"; fi
}
from="$RUSTUP_UPDATE_ROOT/dist/$(uname -m)-unknown-linux-gnu"
echo "downloading rustup"
get "$from/rustup-init" "$scratch/rustup-init"
get "$from/rustup-init.sha256" "$scratch/sum"
sum=$(cut -d' ' -f1 "$scratch/sum")
echo "$sum  $scratch/rustup-init" | sha256sum -c - >/dev/null
chmod 0755 "$scratch/rustup-init"
"$scratch/rustup-init" -y -q --no-modify-path --no-update-default-toolchain --default-toolchain=none --profile=minimal
`

// rustupFetch installs the toolchain. A failure that no retry can mend is noted
// for rustupFinish. Its arguments: the scratch directory, rustup's flags, the
// channel, RUSTUP_HOME.
const rustupFetch = `scratch=%[1]s
PATH=%[4]s/bin:$PATH
if rustup toolchain install --no-self-update %[2]s -- %[3]s 2>"$scratch/stderr"; then
	cat "$scratch/stderr" >&2
	rustup default %[3]s
	exit 0
fi
cat "$scratch/stderr" >&2
if grep -q -E '` + rustupPermanent + `' "$scratch/stderr"; then
	: >"$scratch/failed"
	exit 0
fi
exit 1
`

// rustupPermanent matches what rustup says of faults in the configuration.
const rustupPermanent = `no release found|invalid toolchain name|is not installable|does not (contain|support)|unavailable|not available for|checksum (failed|mismatch)|invalid value|no such component|no such target|error: toolchain .* (is not|has no)`

// rustupFinish shows what was installed and removes what is not needed. Its
// arguments: the scratch directory, RUSTUP_HOME, the channel.
const rustupFinish = `scratch=%[1]s
if [ -e "$scratch/failed" ]; then
	echo "rustup: the toolchain can not be installed as it is asked for" >&2
	exit 1
fi
PATH=%[2]s/bin:$PATH
rustc +%[3]s --version
rm -rf "$scratch" %[2]s/tmp %[2]s/downloads %[2]s/env %[2]s/env.* %[2]s/toolchains/*/share/doc %[2]s/toolchains/*/share/man
`

// rustupMaxAge is how long the newest of a channel is good.
const rustupMaxAge = 24 * time.Hour

func rustupDepends(args config.Args) (Depends, string) {
	if rustupFixed.MatchString(args.String("channel")) {
		return Depends{}, ""
	}
	return Depends{MaxAge: rustupMaxAge}, ""
}

func rustupReach(_ config.Args, host Host, _ Tree) ([]config.Allow, error) {
	sources, err := rustupSources(host)
	if err != nil {
		return nil, err
	}
	r := &reach{by: "rustup"}
	r.address(sources.DistServer)
	r.address(sources.UpdateRoot)
	return r.all, nil
}

package ambientyaml

import (
	"sort"
	"strings"

	"github.com/ambient-ci/ambient/config"
)

// rule says what one action of the Rust program becomes.
type rule struct {
	phases   []config.Phase // where the result may stand
	params   []string       // for suggestions
	packages []string       // of Debian, that it needs in the image
	never    string         // why it is not carried over
	make     func(c *converter, s *stage, it *item) *action
}

var (
	anywhere = config.Phases
	inPre    = []config.Phase{config.Pre}
	inPlan   = []config.Phase{config.Plan}
)

// rules are the actions by name. An action without make is done by hand.
var rules map[string]rule

func init() {
	rules = map[string]rule{
		"shell":  {phases: anywhere, params: []string{"shell"}, make: makeShell},
		"mkdir":  {phases: anywhere, params: []string{"pathname"}, make: makeMkdir},
		"pwd":    {phases: anywhere, params: []string{"sourcedir"}, make: makePwd},
		"dummy":  {phases: anywhere, make: func(*converter, *stage, *item) *action { return newAction("dummy") }},
		"setenv": {phases: anywhere, params: []string{"set"}},
		"custom": {phases: inPlan, params: []string{"name", "args"}, make: makeCustom},

		"http_get": {phases: inPre, params: []string{"items"}, make: makeHTTPGet},
		"npm_get":  {phases: inPre, packages: []string{"ca-certificates", "nodejs"}, make: makeNpmGet},
		"deb_get":  {phases: inPre, params: []string{"packages", "suite", "cert"}, make: makeDebGet},
		"rustup":   {phases: inPre, params: []string{"channel", "target", "components", "profile"}, packages: []string{"ca-certificates", "rustup"}, make: makeRustup},

		"cargo_fetch":   {phases: inPre, packages: []string{"ca-certificates", "cargo"}, make: cargo},
		"cargo_fmt":     {phases: inPlan, packages: []string{"cargo", "rustfmt"}, make: cargo},
		"cargo_clippy":  {phases: inPlan, packages: []string{"cargo", "rust-clippy"}, make: cargo},
		"cargo_deny":    {phases: inPlan, packages: []string{"cargo"}, make: makeCargoDeny},
		"cargo_doc":     {phases: inPlan, packages: []string{"cargo"}, make: cargo},
		"cargo_build":   {phases: inPlan, packages: []string{"cargo"}, make: cargo},
		"cargo_test":    {phases: inPlan, packages: []string{"cargo"}, make: cargo},
		"cargo_install": {phases: inPlan, packages: []string{"cargo"}, make: cargo},

		"deb": {phases: inPlan, params: []string{"packages"}, packages: []string{"build-essential", "debhelper", "dpkg-dev", "xz-utils"}, make: makeDeb},

		"rsync":  {phases: inPost, params: []string{"artifacts", "rsync_target"}, make: makeRsync},
		"rsync2": {phases: inPost, params: []string{"artifacts", "target"}, make: makeRsync},
		"dput":   {phases: inPost, make: makeDput},
		"dput2":  {phases: inPost, make: makeDput},

		"tar_create":  {never: "it is internal to the Rust program; artifacts and the cache are packed without it."},
		"tar_extract": {never: "it is internal to the Rust program; inputs are unpacked without it."},
	}
}

// why says why an action may stand in some phases only.
func (r rule) why() string {
	if len(r.phases) == 1 && r.phases[0] == config.Pre {
		return "it needs a network, which only pre stages have."
	}
	if len(r.phases) == 1 && r.phases[0] == config.Post {
		return "it delivers, which only post stages do."
	}
	return "it runs the project's code, which only plan stages do."
}

func ruleNames() []string {
	var names []string
	for name := range rules {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// cargo makes the action of the same name, which takes no arguments there.
func cargo(_ *converter, s *stage, it *item) *action {
	s.project.rust = true
	return newAction(it.name)
}

func makeShell(c *converter, s *stage, it *item) *action {
	text, ok := c.text(s, it, "shell")
	if !ok {
		return nil
	}
	s.need(packagesOf(text)...)
	if strings.Contains(text, "CARGO_HOME") {
		s.comment("Crates are in /ci/deps/cargo now, and CARGO_HOME says so already: leave it alone in the script.")
	}
	return shell(text)
}

func makeMkdir(c *converter, s *stage, it *item) *action {
	path, ok := c.text(s, it, "pathname")
	if !ok {
		return nil
	}
	return newAction("mkdir", "pathname", path)
}

// makePwd drops the source directory, which is where actions start here.
func makePwd(_ *converter, _ *stage, it *item) *action {
	take(it.fields, "sourcedir")
	return newAction("pwd")
}

func makeCargoDeny(c *converter, s *stage, it *item) *action {
	s.comment("The image must have cargo-deny, which may be no package of its Debian release.")
	return cargo(c, s, it)
}

func makeCustom(c *converter, s *stage, it *item) *action {
	name, ok := c.text(s, it, "name")
	if !ok {
		return nil
	}
	var args any
	if f := take(it.fields, "args"); f != nil {
		args = plain(f.value)
	}
	return newAction("custom", "name", name, "args", args)
}

func makeDebGet(c *converter, s *stage, it *item) *action {
	a := newAction("deb_get", "packages", c.list(s, it, "packages"))
	if suite := c.optional(s, it, "suite"); suite != "" {
		a.args.Values["suite"] = suite
	}
	if f := take(it.fields, "cert"); f != nil {
		why := c.lost(f.key, "Argument not carried over", "the archive's signature is verified with the keys that are in the image.")
		s.comment(why, original(f.key, f.value))
	}
	return a
}

// makeNpmGet keeps the archives, which plans add to npm's cache by themselves.
func makeNpmGet(*converter, *stage, *item) *action { return newAction("npm_get", "tarballs", true) }

// makeRustup installs a toolchain where plan stages find it.
func makeRustup(c *converter, s *stage, it *item) *action {
	s.project.rust, s.project.rustup = true, true
	a := newAction("rustup", "channel", "stable", "profile", "default") // what rustup means by itself
	for _, name := range []string{"channel", "profile"} {
		if text := c.optional(s, it, name); text != "" {
			a.args.Values[name] = text
		}
	}
	for _, name := range []string{"components", "target"} {
		if list := c.list(s, it, name); len(list) > 0 {
			a.args.Values[name] = list
		}
	}
	return a
}

func makeDeb(c *converter, s *stage, it *item) *action {
	s.comment("Building a package needs the Build-Depends of debian/control: add them to the packages of the image.")
	a := newAction("deb", "source", true)
	if dir := strings.Trim(c.optional(s, it, "packages"), "/"); dir != "" {
		a.args.Values["packages"] = dir
	}
	return a
}

// setenv sets variables for the actions that follow.
func (c *converter) setenv(s *stage, it *item) {
	f := take(it.fields, "set")
	if f == nil || f.value.Kind != mapping {
		why := c.lost(it.node, "Missing argument", "the action \"setenv\" needs \"set\" with variables and values.")
		s.comment(why, original(it.node))
		c.forget(it)
		return
	}
	for i := 0; i+1 < len(f.value.Content); i += 2 {
		key, value := f.value.Content[i], resolve(f.value.Content[i+1])
		name := resolve(key).Value
		text, ok := scalar(value)
		if !ok || !envName.MatchString(name) || strings.HasPrefix(name, "AMBIENT_") || strings.ContainsRune(text, 0) {
			why := c.lost(key, "Variable not carried over", "this can not be an environment variable here.")
			s.comment(why, original(key, value))
			continue
		}
		s.setenv(name, text)
	}
}

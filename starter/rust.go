package starter

import (
	"regexp"
	"strings"
)

var (
	cargoDependency  = regexp.MustCompile(`(?m)^\[(?:[^\]]*\.)?(?:dev-|build-)?dependencies[.\]]`)
	cargoNewLock     = regexp.MustCompile(`(?m)^version = ([4-9]|\d\d)`)
	cargoNewEdition  = regexp.MustCompile(`(?m)^edition\s*=\s*"(202[4-9]|20[3-9]\d)"`)
	cargoNewMinimum  = regexp.MustCompile(`(?m)^rust-version\s*=\s*"1\.(6[4-9]|[7-9]\d)`)
	cargoForeignLock = regexp.MustCompile(`(?m)^source = `)
)

func detectRust(t tree) *Part {
	manifest := t.read("Cargo.toml")
	if manifest == "" {
		return nil
	}
	lock := t.read("Cargo.lock")
	p := &Part{
		Name: "rust", What: "a Rust package (Cargo.toml)",
		suite: stable, packages: []string{"ca-certificates", "cargo", "gcc", "libc6-dev"}, memory: "2GiB",
	}
	if cargoNewLock.MatchString(lock) || cargoNewEdition.MatchString(manifest) || cargoNewMinimum.MatchString(manifest) {
		p.suite = newer
		p.note = []string{"Debian " + stable + "'s cargo is too old for this package."}
	}
	locked := " --locked"
	if lock == "" {
		locked = ""
	}
	config := ""
	needs := cargoForeignLock.MatchString(lock) || lock == "" && (cargoDependency.MatchString(manifest) || strings.Contains(manifest, "[workspace]"))
	if needs && !t.hasDir("vendor") {
		if p.suite == stable {
			p.suite = newer
			p.note = []string{"Debian " + stable + "'s cargo would clone the whole index of crates with git."}
		}
		p.index = &index{"crates_index", "Address of a registry of crates, such as \"sparse+https://…/\". Empty: the public one."}
		p.pre = cargoVendor(locked)
		config = ` --config "$AMBIENT_DEPS/cargo.toml"`
	}
	cargo := func(command string) string { return "cargo" + config + " " + command + " --offline" + locked }
	p.plan = script(
		`# What was compiled stays in the cache for the next run.`,
		`export CARGO_TARGET_DIR="$AMBIENT_CACHE/target"`,
		cargo("build"),
		cargo("test"),
	)
	return p
}

// cargoVendor copies the sources of all dependencies. It works on a copy of the
// tree since cargo may write Cargo.lock, and from outside of it, since cargo
// obeys the configuration it finds above the directory in which it starts.
func cargoVendor(locked string) []string {
	return append([]string{
		`# Copies the sources of all dependencies; they are compiled later, in a`,
		`# stage without a network.`,
	}, script(
		`cp -a "$AMBIENT_SRC" /tmp/src`,
		`mkdir /tmp/empty && cd /tmp/empty`,
		`set --`,
		`if [ -n "${var.crates_index}" ]; then`,
		`  set -- --config 'source.crates-io.replace-with="index"' \`,
		`    --config 'source.index.registry="${var.crates_index}"'`,
		`fi`,
		`cargo "$@" vendor`+locked+` --manifest-path /tmp/src/Cargo.toml \`,
		`  "$AMBIENT_DEPS/vendor" > "$AMBIENT_DEPS/cargo.toml"`,
	)...)
}

// script is a shell action with these lines.
func script(lines ...string) []string {
	out := []string{`action "shell" {`, `  script = <<-EOT`}
	for _, l := range lines {
		out = append(out, "    "+l)
	}
	return append(out, `  EOT`, `}`)
}

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
	needs := cargoForeignLock.MatchString(lock) || lock == "" && (cargoDependency.MatchString(manifest) || strings.Contains(manifest, "[workspace]"))
	if needs && !t.hasDir("vendor") {
		if p.suite == stable {
			p.suite = newer
			p.note = []string{"Debian " + stable + "'s cargo would clone the whole index of crates with git."}
		}
		p.pre = []string{`action "cargo_fetch" {}`}
	}
	p.plan = []string{
		`# What was compiled stays in the cache for the next run.`,
		`action "cargo_build" {}`,
		`action "cargo_test" {}`,
	}
	return p
}

// script is a shell action with these lines.
func script(lines ...string) []string {
	out := []string{`action "shell" {`, `  script = <<-EOT`}
	for _, l := range lines {
		out = append(out, "    "+l)
	}
	return append(out, `  EOT`, `}`)
}

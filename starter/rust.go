package starter

import (
	"regexp"
	"strings"
)

var (
	cargoDependency  = regexp.MustCompile(`(?m)^\[(?:[^\]]*\.)?(?:dev-|build-)?dependencies[.\]]`)
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
		suite: stable, packages: []string{"ca-certificates", "cargo-web", "gcc", "libc6-dev", "rustc-web"}, memory: "2GiB",
		note: []string{"rustc-web and cargo-web are the newest Rust that Debian " + stable + " has. For", "another one, put an action \"rustup\" into a pre stage, before cargo_fetch."},
		plan: []string{
			`# What was compiled stays in the cache for the next run.`,
			`action "cargo_build" {}`,
			`action "cargo_test" {}`,
		},
	}
	needs := cargoForeignLock.MatchString(lock) || lock == "" && (cargoDependency.MatchString(manifest) || strings.Contains(manifest, "[workspace]"))
	if needs && !t.hasDir("vendor") {
		p.pre = []string{
			`# Downloads the crates that Cargo.lock names and checks them against it,`,
			`# from where this machine's cargo would get them. No build script runs.`,
			`action "cargo_fetch" {}`,
		}
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

package actions

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// CargoSettings say where crates come from, as cargo's configuration on this
// machine has it. Addresses are those of an index: "sparse+https://…", or one
// that git clones. They hold no password.
type CargoSettings struct {
	Index      string            // in place of cargo's own; empty: cargo's own
	Registries map[string]string // further ones, by name
	Fault      string            // why a virtual machine can not use it; empty: it can
	Withheld   []string          // hosts whose user name and password were taken out of the addresses
}

// RustupSettings say where toolchains come from. Empty: rustup's own default.
type RustupSettings struct {
	DistServer string // RUSTUP_DIST_SERVER
	UpdateRoot string // RUSTUP_UPDATE_ROOT
	Withheld   []string
}

// cargoFile is what matters of cargo's config.toml ("Configuration" in the
// Cargo Book).
type cargoFile struct {
	Source     map[string]cargoSource `toml:"source"`
	Registries map[string]struct {
		Index string `toml:"index"`
	} `toml:"registries"`
}

type cargoSource struct {
	Registry      string `toml:"registry"`
	ReplaceWith   string `toml:"replace-with"`
	Directory     string `toml:"directory"`
	LocalRegistry string `toml:"local-registry"`
}

// Cargo implements Host.
func (h *hostTools) Cargo() CargoSettings { return h.cargo() }

// Rustup implements Host.
func (h *hostTools) Rustup() RustupSettings {
	var s RustupSettings
	s.DistServer = withoutPassword(os.Getenv("RUSTUP_DIST_SERVER"), &s.Withheld)
	s.UpdateRoot = withoutPassword(os.Getenv("RUSTUP_UPDATE_ROOT"), &s.Withheld)
	return s
}

// readCargoSettings reads the configuration of the user, not that of any
// directory, and the environment.
func readCargoSettings() CargoSettings {
	home := os.Getenv("CARGO_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return cargoSettings(nil, os.Environ())
		}
		home = filepath.Join(user, ".cargo")
	}
	for _, name := range []string{"config", "config.toml"} { // cargo prefers the old name
		if data, err := os.ReadFile(filepath.Join(home, name)); err == nil {
			return cargoSettings(data, os.Environ())
		}
	}
	return cargoSettings(nil, os.Environ())
}

// cargoSettings works out the settings from the text of a config.toml and an
// environment.
func cargoSettings(config []byte, environ []string) CargoSettings {
	var file cargoFile
	s := CargoSettings{Registries: map[string]string{}}
	if err := toml.Unmarshal(config, &file); err != nil {
		s.Fault = fmt.Sprintf("cargo's configuration on this machine can not be read: %v", err)
		return s
	}
	s.replacement(file.Source)
	for name, r := range file.Registries {
		s.add(name, r.Index)
	}
	for _, v := range environ {
		name, index, _ := strings.Cut(v, "=")
		name, ok := strings.CutPrefix(name, "CARGO_REGISTRIES_")
		if name, isIndex := strings.CutSuffix(name, "_INDEX"); ok && isIndex {
			// A variable has "_" for each "-" of the name.
			s.add(strings.ToLower(name), index)
			s.add(strings.ReplaceAll(strings.ToLower(name), "_", "-"), index)
		}
	}
	slices.Sort(s.Withheld)
	s.Withheld = slices.Compact(s.Withheld)
	return s
}

func (s *CargoSettings) add(name, index string) {
	if index != "" && cargoRegistryName.MatchString(name) {
		s.Registries[name] = withoutPassword(index, &s.Withheld)
	}
}

// replacement follows what stands in for the source of crates.
func (s *CargoSettings) replacement(sources map[string]cargoSource) {
	name := sources["crates-io"].ReplaceWith
	for seen := map[string]bool{}; name != ""; name = sources[name].ReplaceWith {
		if seen[name] {
			s.Fault = "cargo's configuration on this machine replaces the source " + name + " by itself"
			return
		}
		seen[name] = true
		source := sources[name]
		switch {
		case source.ReplaceWith != "":
		case source.Registry != "":
			s.Index = withoutPassword(source.Registry, &s.Withheld)
		case source.Directory != "" || source.LocalRegistry != "":
			s.Fault = "cargo on this machine takes crates from a directory, which a virtual machine can not reach: say with the argument index where they are, or copy them into the source tree with `cargo vendor`"
		}
	}
}

// cargoConfig returns the config.toml for a guest: the replacement of the index
// and further registries. Nil: nothing is configured.
func cargoConfig(index string, registries map[string]string) ([]byte, error) {
	config := map[string]any{}
	if index != "" {
		config["source"] = map[string]any{
			"crates-io": map[string]any{"replace-with": "ambient"},
			"ambient":   map[string]any{"registry": index},
		}
	}
	if len(registries) > 0 {
		all := map[string]any{}
		for name, index := range registries {
			all[name] = map[string]any{"index": index}
		}
		config["registries"] = all
	}
	if len(config) == 0 {
		return nil, nil
	}
	return toml.Marshal(config)
}

// merged returns a, with what b has.
func merged(a, b map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

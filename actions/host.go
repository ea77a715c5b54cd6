package actions

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// GoSettings are the settings of the go command that say where modules come
// from, named as `go env` names them without the GO. Empty: the go command's
// own default.
type GoSettings struct {
	Proxy    string // GOPROXY
	SumDB    string // GOSUMDB
	Private  string // GOPRIVATE
	NoProxy  string // GONOPROXY
	NoSumDB  string // GONOSUMDB
	Insecure string // GOINSECURE
}

// NewHost returns the Host of the machine that runs: it is safe for concurrent
// use and asks each tool once, when an action first wants to know. Archives
// returns the Debian archives of a suite, that of the default image when suite
// is empty; package images knows them.
func NewHost(archives func(suite string) ([]DebianSource, error)) Host {
	return &hostInfo{npmHost: newNpmHost(), hostTools: newHostTools(), archives: archives, settings: sync.OnceValue(readGoSettings)}
}

type hostInfo struct {
	*hostTools
	npmHost
	archives func(suite string) ([]DebianSource, error)
	settings func() GoSettings
}

func (h *hostInfo) Debian(suite string) ([]DebianSource, error) { return h.archives(suite) }

// Go implements Host. Without a go command the environment's variables count.
func (h *hostInfo) Go() GoSettings { return h.settings() }

func readGoSettings() GoSettings {
	get := os.Getenv
	if env, err := askGo(); err == nil {
		get = func(name string) string { return env[name] }
	}
	return GoSettings{
		Proxy: get("GOPROXY"), SumDB: get("GOSUMDB"), Private: get("GOPRIVATE"),
		NoProxy: get("GONOPROXY"), NoSumDB: get("GONOSUMDB"), Insecure: get("GOINSECURE"),
	}
}

// askGo runs `go env` outside of any module: a go.mod of the working directory
// must not choose another toolchain.
func askGo() (map[string]string, error) {
	out, _, err := output(nowhere, []string{"GOTOOLCHAIN=local"}, "go", "env", "-json",
		"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE")
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	env := map[string]string{}
	if err := json.Unmarshal([]byte(out), &env); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	return env, nil
}

// FixedHost is a Host with fixed answers.
type FixedHost struct {
	GoSettings  GoSettings
	NpmSettings NpmSettings
	// Archives are the same for every suite; none is an error.
	Archives       []DebianSource
	CargoSettings  CargoSettings
	PipSettings    PipSettings
	RustupSettings RustupSettings
	Defaults       map[string]string // by tool
	Documents      map[string]string // by address
}

// Go implements Host.
func (h FixedHost) Go() GoSettings { return h.GoSettings }

// Debian implements Host.
func (h FixedHost) Debian(suite string) ([]DebianSource, error) {
	if len(h.Archives) == 0 {
		return nil, fmt.Errorf("no Debian archive is known on this machine")
	}
	return h.Archives, nil
}

// Cargo implements Host.
func (h FixedHost) Cargo() CargoSettings { return h.CargoSettings }

// Pip implements Host.
func (h FixedHost) Pip() PipSettings { return h.PipSettings }

// Rustup implements Host.
func (h FixedHost) Rustup() RustupSettings { return h.RustupSettings }

// Default implements Host.
func (h FixedHost) Default(tool string) string { return h.Defaults[tool] }

// Document implements Host.
func (h FixedHost) Document(address, _ string) ([]byte, error) {
	if d, ok := h.Documents[address]; ok {
		return []byte(d), nil
	}
	return nil, fmt.Errorf("%s: not found", address)
}

// Npm implements Host.
func (h FixedHost) Npm() NpmSettings { return h.NpmSettings }

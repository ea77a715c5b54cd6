package actions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// toolTimeout is how long a tool of this machine may take to say how it is
// configured; pip, the slowest, normally needs a second.
const toolTimeout = 20 * time.Second

// hostTools is the part of a Host that asks the tools of other languages. Each
// is asked once, when an action first wants to know.
type hostTools struct {
	cargo    func() CargoSettings
	pip      func() PipSettings
	defaults map[string]func() string

	mu        sync.Mutex
	documents map[documentKey]func() ([]byte, error) // what Document fetches, once
}

type documentKey struct{ address, accept string }

func newHostTools() *hostTools {
	return &hostTools{
		cargo: sync.OnceValue(readCargoSettings),
		pip:   sync.OnceValue(readPipSettings),
		defaults: map[string]func() string{
			"cargo":  sync.OnceValue(askCargo),
			"rustup": sync.OnceValue(askRustup),
			"pip":    sync.OnceValue(askPip),
		},
		documents: map[documentKey]func() ([]byte, error){},
	}
}

// Default implements Host.
func (h *hostTools) Default(tool string) string {
	if ask := h.defaults[tool]; ask != nil {
		return ask()
	}
	return ""
}

// documentTimeout and maxDocument bound what is fetched by Document.
const (
	documentTimeout = 15 * time.Second
	maxDocument     = 16 << 20
)

// Document implements Host.
func (h *hostTools) Document(address, accept string) ([]byte, error) {
	key := documentKey{address, accept}
	h.mu.Lock()
	fetch := h.documents[key]
	if fetch == nil {
		fetch = sync.OnceValues(func() ([]byte, error) { return fetchDocument(address, accept) })
		h.documents[key] = fetch
	}
	h.mu.Unlock()
	return fetch()
}

func fetchDocument(address, accept string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), documentTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", req.URL.Redacted(), resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err == nil && len(data) > maxDocument {
		err = errors.New("the document is too large")
	}
	return data, err
}

// nowhere is where tools are asked for their configuration: they read files of
// the directory that they run in, and of those above it, so that it must be one
// in which no project lies and nobody else can write, as they can in os.TempDir.
const nowhere = "/"

// ownDir makes a directory for a tool that needs one. Only the user can write
// there, and above it. The caller removes it.
func ownDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(cache, "ambient-tool-")
}

// output runs a tool of this machine in a directory that is nowhere or of
// ownDir, and returns what it printed.
func output(dir string, env []string, argv ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), toolTimeout)
	defer cancel()
	var out, errs strings.Builder
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// noNetwork returns the environment of a tool that must not get further than a
// proxy which hangs up, so that its error names the address that it wanted. The
// caller closes the proxy.
func noNetwork() (env []string, closer io.Closer, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	proxy := "http://" + l.Addr().String()
	for _, name := range []string{"http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "CARGO_HTTP_PROXY"} {
		env = append(env, name+"="+proxy)
	}
	return append(env, "no_proxy=", "NO_PROXY="), l, nil
}

// askCargo has cargo look for a crate, and reads from its error where it would
// have asked for it. A git index, which cargo had before 1.70, has no such
// error. The first cargo that answers counts: that of rustup is none without a
// toolchain, and Debian's may be behind it.
func askCargo() string {
	env, proxy, err := noNetwork()
	if err != nil {
		return ""
	}
	defer proxy.Close()
	dir, err := ownDir()
	if err != nil {
		return ""
	}
	defer os.RemoveAll(dir)
	manifest := "[package]\nname = \"probe\"\nversion = \"0.0.0\"\n\n[lib]\npath = \"lib.rs\"\n\n[dependencies]\nprobe-of-the-index = \"1\"\n\n[workspace]\n"
	if os.WriteFile(dir+"/Cargo.toml", []byte(manifest), 0o600) != nil || os.WriteFile(dir+"/lib.rs", nil, 0o600) != nil {
		return ""
	}
	env = append(env, "CARGO_HOME="+dir+"/home", "CARGO_NET_RETRY=0", "CARGO_TERM_COLOR=never", "RUSTUP_AUTO_INSTALL=0",
		"CARGO_LOG=network::fetch=debug") // from 1.96 on the error itself does not name the address
	for _, cargo := range installed("cargo") {
		_, text, _ := output(dir, env, cargo, "generate-lockfile")
		if m := cargoWanted.FindStringSubmatch(text); m != nil {
			return "sparse+" + m[1]
		}
	}
	return ""
}

// installed returns the programs of a name in PATH, in its order.
func installed(name string) []string {
	var all []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path, err := exec.LookPath(filepath.Join(dir, name))
		if err == nil && filepath.IsAbs(path) && !slices.Contains(all, path) {
			all = append(all, path)
		}
	}
	return all
}

var cargoWanted = regexp.MustCompile("(?:`|url=\")(https?://[^`\" ]+/)config\\.json[`\"]")

// askRustup has rustup look for a toolchain that is not there, in a home of its
// own, and reads from its error where toolchains are.
func askRustup() string {
	env, proxy, err := noNetwork()
	if err != nil {
		return ""
	}
	defer proxy.Close()
	dir, err := ownDir()
	if err != nil {
		return ""
	}
	defer os.RemoveAll(dir)
	_, text, _ := output(dir, append(env, "RUSTUP_HOME="+dir, "RUSTUP_MAX_RETRIES=0"),
		"rustup", "toolchain", "install", "--no-self-update", "--profile=minimal", "stable")
	if m := rustupWanted.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

var rustupWanted = regexp.MustCompile(`'(https?://[^' ]+)/dist/[^' ]*'`)

// askPip reads from pip's help where it takes packages from by itself.
func askPip() string {
	text, _, err := pipOutput([]string{"COLUMNS=1000", "PIP_CONFIG_FILE=" + os.DevNull, "PIP_INDEX_URL="}, "help", "download")
	if err != nil {
		return ""
	}
	if m := pipIndex.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

var pipIndex = regexp.MustCompile(`Base URL of the Python Package Index\s+\(default\s+(https?://[^\s)]+)\)`)

// pipOutput runs this machine's pip.
func pipOutput(env []string, args ...string) (stdout, stderr string, err error) {
	env = append(env, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1", "PIP_NO_COLOR=1")
	for _, pip := range [][]string{{"pip3"}, {"python3", "-m", "pip"}} {
		stdout, stderr, err = output(nowhere, env, append(pip, args...)...)
		if err == nil {
			return stdout, stderr, nil
		}
	}
	return stdout, stderr, err
}

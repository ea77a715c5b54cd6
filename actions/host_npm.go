package actions

import (
	"bufio"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// NpmSettings say where Node packages come from. Addresses are without user
// names, passwords and tokens, which stay on the host.
type NpmSettings struct {
	Registry    string            // the default registry; empty: not known
	Scopes      map[string]string // registries of their own, by "@scope"
	ReplaceHost string            // replace-registry-host of npm's configuration; empty: npm's default
}

// maxNpmrc bounds a configuration file of npm.
const maxNpmrc = 1 << 20

// readNpmSettings asks this machine's npm, and its configuration files where
// there is no npm: those of the machine and of the user, not a project's.
func readNpmSettings() NpmSettings {
	s := NpmSettings{Scopes: map[string]string{}}
	for _, file := range npmrcFiles() {
		s.read(file)
	}
	if v := os.Getenv("NPM_CONFIG_REGISTRY"); v != "" {
		s.set("registry", v)
	}
	if v := os.Getenv("npm_config_registry"); v != "" {
		s.set("registry", v)
	}
	if s.Registry == "" {
		s.set("registry", askNpm())
	}
	return s
}

// npmrcFiles are the files of npmrc(5), the strongest last. Where npm itself is
// installed decides about the global one: beside the usual places, next to the
// program.
func npmrcFiles() []string {
	files := []string{"/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc"}
	if npm, err := exec.LookPath("npm"); err == nil {
		files = append(files, filepath.Join(filepath.Dir(npm), "..", "etc", "npmrc"))
	}
	if p := os.Getenv("NPM_CONFIG_GLOBALCONFIG"); p != "" {
		files = append(files, p)
	}
	if p := os.Getenv("NPM_CONFIG_USERCONFIG"); p != "" {
		return append(files, p)
	}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".npmrc"))
	}
	return files
}

// askNpm returns the registry that npm uses by itself.
func askNpm() string {
	out, _, err := output(nowhere, nil, "npm", "config", "get", "registry")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// read takes the settings of one file; one that can not be read has none.
func (s *NpmSettings) read(name string) {
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxNpmrc))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		key, value, ok := strings.Cut(line, "=")
		if ok && !strings.HasPrefix(line, ";") && !strings.HasPrefix(line, "#") {
			s.set(strings.TrimSpace(key), npmVariables(strings.Trim(strings.TrimSpace(value), `"'`)))
		}
	}
}

var (
	npmVariable = regexp.MustCompile(`\$\{([^}]+)\}`)
	npmScope    = regexp.MustCompile(`^@[A-Za-z0-9._~-]+$`)
	npmHostName = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)
)

// npmVariables replaces ${NAME} by variables of the environment, as npm does.
func npmVariables(text string) string {
	return npmVariable.ReplaceAllStringFunc(text, func(ref string) string {
		return os.Getenv(ref[2 : len(ref)-1])
	})
}

// set takes one setting; what is not of interest, or no address, is left.
func (s *NpmSettings) set(key, value string) {
	scope, isScope := strings.CutSuffix(key, ":registry")
	switch {
	case key == "replace-registry-host" && npmHostName.MatchString(value):
		s.ReplaceHost = value
	case key == "registry":
		if a := npmAddress(value); a != "" {
			s.Registry = a
		}
	case isScope && npmScope.MatchString(scope):
		if a := npmAddress(value); a != "" {
			s.Scopes[scope] = a
		}
	}
}

// npmAddress returns the address of a registry without a password, "" when it
// is none that a machine could use.
func npmAddress(text string) string {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || strings.ContainsAny(text, " \t\r\n\"'`\\${}") {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// npmHost is the part of a Host that knows of npm.
type npmHost struct{ npm func() NpmSettings }

func newNpmHost() npmHost { return npmHost{npm: sync.OnceValue(readNpmSettings)} }

// Npm implements Host.
func (h npmHost) Npm() NpmSettings { return h.npm() }

package actions

import (
	"os"
	"regexp"
	"slices"
	"strings"
)

// PipSettings say where Python packages come from, as pip's configuration on
// this machine has it. Addresses hold no password.
type PipSettings struct {
	Index     string   // index-url; empty: pip's own
	Extra     []string // extra-index-url
	FindLinks []string // find-links that are addresses; directories are left out
	Trusted   []string // trusted-host
	NoIndex   bool     // no-index: pip is told to use no index
	Withheld  []string // hosts whose user name and password were taken out of the addresses
}

// Pip implements Host.
func (h *hostTools) Pip() PipSettings { return h.pip() }

// readPipSettings asks pip; without one, the environment counts.
func readPipSettings() PipSettings {
	text, _, err := pipOutput(nil, "config", "list")
	if err != nil {
		var b strings.Builder
		for _, name := range []string{"index-url", "extra-index-url", "find-links", "trusted-host", "no-index"} {
			variable := "PIP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
			if v := os.Getenv(variable); v != "" && !strings.ContainsAny(v, "'\n") {
				b.WriteString(":env:." + name + "='" + v + "'\n")
			}
		}
		text = b.String()
	}
	return pipSettings(text)
}

// pipLine is a line of `pip config list`: the section, the option and the value
// as a Python string.
var pipLine = regexp.MustCompile(`(?m)^(\S+)\.([a-z-]+)=(?:'(.*)'|"(.*)")$`)

// pipSections are the sections that count for downloads, the strongest last.
var pipSections = []string{"global", "download", ":env:"}

// pipSettings reads what `pip config list` prints.
func pipSettings(list string) PipSettings {
	values := map[string]string{}
	for _, section := range pipSections {
		for _, m := range pipLine.FindAllStringSubmatch(list, -1) {
			if m[1] == section {
				values[m[2]] = pythonText.Replace(m[3] + m[4])
			}
		}
	}
	var s PipSettings
	s.Index = withoutPassword(strings.TrimSpace(values["index-url"]), &s.Withheld)
	for _, u := range strings.Fields(values["extra-index-url"]) {
		s.Extra = append(s.Extra, withoutPassword(u, &s.Withheld))
	}
	for _, u := range strings.Fields(values["find-links"]) {
		if isWeb(u) {
			s.FindLinks = append(s.FindLinks, withoutPassword(u, &s.Withheld))
		}
	}
	s.Trusted = strings.Fields(values["trusted-host"])
	// pip's spellings of true (strtobool).
	s.NoIndex = slices.Contains([]string{"1", "y", "yes", "t", "true", "on"}, strings.ToLower(values["no-index"]))
	slices.Sort(s.Withheld)
	s.Withheld = slices.Compact(s.Withheld)
	return s
}

// pythonText undoes the escapes of a Python string that an address can have.
var pythonText = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\'`, `'`, `\\`, `\`)

package apt

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Source is one archive: an entry of an apt sources list with one address and
// one suite.
type Source struct {
	URI        string   // without a trailing slash
	Suite      string   // as in the entry: "bookworm-security"
	Components []string // at least one

	signedBy string // Signed-By: paths, fingerprints or a key block; empty: the host's default
	arches   []string
	anyDate  bool // Check-Valid-Until: no
}

// A Host is where the host's apt configuration is read from.
type Host struct {
	Root string // "/" except in tests
}

func (h Host) path(name string) string { return filepath.Join("/", h.Root, name) }

// Entries returns every enabled binary entry of the host's apt sources
// (sources.list(5)). What can not be understood is left out: apt complains
// about it, and another entry may serve.
func (h Host) Entries() []Source {
	var all []Source
	for _, file := range h.files() {
		data, err := readBounded(file, 1<<20)
		if err != nil {
			continue
		}
		if strings.HasSuffix(file, ".sources") {
			all = append(all, parseSources(data)...)
		} else {
			all = append(all, parseList(data)...)
		}
	}
	return all
}

func (h Host) files() []string {
	files := []string{h.path("etc/apt/sources.list")}
	for _, ext := range []string{"*.list", "*.sources"} {
		more, _ := filepath.Glob(filepath.Join(h.path("etc/apt/sources.list.d"), ext))
		files = append(files, more...)
	}
	sort.Strings(files[1:])
	return files
}

// Codename returns the host's Debian codename from os-release(5), or "" when
// it runs something else.
func (h Host) Codename() string {
	data, err := readBounded(h.path("etc/os-release"), 64<<10)
	if err != nil {
		return ""
	}
	vars := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			vars[name] = strings.Trim(value, `"'`)
		}
	}
	if vars["ID"] != "debian" {
		return ""
	}
	return vars["VERSION_CODENAME"]
}

// parseList reads the one-line format:
//
//	deb [ option=value … ] uri suite component…
func parseList(data []byte) []Source {
	var all []Source
	sc := bufio.NewScanner(bytes.NewReader(data))
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || rest == "" || !strings.ContainsAny(rest[:1], " \t[") {
			continue
		}
		options, rest, ok := cutOptions(strings.TrimSpace(rest))
		f := strings.Fields(rest)
		if !ok || len(f) < 3 {
			continue
		}
		all = append(all, Source{
			URI: cleanURI(f[0]), Suite: f[1], Components: f[2:],
			signedBy: strings.ReplaceAll(options["signed-by"], ",", " "),
			arches:   splitList(options["arch"]),
			anyDate:  isNo(options["check-valid-until"]),
		})
	}
	return all
}

// cutOptions takes a leading "[ … ]" off s.
func cutOptions(s string) (map[string]string, string, bool) {
	options := map[string]string{}
	inner, ok := strings.CutPrefix(s, "[")
	if !ok {
		return options, s, true
	}
	inner, rest, ok := strings.Cut(inner, "]")
	if !ok {
		return nil, "", false
	}
	for _, f := range strings.Fields(inner) {
		if name, value, ok := strings.Cut(f, "="); ok {
			options[strings.ToLower(name)] = strings.Trim(value, `"`)
		}
	}
	return options, rest, true
}

// parseSources reads the deb822 format. A stanza that can not be read ends it.
func parseSources(data []byte) []Source {
	var all []Source
	_ = stanzas(bytes.NewReader(data), func(s Stanza) error {
		if isNo(s["enabled"]) || !contains(strings.Fields(s["types"]), "deb") {
			return nil
		}
		components := strings.Fields(s["components"])
		if len(components) == 0 {
			return nil
		}
		for _, uri := range strings.Fields(s["uris"]) {
			for _, suite := range strings.Fields(s["suites"]) {
				all = append(all, Source{
					URI: cleanURI(uri), Suite: suite, Components: components,
					signedBy: s["signed-by"],
					arches:   strings.Fields(s["architectures"]),
					anyDate:  isNo(s["check-valid-until"]),
				})
			}
		}
		return nil
	})
	return all
}

func cleanURI(s string) string { return strings.TrimRight(s, "/") }

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

func isNo(s string) bool {
	switch strings.ToLower(s) {
	case "no", "false", "off", "0", "without", "disable":
		return true
	}
	return false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}

// Line returns the source in the one-line format, without its keys.
func (s Source) Line() string {
	option := ""
	if s.anyDate {
		option = "[check-valid-until=no] "
	}
	return "deb " + option + s.URI + " " + s.Suite + " " + strings.Join(s.Components, " ")
}

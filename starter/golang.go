package starter

import (
	"regexp"
	"strconv"
)

var (
	goVersion = regexp.MustCompile(`(?m)^go\s+1\.(\d{1,4})`)
	goRequire = regexp.MustCompile(`(?m)^require\b`)
)

func detectGo(t tree) *Part {
	mod := t.read("go.mod")
	if mod == "" {
		return nil
	}
	p := &Part{
		Name: "go", What: "a Go module (go.mod)",
		suite: stable, packages: []string{"golang-go"}, memory: "2GiB",
		plan: []string{
			`action "go_vet" {}`,
			`action "go_test" {}`,
			``,
			`# Without an output this only shows that everything compiles. To keep`,
			`# the programs: output = "bin/"`,
			`action "go_build" {}`,
		},
	}
	p.suite, p.note = goSuite(mod)
	if goRequire.MatchString(mod) && !t.hasDir("vendor") {
		p.pre = []string{
			`# Downloads what go.mod asks for and checks it against go.sum.`,
			`action "go_mod_download" {}`,
		}
	}
	return p
}

// goSuite returns the Debian release whose Go is new enough for a module.
func goSuite(mod string) (suite string, note []string) {
	minor := 0
	if m := goVersion.FindStringSubmatch(mod); m != nil {
		minor, _ = strconv.Atoi(m[1]) // at most four digits
	}
	switch {
	case minor <= 19:
		return stable, nil
	case minor <= 24:
		return newer, []string{"go.mod asks for Go 1." + strconv.Itoa(minor) + ", which Debian " + stable + " does not have."}
	}
	return "sid", []string{
		"go.mod asks for Go 1." + strconv.Itoa(minor) + ", which no release of Debian has had so far: this is",
		"Debian's unstable. If it is too old as well, lower the version in go.mod.",
	}
}

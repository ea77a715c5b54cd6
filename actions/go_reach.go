package actions

import (
	"path"
	"strings"

	"golang.org/x/mod/module"

	"github.com/ambient-ci/ambient/config"
)

// goReach names the hosts that the go command asks for modules: the proxies, the
// checksum database, and the hosts of modules that come from where they are
// developed ("Module proxy" and "Private modules" in the Go modules reference).
func goReach(args config.Args, host Host, tree Tree) ([]config.Allow, error) {
	s := host.Go()
	r := reach{by: "go_mod_download"}
	proxied, direct := false, false
	for _, p := range strings.FieldsFunc(s.Proxy, func(c rune) bool { return c == ',' || c == '|' }) {
		switch p = strings.TrimSpace(p); p {
		case "off":
		case "direct":
			direct = true
		default:
			r.address(p)
			proxied = true
		}
	}
	goSumReach(&r, s.SumDB)
	private := s.NoProxy
	if private == "" {
		private = s.Private
	}
	for _, dir := range args.Strings("dirs") {
		for _, name := range []string{"go.mod", "go.sum", "go.work.sum"} {
			for _, m := range goModules(readTree(tree, path.Join(dir, name))) {
				if direct && !proxied || module.MatchPrefixPatterns(private, m) {
					host, _, _ := strings.Cut(m, "/")
					r.foreign("https://" + host)
				}
			}
		}
	}
	return r.all, nil
}

// goSumReach adds the checksum database: "name", "name+key", or that and an
// address.
func goSumReach(r *reach, db string) {
	fields := strings.Fields(db)
	if len(fields) == 0 || fields[0] == "off" {
		return
	}
	if len(fields) > 1 {
		r.address(fields[1])
		return
	}
	name, _, _ := strings.Cut(fields[0], "+")
	r.address("https://" + name)
}

// goModules returns the paths of the modules that a go.mod or go.sum names: the
// first word of a line that a version follows.
func goModules(text string) []string {
	var all []string
	for line := range strings.SplitSeq(text, "\n") {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) >= 2 && strings.HasPrefix(f[1], "v") && strings.Contains(f[0], ".") {
			all = append(all, f[0])
		}
	}
	return all
}

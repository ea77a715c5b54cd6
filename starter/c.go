package starter

import "regexp"

var (
	makeCheck  = regexp.MustCompile(`(?m)^(?:[^\s#:=][^:=#\n]*[ \t])?check(?:[ \t][^:=#\n]*)?::?(?:[^=]|$)`)
	makeTest   = regexp.MustCompile(`(?m)^(?:[^\s#:=][^:=#\n]*[ \t])?test(?:[ \t][^:=#\n]*)?::?(?:[^=]|$)`)
	acLibtool  = regexp.MustCompile(`(?m)^\s*(LT_INIT|AC_PROG_LIBTOOL|AM_PROG_LIBTOOL)\b`)
	acGettext  = regexp.MustCompile(`(?m)^\s*AM_GNU_GETTEXT\b`)
	acPkg      = regexp.MustCompile(`\bPKG_(CHECK_MODULES|PROG_PKG_CONFIG)\b`)
	acCXX      = regexp.MustCompile(`(?m)^\s*AC_PROG_CXX\b`)
	acAutomake = regexp.MustCompile(`(?m)^\s*AM_INIT_AUTOMAKE\b`)
	cxxFiles   = []string{"*.cc", "*.cpp", "*.cxx", "*.C"}
)

func detectC(t tree) *Part {
	if t.first("configure.ac", "configure.in", "configure") != "" && t.any("*.c", "*.h", "*.am", "*.cc", "*.cpp") {
		return autotools(t)
	}
	makefile := t.first("GNUmakefile", "makefile", "Makefile")
	if makefile == "" || !t.any(append([]string{"*.c"}, cxxFiles...)...) {
		return nil
	}
	p := &Part{
		Name: "c", What: "C code with make (" + makefile + ")",
		suite: stable, packages: compilers(t),
	}
	text := t.read(makefile)
	p.plan = []string{`action "make" {}`}
	switch {
	case makeCheck.MatchString(text):
		p.plan = append(p.plan, ``, `action "make" { targets = ["check"] }`)
	case makeTest.MatchString(text):
		p.plan = append(p.plan, ``, `action "make" { targets = ["test"] }`)
	}
	p.plan = append(p.plan, keep...)
	return p
}

// keep teaches how a result gets out of a machine.
var keep = []string{
	``,
	`# What is put into $AMBIENT_ARTIFACTS is kept, and other stages can use it:`,
	`# action "make" {`,
	`#   targets   = ["install"]`,
	`#   variables = { DESTDIR = "/ci/artifacts" }`,
	`# }`,
}

func compilers(t tree) []string {
	if t.any(cxxFiles...) {
		return []string{"g++", "gcc", "libc6-dev", "make"}
	}
	return []string{"gcc", "libc6-dev", "make"}
}

func autotools(t tree) *Part {
	ac := t.read(t.first("configure.ac", "configure.in"))
	p := &Part{Name: "c", What: "C code with autotools (configure)", suite: stable, packages: compilers(t)}
	var lines []string
	if !t.has("configure") {
		p.What = "C code with autotools (configure.ac)"
		p.packages = append(p.packages, "autoconf")
		if acAutomake.MatchString(ac) {
			p.packages = append(p.packages, "automake")
		}
		if acLibtool.MatchString(ac) {
			p.packages = append(p.packages, "automake", "libtool")
		}
		if acGettext.MatchString(ac) {
			p.packages = append(p.packages, "autopoint", "gettext")
		}
		lines = append(lines, `autoreconf --install`)
	}
	if acPkg.MatchString(ac) {
		p.packages = append(p.packages, "pkg-config")
	}
	if acCXX.MatchString(ac) {
		p.packages = append(p.packages, "g++")
	}
	lines = append(lines,
		`# The cache makes the next run's configure quicker.`,
		`sh ./configure --cache-file="$AMBIENT_CACHE/config.cache"`,
		`make`)
	if acAutomake.MatchString(ac) || makeCheck.MatchString(t.read("Makefile.in")) {
		lines = append(lines, `make check`)
	}
	p.plan = append(script(lines...), keep...)
	return p
}

package ambientyaml

import (
	"slices"
	"strings"
)

// tools are programs that scripts call and the Debian packages that have them.
var tools = map[string]string{
	"cargo": "cargo", "rustc": "cargo", "rustup": "rustup", "clang": "clang", "cmake": "cmake", "curl": "curl", "cc": "gcc",
	"dch": "devscripts", "dpkg-buildpackage": "dpkg-dev", "dpkg-parsechangelog": "dpkg-dev", "gcc": "gcc", "g++": "g++",
	"git": "git", "go": "golang-go", "jq": "jq", "make": "make", "meson": "meson", "mvn": "maven", "ninja": "ninja-build",
	"node": "nodejs", "npm": "npm", "npx": "npm", "perl": "perl", "pip": "python3-pip", "pip3": "python3-pip",
	"pytest": "python3-pytest", "python3": "python3", "ruby": "ruby", "rsync": "rsync", "shellcheck": "shellcheck",
	"subplot": "subplot", "unzip": "unzip", "wget": "wget", "xz": "xz-utils", "yarn": "yarnpkg", "zip": "zip",
}

// before are words that can stand before the name of a command.
var before = []string{"then", "do", "else", "elif", "if", "while", "until", "!", "{", "sudo", "exec", "env", "xargs", "time"}

// packagesOf guesses which packages a script needs.
func packagesOf(script string) []string {
	var packages []string
	for line := range strings.Lines(script) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, call := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(";|&(`\n", r) }) {
			if p := tools[commandOf(call)]; p != "" && !slices.Contains(packages, p) {
				packages = append(packages, p)
			}
		}
	}
	return packages
}

// commandOf returns the name of the command that a piece of shell calls.
func commandOf(call string) string {
	for word := range strings.FieldsSeq(call) {
		if !slices.Contains(before, word) && !strings.Contains(word, "=") {
			return strings.Trim(word, ")\"'")
		}
	}
	return ""
}

package config

import (
	"strings"
)

// maxHostName is the longest name of a host (RFC 1035, 2.3.4).
const maxHostName = 253

// parseName checks the name of a host, or a wildcard; port is for remedies.
func parseName(name, port string) (string, error) {
	base, wildcard := strings.CutPrefix(name, "*.")
	switch {
	case name == "":
		return "", badHost("Missing host", "Before the colon stands a host.", "")
	case name == "*":
		return "", badHost("Invalid wildcard", "All hosts can not be allowed one by one: set mode = \"open\", or mode = \"audit\" to learn which are needed.", "")
	case strings.Contains(base, "*"):
		return "", badHost("Invalid wildcard", "A * stands at the beginning and for whole labels only.", widen(name)+":"+port)
	case strings.ToLower(name) != name:
		return "", badHost("Invalid host", "Names of hosts are written in lower case.", strings.ToLower(name)+":"+port)
	case strings.HasSuffix(name, "."):
		return "", badHost("Invalid host", "Names are complete without a dot at the end.", strings.TrimRight(name, ".")+":"+port)
	case len(base) > maxHostName:
		return "", badHost("Invalid host", "This is longer than any name of a host.", "")
	case strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 }):
		return "", badHost("Invalid host", "Letters outside of ASCII are written in the form that DNS knows (\"xn--…\").", "")
	case !wildcard && isNumeric(base), wildcard && isNumeric(base):
		return "", badHost("Invalid address", "This is neither a name nor an address: an address of IPv4 has four numbers from 0 to 255.", "")
	}
	for label := range strings.SplitSeq(base, ".") {
		if !validLabel(label) {
			return "", badHost("Invalid host", "A name has labels of 1 to 63 letters, digits and \"-\", with dots between them.", strings.ReplaceAll(base, "..", ".")+":"+port)
		}
	}
	return name, nil
}

// widen turns a wildcard in the middle of a name into one that is allowed:
// "a.*.example.org" and "*a.example.org" into "*.example.org".
func widen(name string) string {
	rest := name[strings.LastIndexByte(name, '*')+1:]
	_, rest, _ = strings.Cut(rest, ".")
	return "*." + rest
}

// isNumeric reports whether some programs would take a name for an address: they
// read "10.1" and "0x7f.1" as such (inet_aton(3)).
func isNumeric(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	hex, ok := strings.CutPrefix(last, "0x")
	return isNumber(last) || ok && strings.Trim(hex, "0123456789abcdef") == ""
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if !isNameByte(label[i]) {
			return false
		}
	}
	return true
}

package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// HostError says what is wrong with an entry of an allow-list, and what to
// write.
type HostError struct {
	Summary string // a few words without values
	Detail  string // sentences
	meant   string // the entry that was probably meant, which may be wrong in turn
}

func (e *HostError) Error() string { return e.Detail }

const missingPort = "Missing port"

const allowSample = "files.example.org:22"

// badHost is an error with the text that was probably meant, "" when nobody
// knows.
func badHost(summary, why, meant string) *HostError { return &HostError{summary, why, meant} }

// maxRemedies bounds how many mistakes in one entry are mended.
const maxRemedies = 5

// remedy says what to write instead.
func (e *HostError) remedy() string {
	meant := e.meant
	for range maxRemedies {
		a, err := parseEntry(meant)
		if err == nil {
			return fmt.Sprintf("Write %q.", a)
		}
		var next *HostError
		if !errors.As(err, &next) || next.meant == "" {
			break
		}
		meant = next.meant
	}
	return fmt.Sprintf("Write a host and a port, such as %q.", allowSample)
}

// ParseAllow reads an entry of an allow-list: HOST:PORT or HOST:PORT/udp. HOST is
// a name, *.NAME, an address or a prefix, those of IPv6 in brackets; PORT can be
// "*". The error is a *HostError.
func ParseAllow(text string) (Allow, error) {
	a, err := parseEntry(text)
	var wrong *HostError
	if errors.As(err, &wrong) {
		wrong.Detail += " " + wrong.remedy()
	}
	return a, err
}

func parseEntry(text string) (Allow, error) {
	if err := notAnEntry(text); err != nil {
		return Allow{}, err
	}
	host, port, err := splitEntry(text)
	if err != nil {
		return Allow{}, err
	}
	var a Allow
	if a.Port, a.UDP, err = parsePort(host, port); err != nil {
		return Allow{}, err
	}
	a.Host, err = parseHost(host, port)
	if err != nil {
		return Allow{}, err
	}
	return a, nil
}

// maxEntry is the longest entry: a name of 253 bytes, "*.", a port and "/udp".
const maxEntry = 270

// notAnEntry finds what is something else altogether: an address of the web, or
// of a user at a host.
func notAnEntry(text string) error {
	switch {
	case text == "":
		return badHost("Missing host", "The text is empty.", "")
	case len(text) > maxEntry:
		return badHost("Invalid host", "This is longer than any name of a host.", "")
	case strings.TrimSpace(text) != text:
		return badHost("Invalid host", "There is space around it.", strings.TrimSpace(text))
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return badHost("Invalid host", "There is a space or a control character in it. One entry names one host; the others are elements of their own.", "")
	case strings.Contains(text, "://"):
		return badHost("Address instead of a host", "This is an address with a scheme; only its host and port count.", hostOfURL(text))
	case strings.Contains(text, "@"):
		_, rest, _ := strings.Cut(text, "@")
		host, port, _ := strings.Cut(rest, ":")
		if !isNumber(port) {
			port = "22"
		}
		return badHost("Address instead of a host", "Which user logs in does not matter here.", host+":"+port)
	}
	return nil
}

var schemePorts = map[string]string{
	"http": "80", "https": "443", "ssh": "22", "git": "9418", "git+ssh": "22", "ftp": "21", "sftp": "22", "rsync": "873", "ldap": "389", "ldaps": "636",
	"postgres": "5432", "postgresql": "5432", "mysql": "3306", "redis": "6379", "ws": "80", "wss": "443", "domain": "53", "smtp": "25", "ntp": "123/udp",
}

// hostOfURL returns the entry for an address with a scheme, "" if it has none.
func hostOfURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = schemePorts[strings.ToLower(u.Scheme)]
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// splitEntry cuts an entry at the colon before its port.
func splitEntry(text string) (host, port string, err error) {
	if strings.HasPrefix(text, "[") {
		host, rest, closed := strings.Cut(text, "]")
		switch {
		case !closed:
			return "", "", badHost("Invalid address", "The bracket is not closed.", "")
		case strings.HasPrefix(rest, "/") && strings.Contains(rest, ":"): // [2001:db8::]/32:443
			size, port, _ := strings.Cut(rest, ":")
			return "", "", badHost("Invalid prefix", "The length of the prefix stands in the brackets.", host+size+"]:"+port)
		case !strings.HasPrefix(rest, ":"):
			return "", "", badHost(missingPort, "An entry names a host and a port.", host+"]:443")
		}
		return host + "]", rest[1:], nil
	}
	if addr, size, _ := strings.Cut(text, "/"); isAddr(addr) && strings.Contains(addr, ":") {
		meant := "[" + text + "]:443"
		if bits, port, ok := strings.Cut(size, ":"); ok {
			meant = "[" + addr + "/" + bits + "]:" + port
		}
		return "", "", badHost("Missing brackets", "An address of IPv6 stands in brackets, with the port behind them.", meant)
	}
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		host, proto, _ := strings.Cut(text, "/")
		if _, err := strconv.Atoi(proto); err == nil {
			host = text // a prefix
		}
		return "", "", badHost(missingPort, "An entry names a host and a port; a port of * stands for all of them.", strings.ToLower(host)+":443")
	}
	if strings.Contains(text[:i], ":") {
		return "", "", badHost("Invalid host", "There is a colon too many. An address of IPv6 stands in brackets, and each port is an entry of its own.", "["+text[:i]+"]:"+text[i+1:])
	}
	return text[:i], text[i+1:], nil
}

// parsePort reads what stands behind the colon.
func parsePort(host, text string) (port uint16, udp bool, err error) {
	number, proto, slash := strings.Cut(text, "/")
	switch {
	case slash && proto == "tcp":
		return 0, false, badHost("Invalid protocol", "TCP is meant without saying so.", host+":"+number)
	case slash && strings.EqualFold(proto, "udp") && proto != "udp":
		return 0, false, badHost("Invalid protocol", "The protocol is written in lower case.", host+":"+number+"/udp")
	case slash && proto != "udp":
		return 0, false, badHost("Invalid port", "Behind the port only /udp can stand; paths do not count.", host+":"+number)
	case number == "*":
		return 0, slash, nil
	case number == "":
		return 0, false, badHost(missingPort, "The port is missing; * stands for all of them.", host+":443")
	case strings.Contains(number, "-"):
		return 0, false, badHost("Invalid port", "A range of ports can not be given. Make an entry for each, or write * for all of them.", host+":*")
	}
	if known := schemePorts[strings.ToLower(number)]; known != "" {
		return 0, false, badHost("Invalid port", "A port is a number.", host+":"+known)
	}
	n, convErr := strconv.ParseUint(number, 10, 16)
	switch {
	case !isNumber(number):
		return 0, false, badHost("Invalid port", "A port is a number from 1 to 65535, or *.", "")
	case convErr != nil || n == 0:
		return 0, false, badHost("Invalid port", "A port goes from 1 to 65535.", "")
	case number[0] == '0':
		return 0, false, badHost("Invalid port", "A port has no zeros before it.", host+":"+strings.TrimLeft(number, "0"))
	}
	return uint16(n), slash, nil
}

// parseHost reads what stands before the colon; port is for remedies.
func parseHost(host, port string) (string, error) {
	inner, bracket := strings.CutPrefix(host, "[")
	inner = strings.TrimSuffix(inner, "]")
	switch {
	case bracket && strings.Contains(inner, "/"), !bracket && strings.Contains(inner, "/"):
		return parsePrefix(inner, bracket, port)
	case bracket || isAddr(inner):
		return parseAddr(inner, bracket, port)
	}
	return parseName(host, port)
}

func parseAddr(text string, bracket bool, port string) (string, error) {
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return "", badHost("Invalid address", "In brackets stands an address of IPv6.", text+":"+port)
	case addr.Is4() && bracket:
		return "", badHost("Invalid address", "Brackets are for addresses of IPv6.", text+":"+port)
	case addr.Is4In6():
		return "", badHost("Invalid address", "This is an address of IPv4, written in the way of IPv6.", addr.Unmap().String()+":"+port)
	case addr.Zone() != "":
		return "", badHost("Invalid address", "The name of an interface means nothing to a guest.", "["+addr.WithZone("").String()+"]:"+port)
	case addr.IsUnspecified():
		return "", badHost("Invalid address", "No host has this address. For all addresses of a kind write a prefix, such as \"0.0.0.0/0:443\".", "")
	}
	return addr.String(), nil
}

func parsePrefix(text string, bracket bool, port string) (string, error) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil && !bracket && !looksLikeAddr(text):
		name, _, _ := strings.Cut(text, "/")
		return "", badHost("Invalid host", "Paths do not count; only the host and the port do.", strings.ToLower(name)+":"+port)
	case err != nil:
		return "", badHost("Invalid prefix", "A prefix is an address and the number of its bits that count, such as \"10.0.0.0/8:5432\".", "")
	case p.Addr().Is4() && bracket:
		return "", badHost("Invalid prefix", "Brackets are for addresses of IPv6.", text+":"+port)
	case p.Addr().Is4In6():
		return "", badHost("Invalid prefix", "This is an address of IPv4, written in the way of IPv6.", "")
	case p.Masked() != p:
		return "", badHost("Invalid prefix", "The address has bits behind the length of its prefix.", Allow{Host: p.Masked().String()}.withPort(port))
	}
	return p.String(), nil
}

// withPort is String with another text for the port.
func (a Allow) withPort(port string) string {
	a.Port, a.UDP = 0, false
	return strings.TrimSuffix(a.String(), "*") + port
}

func looksLikeAddr(text string) bool {
	addr, _, _ := strings.Cut(text, "/")
	return strings.Trim(addr, "0123456789.") == "" || strings.Contains(addr, ":")
}

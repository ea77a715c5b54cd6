package actions

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ambient-ci/ambient/config"
)

// isWeb reports whether an address is one of http or https with a host.
func isWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// withoutPassword takes user name and password out of an address, and adds the
// host to withheld when there were any. The user name stays for ssh, which is
// given no password. What is no address stays as it is.
func withoutPassword(address string, withheld *[]string) string {
	kind, rest := "", address
	if i := strings.Index(address, "+"); i > 0 && i < strings.Index(address, ":") {
		kind, rest = address[:i+1], address[i+1:]
	}
	u, err := url.Parse(rest)
	if err != nil || u.User == nil {
		return address
	}
	if _, secret := u.User.Password(); u.Scheme == "ssh" && !secret {
		return address
	}
	*withheld = append(*withheld, u.Host)
	if u.Scheme == "ssh" {
		u.User = url.User(u.User.Username())
	} else {
		u.User = nil
	}
	return kind + u.String()
}

// withheldNote is shell text that says whose passwords stay on the host.
func withheldNote(action string, hosts []string) string {
	if len(hosts) == 0 {
		return ""
	}
	return "echo " + quote(fmt.Sprintf("%s: the user name and password for %s stay on the machine that runs ambient", action, strings.Join(hosts, ", "))) + "\n"
}

// reach collects the hosts that an action must reach.
type reach struct {
	by  string
	all []config.Allow
}

// address adds the host of an address that the host's tools or the
// configuration gave, which may be any.
func (r *reach) address(address string) {
	if host, port := hostPort(address); host != "" {
		r.add(host, port)
	}
}

// maxForeign bounds how many hosts the files of a source tree can add.
const maxForeign = 64

// foreign adds the host of an address that a file of the source tree gave: a
// name below a public one, never an address by number or this machine.
func (r *reach) foreign(address string) {
	host, port := hostPort(address)
	if host == "" || len(r.all) >= maxForeign || !publicName(host) {
		return
	}
	r.add(host, port)
}

func (r *reach) add(host string, port uint16) {
	a := config.Allow{Host: host, Port: port, By: r.by}
	if !slices.Contains(r.all, a) {
		r.all = append(r.all, a)
	}
}

// schemePorts are the ports of the kinds of addresses that registries have.
var schemePorts = map[string]uint16{"http": 80, "https": 443, "ssh": 22, "git": 9418}

// hostPort returns where an address leads, "" when it leads nowhere. What
// stands before a "+" in front of it does not matter: "sparse+https://…".
func hostPort(address string) (host string, port uint16) {
	if i := strings.Index(address, "+"); i > 0 && i < strings.Index(address, ":") {
		address = address[i+1:]
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "", 0
	}
	port = schemePorts[u.Scheme]
	if port == 0 {
		return "", 0
	}
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return "", 0
		}
		port = uint16(n)
	}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), port
}

var dnsName = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)

// publicName reports whether host can be a name of the world's DNS. "localhost"
// and names below it are none (RFC 6761), nor are addresses.
func publicName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || len(host) > 253 {
		return false
	}
	return dnsName.MatchString(host) && !strings.HasSuffix(host, ".localhost")
}

// readTree reads a file of the source tree, nothing when there is none or it is
// too large for what it should be.
func readTree(tree Tree, path string) string {
	if tree == nil {
		return ""
	}
	data, err := tree.Read(path, maxDocument)
	if errors.Is(err, fs.ErrNotExist) || err != nil {
		return ""
	}
	return string(data)
}

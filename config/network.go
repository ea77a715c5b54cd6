package config

import (
	"net/netip"
	"strconv"
	"strings"
)

// NetworkMode is what a stage can reach.
type NetworkMode string

// The network modes. In all of them the host's own loopback and the metadata
// addresses of clouds are out of reach unless they are named.
const (
	NetworkNone  NetworkMode = "none"  // no network device at all
	NetworkAllow NetworkMode = "allow" // what Stage.Allow and the stage's actions name
	NetworkAudit NetworkMode = "audit" // everything, and the run ends with the block that would allow it
	NetworkOpen  NetworkMode = "open"  // everything
)

// Allow is one entry of an allow-list: host:port, host:port/udp.
type Allow struct {
	// Host is a name in lower case; "*.example.org" for every name below that;
	// an address; or a prefix in CIDR notation.
	Host  string
	Port  uint16 // 0: every port ("*")
	UDP   bool
	Range Range  `json:"-"` // zero when an action brought it
	By    string // the action or the secret that brought it; empty: the network block
}

// String writes the entry as it stands in a network block; ParseAllow reads it
// back.
func (a Allow) String() string {
	host, port := a.Host, "*"
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.Port != 0 {
		port = strconv.Itoa(int(a.Port))
	}
	if a.UDP {
		port += "/udp"
	}
	return host + ":" + port
}

// plainName reports whether the host is one name, and no wildcard, address or
// prefix.
func (a Allow) plainName() bool { return !a.wide() && !isAddr(a.Host) }

// wide reports whether the entry stands for more than one host.
func (a Allow) wide() bool { return strings.ContainsAny(a.Host, "*/") }

func isAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

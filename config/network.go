package config

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
	By    string // the action that brought it; empty: the network block
}

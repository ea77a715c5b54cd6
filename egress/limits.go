package egress

import "time"

// What one machine may make this process hold.
const (
	maxConnections = 512       // TCP connections at once
	maxDialling    = 128       // of them before their handshake is complete; more wait for the guest's next try
	maxSessions    = 256       // UDP sessions at once
	maxAsking      = 1024      // ports of the guest that ask for names at once
	maxNames       = 8192      // names that have an address
	maxLookups     = 32        // questions to the host's resolver at once
	maxHead        = 64 << 10  // bytes of the head of an HTTP request, or of a ClientHello
	maxLine        = 8 << 10   // bytes of what may be the first line of an HTTP request
	socketBuffer   = 1 << 20   // bytes of a TCP connection on the guest's side, each way, at most
	spliceBuffer   = 256 << 10 // bytes that are copied at once
	maxReported    = 4096      // connections that are reported one by one
	maxGroups      = 1024      // kinds of refused or dropped traffic that are told apart
	maxNeeded      = 512       // rules that an audit finds
)

// How long things may take.
const (
	dialLimit    = 20 * time.Second // to connect to an address
	lookupLimit  = 10 * time.Second // to resolve a name
	lookupKeep   = 30 * time.Second // that an answer of the host's resolver is used again
	proxiedLimit = 2 * time.Second  // to look where a name leads that a proxy resolves
	dnsIdle      = time.Second      // of silence, until a port of the guest is forgotten that has asked for a name
	sessionLimit = 2 * time.Minute  // of silence, until a UDP session is over (RFC 4787, REQ-5)
	headLimit    = time.Minute      // from the first byte of a request's head, or a ClientHello, to its last
	injectIdle   = 2 * time.Minute  // between two requests on a connection that ends here
)

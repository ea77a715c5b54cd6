// Package egress is the network of one machine: it speaks Ethernet with the
// guest, in this process and without privileges, and makes the connections that
// a policy allows as ordinary sockets of the host. Nothing is routed.
//
// The guest is 10.0.2.15/24, its gateway 10.0.2.2 and its name server 10.0.2.3.
// The name server answers for names that the policy allows; each gets an address
// of its own from 198.18.0.0/15 (RFC 2544), which means nothing elsewhere. A
// connection to such an address is one to that name: it is allowed or refused by
// name and port, the host resolves the name, looks at the address that comes out
// and dials that very address. What the client says first must agree: the server
// name of TLS, the Host of HTTP/1.
//
// The file names tell the way of a frame: link.go reads and writes frames,
// guard.go drops what is not plain IPv4, dns.go answers, tcp.go and udp.go take
// connections, decide.go says which, dial.go makes the other half, inspect.go
// looks at what the client says, inject.go adds headers, record.go tells of all.
//
// Everything that the guest sends is hostile. What it can make this process hold
// is bounded: see the constants of limits.go.
package egress

package guest

import "embed"

// Source is the source of this package, for ambient to build the guest program
// from where it carries no built one. Test files are in it and left out when it
// is used.
//
//go:embed *.go
var Source embed.FS

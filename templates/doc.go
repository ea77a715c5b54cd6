// Package templates keeps machines that have booted and wait for their first
// order, so that a stage's machine need not boot: it goes on from there.
//
// A template is a directory below home.Templates named by its key, which is a
// digest of everything that matters to a machine (see Key). It holds
//
//	memory         the guest's memory, sparse
//	state          the state of its devices
//	scratch        the disk with the empty writable layer, as that memory knows it
//	template.json  the completion marker: what the files must be
//
// It is made in a directory of its own and published by rename, so that a
// template that is there is whole. It holds no project's data, since the guest
// had none when it was saved. It is private to its user: a machine trusts its
// own memory.
//
// Nothing here is worth failing for. Whoever gets an error boots the machine
// instead, and says why.
package templates

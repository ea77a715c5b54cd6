// Package apt is a small client of Debian's archive: it finds the archive in
// the host's apt sources, checks the signed InRelease file, then the package
// index, then each package by SHA-256 (wiki.debian.org/DebianRepository/Format).
//
// Nothing that comes over the network is believed before it was checked, and
// every length is bounded.
package apt

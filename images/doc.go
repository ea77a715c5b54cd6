// Package images makes the images that guests boot: a kernel, the modules for
// its initial file system, and a read-only root. There are two kinds: the
// built-in one with a static busybox, made without root or tools, and Debian
// roots with packages of the user's choice, made by mmdebstrap. Both come from
// Debian's archive and are checked down to its signature.
//
// Images are kept by the digest of their content and built once; several
// processes may use one Store's directory at the same time.
package images

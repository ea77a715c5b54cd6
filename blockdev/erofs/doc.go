// Package erofs writes EROFS file systems: read-only ones, which a guest mounts
// instead of unpacking an archive.
//
// What it writes is the plain subset of the format that every kernel since Linux
// 5.4 reads ("EROFS - Enhanced Read-Only File System" in the kernel's
// documentation, and fs/erofs/erofs_fs.h): blocks of 4096 bytes, 64-byte inodes,
// contents in one piece each, no compression, no extended attributes. An image is
//
//	block 0      the superblock
//	block 1      the root directory, which has one entry: Top
//	block 2      the inode of Top, with the end of the directory behind it
//	block 3 …    contents, each from the start of a block
//	the rest     the other inodes, with the ends of directories and links behind
//	             them, and directory blocks
//
// What is added stands below Top. The root directory is the same in every image,
// so that a kernel may mount one image and read another: a machine is saved with
// its inputs mounted, and goes on with other ones of which it has seen nothing.
// Contents stand before inodes so that a new image can keep those of an older one
// at their places: see Writer.Keep. Every file belongs to root.
package erofs

import (
	"errors"
	"fmt"
	"io/fs"
)

// Top is the directory of an image that has what was added to it.
const Top = "tree"

// BlockSize is the size in bytes of a block; an image has whole blocks.
const BlockSize = 4096

// Bounds of an image.
const (
	MaxEntries = 8 << 20 // files, directories and links
	maxName    = 255     // bytes
	maxLink    = 4095    // bytes of a symbolic link's target, PATH_MAX less its NUL
	maxBlocks  = 1<<32 - 1
)

// Attr is what a file has besides its content.
type Attr struct {
	Mode fs.FileMode // permission bits; others are ignored
	// Time is when it was changed last, in seconds since 1970. A directory with
	// 0 gets the latest time of what is below it.
	Time int64
}

// Extent is where the content of a file is.
type Extent struct {
	Block uint32 // number of its first block
	Size  int64  // bytes
}

// blocks is how many blocks an extent has.
func (e Extent) blocks() int64 { return blocksOf(e.Size) }

func blocksOf(size int64) int64 { return (size + BlockSize - 1) / BlockSize }

// ErrTooLarge says that an image would have more entries or blocks than it can.
var ErrTooLarge = errors.New("too large for a file system image")

// NameError says that a file can not have its name.
type NameError struct {
	Name string // the path
	Why  string
}

func (e *NameError) Error() string { return fmt.Sprintf("%.200q %s", e.Name, e.Why) }

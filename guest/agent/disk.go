package agent

import (
	"errors"
	"syscall"
)

// diskFull reports whether the file system at path has nearly no space or no
// inodes left. What ext4 keeps back for itself (2 %, at most 4096 blocks) counts
// as used; the host makes the file system without a share for root. It keeps
// quiet about a file system that it can not ask.
func diskFull(path string) bool {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil || s.Blocks == 0 {
		return false
	}
	free := s.Bavail * uint64(s.Bsize)
	total := s.Blocks * uint64(s.Bsize)
	return free < min(8<<20, total/50) || s.Files > 0 && s.Ffree < 16
}

// outOfSpace reports whether an error says that the disk is full.
func outOfSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

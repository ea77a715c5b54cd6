package planfile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Change is a difference between what was planned and what is there.
type Change struct {
	Path Name
	What string // "changed", "added" or "removed"
}

// Compare returns how entries differ from those that were planned. Both are
// sorted by path.
func Compare(planned, now []Entry) []Change {
	var changes []Change
	for len(planned) > 0 || len(now) > 0 {
		switch {
		case len(now) == 0 || len(planned) > 0 && planned[0].Path < now[0].Path:
			changes = append(changes, Change{planned[0].Path, "removed"})
			planned = planned[1:]
		case len(planned) == 0 || now[0].Path < planned[0].Path:
			changes = append(changes, Change{now[0].Path, "added"})
			now = now[1:]
		default:
			if planned[0] != now[0] {
				changes = append(changes, Change{now[0].Path, "changed"})
			}
			planned, now = planned[1:], now[1:]
		}
	}
	return changes
}

// Texts returns the entries of texts by name.
func Texts(texts map[string][]byte) []Entry {
	var entries []Entry
	for name, text := range texts {
		sum := sha256.Sum256(text)
		entries = append(entries, Entry{Name(name), File, hex.EncodeToString(sum[:])})
	}
	return sorted(entries)
}

func sorted(entries []Entry) []Entry {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return entries
}

// ReadTree returns the entries of these files below dir; paths are
// slash-separated. Links are not followed. A file that is gone meanwhile is left
// out; pipes and devices are errors.
func ReadTree(ctx context.Context, dir string, files []string) ([]Entry, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var entries []Entry
	for _, name := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e, err := readEntry(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return sorted(entries), nil
}

func readEntry(root *os.Root, name string) (Entry, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return Entry{}, err
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		return Entry{Name(name), Directory, ""}, nil
	case fs.ModeSymlink:
		target, err := root.Readlink(name)
		sum := sha256.Sum256([]byte(target))
		return Entry{Name(name), Link, hex.EncodeToString(sum[:])}, err
	case 0:
	default:
		return Entry{}, fmt.Errorf("%s is neither a file nor a directory nor a link", name)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return Entry{}, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return Entry{Name(name), fileKind(info.Mode()), hex.EncodeToString(h.Sum(nil))}, err
}

func fileKind(mode fs.FileMode) Kind {
	if mode&0o100 != 0 {
		return Program
	}
	return File
}

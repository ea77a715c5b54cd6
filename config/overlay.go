package config

import (
	"bytes"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// IsFileName reports whether Load reads a file of that name from a directory.
func IsFileName(name string) bool {
	return name == FileName || strings.HasSuffix(name, "."+FileName) && !strings.HasPrefix(name, ".")
}

// Sources returns the configuration files of a directory, by base name, as Load
// reads them: with files in place of those on disk, and with line ends of "\n".
// What can not be read is left out. It is for tools that look at the text.
func Sources(dir string, files map[string][]byte) map[string][]byte {
	l := newLoader(dir, Options{Files: files})
	if !l.open() {
		return nil
	}
	defer l.root.Close()
	names, err := l.fileNames()
	if err != nil {
		names = nil
	}
	out := map[string][]byte{}
	for _, name := range names[:min(len(names), maxFiles)] {
		if src, err := l.readConfig(name); err == nil {
			out[name] = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
		}
	}
	return out
}

// fileNames returns the names of the configuration files: those of the
// directory and those of Options.Files.
func (l *loader) fileNames() ([]string, error) {
	names, err := listFiles(l.root)
	for name := range l.opts.Files {
		if IsFileName(name) && filepath.Base(name) == name && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, err
}

// readConfig reads one configuration file, or takes what stands in for it.
func (l *loader) readConfig(name string) ([]byte, error) {
	if src, ok := l.opts.Files[name]; ok {
		return readAll(bytes.NewReader(src), maxFile)
	}
	return readBounded(l.root, name, maxFile)
}

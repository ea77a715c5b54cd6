package images

import (
	"os"
	"sort"
	"strings"
	"syscall"
)

// removeTree removes a directory of a build. A tool that was killed may have
// left mounts of the host's own directories in it: these are taken away first,
// and while one is left nothing is removed.
func removeTree(dir string) {
	for _, m := range mountsBelow(dir) {
		if syscall.Unmount(m, syscall.MNT_DETACH) != nil {
			return
		}
	}
	os.RemoveAll(dir)
}

// mountsBelow lists mount points in dir, the deepest first (proc(5)).
func mountsBelow(dir string) []string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		point := unescape.Replace(f[4])
		if strings.HasPrefix(point, dir+"/") {
			found = append(found, point)
		}
	}
	sort.Slice(found, func(i, j int) bool { return len(found[i]) > len(found[j]) })
	return found
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

// toolDirFile, in the directory of a build, names a directory outside of it
// that a tool works in.
const toolDirFile = ".tooldir"

// toolDirPrefix starts the name of such a directory.
const toolDirPrefix = "ambient-debian-"

// removeBuild removes the directory of a build and the one its tool works in.
func removeBuild(dir string) {
	if data, err := os.ReadFile(filepath.Join(dir, toolDirFile)); err == nil {
		removeToolDir(string(data))
	}
	removeTree(dir)
}

// removeToolDir removes a directory made by toolDir. Files in it may belong to
// users of a user namespace, whom only mmdebstrap's helper can become.
func removeToolDir(dir string) {
	if !filepath.IsAbs(dir) || !strings.HasPrefix(filepath.Base(dir), toolDirPrefix) {
		return
	}
	removeTree(dir)
	if _, err := os.Lstat(dir); err == nil && os.Geteuid() != 0 {
		_ = exec.Command(mmdebstrap, "--unshare-helper", "rm", "-rf", "--one-file-system", dir).Run()
		removeTree(dir)
	}
}

// removeTree removes a directory. A tool that was killed may have left mounts
// of the host's own directories in it: these are taken away first, and while
// one is left nothing is removed.
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
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
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

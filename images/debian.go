package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/images/apt"
	"github.com/ambient-ci/ambient/images/rootfs"
)

// mmdebstrap is the program that makes Debian roots.
const mmdebstrap = "mmdebstrap"

// statusFile is dpkg's list of what is installed.
const statusFile = "var/lib/dpkg/status"

// debianSkip are files that mmdebstrap takes from the host or needs only for
// its own work.
var debianSkip = map[string]bool{
	"etc/hostname": true, "etc/resolv.conf": true, "etc/machine-id": true,
	"etc/apt/apt.conf.d/99mmdebstrap": true,
}

// checkDebian finds out early whether a Debian root can be made at all.
func (b *builder) checkDebian() error {
	if !b.spec.Debian {
		return nil
	}
	if _, err := exec.LookPath(mmdebstrap); err != nil {
		return &ToolError{Tool: mmdebstrap, Missing: true, Err: err}
	}
	return nil
}

// checkPackages finds names that no package has, before the long work.
func (b *builder) checkPackages(ctx context.Context, a *apt.Archive) error {
	var names []string
	for _, p := range b.spec.Packages {
		name, _, _ := strings.Cut(p, "=")
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil
	}
	missing, err := a.Missing(ctx, b.spec.Arch, names)
	if err != nil || len(missing) == 0 {
		return err
	}
	return &PackageError{Package: missing[0], Suite: b.spec.Suite, Reason: "the archive has no such package"}
}

// debian writes the root of a Debian image.
func (b *builder) debian(ctx context.Context, a *apt.Archive) error {
	tmp, err := b.toolDir()
	if err != nil {
		return err
	}
	defer removeToolDir(tmp)
	keys, err := copyKeys(a, filepath.Join(tmp, "keys"))
	if err != nil {
		return err
	}
	when := newest(a)
	w, err := rootfs.Create(filepath.Join(b.dir, rootFile), when)
	if err != nil {
		return err
	}
	defer w.Abort()
	b.say("installing packages with " + mmdebstrap)
	status := &boundedBuffer{left: 64 << 20}
	t := &tool{
		argv: b.mmdebstrapArgs(a, filepath.Join(tmp, "keys")),
		env:  []string{"TMPDIR=" + tmp, fmt.Sprintf("SOURCE_DATE_EPOCH=%d", when.Unix())},
		log:  tailWriter{say: b.say},
	}
	options := rootfs.TarOptions{Skip: debianSkip, Tee: map[string]io.Writer{statusFile: status}}
	err = t.run(ctx, func(r io.Reader) error { return rootfs.FromTar(ctx, w, r, options) })
	if err != nil {
		return b.explain(err)
	}
	if err := finishDebian(w, keys); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	b.info.Packages = append(b.info.Packages, installed(status.data)...)
	b.info.MadeBy = toolVersion(ctx)
	return b.note(rootFile)
}

// mmdebstrapArgs is the command line. The keys in the directory are the ones
// that the archive was checked with.
func (b *builder) mmdebstrapArgs(a *apt.Archive, keys string) []string {
	args := []string{mmdebstrap,
		"--variant=apt", "--format=tar", "--architectures=" + b.spec.Arch,
		"--keyring=" + keys, "--skip=check/signed-by",
		`--aptopt=APT::Sandbox::User "root"`, // the directories are the user's own
		`--aptopt=Acquire::Retries "3"`,
	}
	if len(b.spec.Packages) > 0 {
		args = append(args, "--include="+strings.Join(b.spec.Packages, ","))
	}
	args = append(args, b.spec.Suite, "-")
	for _, s := range a.Sources {
		args = append(args, s.Line())
	}
	return args
}

// toolDir makes a directory for a tool that may run as other users in a user
// namespace, and so can not be below directories of the user alone.
func (b *builder) toolDir() (string, error) {
	parent := b.work
	if os.Geteuid() != 0 {
		parent = ""
	}
	dir, err := os.MkdirTemp(parent, toolDirPrefix+"*")
	if err != nil {
		return "", err
	}
	err = os.WriteFile(filepath.Join(b.work, toolDirFile), []byte(dir), 0o600)
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "keys"), 0o755)
	}
	if err != nil {
		os.RemoveAll(dir)
	}
	return dir, err
}

// copyKeys puts the keys of an archive's sources into a directory, and returns
// those that Debian's own packages do not bring into the image, by file name.
func copyKeys(a *apt.Archive, dir string) (map[string][]byte, error) {
	extra := map[string][]byte{}
	done := map[string]bool{}
	add := func(data []byte, own bool) error {
		name := "ambient-" + digest(string(data))[:16] + ".gpg"
		if bytes.Contains(data, []byte("-----BEGIN")) {
			name = strings.TrimSuffix(name, ".gpg") + ".asc"
		}
		if own {
			extra[name] = data
		}
		return os.WriteFile(filepath.Join(dir, name), data, 0o644)
	}
	for _, s := range a.Sources {
		for _, file := range s.Keys {
			data, err := os.ReadFile(file)
			if done[file] || os.IsNotExist(err) {
				continue
			}
			done[file] = true
			if err == nil {
				err = add(data, !strings.HasPrefix(filepath.Base(file), "debian-archive-"))
			}
			if err != nil {
				return nil, err
			}
		}
		if s.KeyText != "" {
			if err := add([]byte(s.KeyText), true); err != nil {
				return nil, err
			}
		}
	}
	return extra, nil
}

// finishDebian adds what a guest needs and a minimal Debian has not.
func finishDebian(w *rootfs.Writer, keys map[string][]byte) error {
	for name, data := range keys {
		if err := w.File("etc/apt/trusted.gpg.d/"+name, w.New(0o644), bytes.NewReader(data)); err != nil {
			return err
		}
	}
	if !w.Has("etc/hosts") {
		hosts := strings.NewReader("127.0.0.1\tlocalhost\n::1\tlocalhost\n")
		if err := w.File("etc/hosts", w.New(0o644), hosts); err != nil {
			return err
		}
	}
	return rootfs.Common(w)
}

// newest is the date of the newest release among an archive's sources.
func newest(a *apt.Archive) time.Time {
	var t time.Time
	for _, s := range a.Sources {
		if s.Date.After(t) {
			t = s.Date
		}
	}
	return t
}

// installed lists the packages in a dpkg status file.
func installed(status []byte) []apt.Package {
	list, err := apt.Installed(bytes.NewReader(status))
	if err != nil {
		return nil // it is for information only
	}
	slices.SortFunc(list, func(a, b apt.Package) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// subidHint says what an ordinary user lacks where mmdebstrap finds no way to
// work (subuid(5)).
const subidHint = "an ordinary user needs the package uidmap and subordinate ids: " +
	"let an administrator run usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"

// toolVersion names the program that makes Debian roots.
func toolVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, mmdebstrap, "--version").CombinedOutput()
	if text := strings.TrimSpace(string(out)); err == nil && len(text) < 100 {
		return text
	}
	return mmdebstrap
}

// aptFaults are apt's words for a package that can not be had; the first group
// is its name.
var aptFaults = []*regexp.Regexp{
	regexp.MustCompile(`^E: Unable to locate package (\S+)`),
	regexp.MustCompile(`^E: Package '([^']+)' has no installation candidate`),
	regexp.MustCompile(`^E: Version '[^']+' for '([^']+)' was not found`),
}

// explain finds the user's mistake in a failure of mmdebstrap, if it is one.
func (b *builder) explain(err error) error {
	var te *ToolError
	if !errors.As(err, &te) {
		return err
	}
	for _, line := range te.Lines {
		if strings.Contains(line, "unable to pick chroot mode") {
			te.Lines = append(te.Lines, subidHint)
			return te
		}
		for _, fault := range aptFaults {
			if m := fault.FindStringSubmatch(line); m != nil {
				return &PackageError{Package: m[1], Suite: b.spec.Suite, Reason: strings.TrimPrefix(line, "E: ")}
			}
		}
	}
	return err
}

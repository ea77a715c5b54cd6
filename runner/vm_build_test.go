//go:build vm

package runner

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// toolImage has what the actions for building and delivering run.
var toolImage = &config.Image{
	Name: "tools", Debian: true, Suite: "bookworm",
	Packages: []string{"build-essential", "debhelper", "dput", "git", "openssh-client", "rsync", "skopeo"},
}

// writeTree writes files by path; one that begins with #! is executable.
func writeTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// hailTree is a program in C that Debian could have.
var hailTree = map[string]string{
	"hail.c": "#include <stdio.h>\nint main(void) { return puts(WORD) < 0; }\n",
	"Makefile": "WORD ?= default\nhail: hail.c\n\t$(CC) $(CFLAGS) -DWORD='\"$(WORD)\"' -o $@ $<\n" +
		"check: hail\n\t./hail\ninstall: hail\n\tinstall -D hail $(DESTDIR)/usr/bin/hail\nclean:\n\trm -f hail\n",
	"pkg/debian/changelog": "hail (1:1.2-3) unstable; urgency=medium\n\n  * Word.\n\n -- A Person <a@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n",
	"pkg/debian/control":   "Source: hail\nMaintainer: A Person <a@example.org>\nBuild-Depends: debhelper-compat (= 13)\nRules-Requires-Root: no\n\nPackage: hail\nArchitecture: any\nDepends: ${shlibs:Depends}, ${misc:Depends}\nDescription: says a word\n It says one word.\n",
	"pkg/debian/rules": "#!/usr/bin/make -f\n%:\n\tdh $@\n" + // less of what takes long under emulation
		"override_dh_dwz override_dh_strip_nondeterminism override_dh_autoreconf override_dh_update_autotools_config override_dh_perl override_dh_link override_dh_missing:\n",
	"pkg/debian/source/format": "3.0 (quilt)\n",
	"bare/debian/changelog":    "hail (1) unstable; urgency=medium\n\n  * Word.\n\n -- A Person <a@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n",
	"bare/debian/control":      "Source: hail\nMaintainer: A Person <a@example.org>\nBuild-Depends: libnosuch-dev\n\nPackage: hail\nArchitecture: any\nDescription: x\n",
}

// make and deb build what is in the tree, and setenv and mkdir do what their
// names say.
func TestVMMakeAndDeb(t *testing.T) {
	r := newRunner(t)
	job := testJob(t, config.DefaultLimits())
	job.Stage.Image = toolImage
	writeTree(t, job.Project.Source.Address, hailTree)
	strs := func(s ...string) []string { return s }
	build := phase(t, job, config.Plan, "build",
		action("mkdir", map[string]any{"pathname": "/ci/artifacts/a/b"}),
		action("setenv", map[string]any{"set": map[string]string{"CFLAGS": "-O1", "WORD": "environment"}}),
		action("pwd", map[string]any{"dir": "pkg"}),
		action("make", map[string]any{"targets": strs("check"), "variables": map[string]string{"WORD": "moin"}}),
		shell("test -d /ci/artifacts/a/b; cp Makefile hail.c pkg/; echo \"CFLAGS is $CFLAGS\"; ls > before"),
		action("deb", map[string]any{"dir": "pkg", "packages": "debian", "source": true, "options": strs("nocheck", "noautodbgsym")}),
		shell("ls | grep -v '^before$' > /tmp/after; diff <(grep -v '^before$' before) /tmp/after; ls pkg; dpkg-deb -c $AMBIENT_ARTIFACTS/debian/hail_1.2-3_*.deb; dpkg -i $AMBIENT_ARTIFACTS/debian/hail_1.2-3_*.deb; hail"))
	got, rec := runJob(t, r, build)
	if got.Outcome != stages.Succeeded {
		t.Fatalf("%+v\n%s", got, rec.log())
	}
	for _, want := range []string{"/ci/src/pkg\n", "\nmoin\n", "CFLAGS is -O1\n", "making hail_1.2.orig.tar.xz", "./usr/bin/hail\n", "\nenvironment\n"} {
		if !strings.Contains("\n"+rec.log(), want) {
			t.Errorf("no %q in\n%s", want, rec.log())
		}
	}
	entries, err := blockdev.List(got.Output.Path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if dir, name := filepath.Split(e.Name); dir == "debian/" && name != "" {
			names = append(names, strings.ReplaceAll(name, "arm64", "amd64"))
		}
	}
	slices.Sort(names)
	want := strs("hail_1.2-3.debian.tar.xz", "hail_1.2-3.dsc", "hail_1.2-3_amd64.buildinfo", "hail_1.2-3_amd64.changes", "hail_1.2-3_amd64.deb", "hail_1.2.orig.tar.xz")
	if !slices.Equal(names, want) {
		t.Errorf("artifacts %q, want %q", names, want)
	}
	lacking := phase(t, job, config.Plan, "lacking", action("deb", map[string]any{"dir": "bare"}))
	if got, rec := runJob(t, r, lacking); got.Outcome != stages.Failed || !strings.Contains(rec.log(), "libnosuch-dev") || !strings.Contains(rec.log(), "deb_get") {
		t.Errorf("without its Build-Depends: %+v\n%s", got, rec.log())
	}
}

// An image without the tools of an action says which to add.
func TestVMMissingTool(t *testing.T) {
	r := newRunner(t)
	got, _ := runJob(t, r, phase(t, testJob(t, config.DefaultLimits()), config.Plan, "bare", action("make", nil)))
	if got.Outcome != stages.Failed || !strings.Contains(got.Reason, "the image has no make: add make to the packages") {
		t.Errorf("%+v", got)
	}
}

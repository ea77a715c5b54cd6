package actions

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
)

func TestCheck(t *testing.T) {
	const url = "https://example.org/f"
	custom := func(args any) config.Args { return values("name", "x", "args", args) }
	for _, c := range []struct {
		action string
		args   config.Args
		want   []string // "param: summary", with the nested block's index
	}{
		{"shell", values("script", "true", "shell", "bash"), nil},
		{"shell", values("script", " \n\t", "shell", "zsh"), []string{"shell: Unknown shell", "script: Empty script"}},
		{"shell", values("script", "a\x00b"), []string{"script: NUL character"}},
		{"shell", values("script", "true", "dir", "/ci/artifacts"), nil},

		{"mkdir", values("pathname", ""), []string{"pathname: No directory"}},
		{"mkdir", values("pathname", "a\x00b"), []string{"pathname: NUL character"}},
		{"pwd", values("dir", "\x00"), []string{"dir: NUL character"}},
		{"setenv", values("set", map[string]string{"A_1": "x", "_": ""}), nil},
		{"setenv", values("set", map[string]string{"": "x", "1A": "", "A-B": ""}), []string{"set: Invalid name of an environment variable", "set: Invalid name of an environment variable", "set: Invalid name of an environment variable"}},
		{"setenv", values("set", map[string]string{"AMBIENT_SRC": "/"}), []string{"set: Reserved environment variable"}},
		{"setenv", values("set", map[string]string{"A": "x\x00"}), []string{"set: NUL character"}},
		{"setenv", values("set", map[string]string{"A": strings.Repeat("x", maxEnv)}), []string{"set: Value too long"}},
		{"junit", values("files", []string{"a/**/[a-z]*.xml", "/ci/artifacts/x.xml"}), nil},
		{"junit", values("files", []string{}), []string{"files: No reports, or too many patterns"}},
		{"junit", values("files", slices.Repeat([]string{"a"}, 65)), []string{"files: No reports, or too many patterns"}},
		{"junit", values("files", []string{"a/[x"}), []string{"files: Not a pattern for files"}},
		{"junit", values("files", []string{"a/../b.xml"}), []string{"files: Not a pattern for files"}},
		{"junit", values("files", []string{"out/"}), []string{"files: Not a pattern for files"}},
		{"junit", values("files", []string{"a\x00"}), []string{"files: NUL character"}},
		{"make", values("targets", []string{"all", "a/b.o"}, "variables", map[string]string{"CFLAGS": "-O2 -g"}), nil},
		{"make", values("targets", []string{"--eval"}), []string{"targets: Not a target"}},
		{"make", values("targets", []string{"A=b"}), []string{"targets: A variable among the targets"}},
		{"make", values("variables", map[string]string{"-C": "/"}), []string{"variables: Not a variable of make"}},
		{"make", values("variables", map[string]string{"A b": "/"}), []string{"variables: Not a variable of make"}},
		{"make", values("variables", map[string]string{"A:": "/"}), []string{"variables: Not a variable of make"}},
		{"make", values("variables", map[string]string{"A": "\x00"}), []string{"variables: NUL character"}},
		{"make", values("jobs", int64(-1), "dir", "\x00", "file", "\x00"), []string{"jobs: Jobs out of range", "dir: NUL character", "file: NUL character"}},
		{"make", values("jobs", int64(1025)), []string{"jobs: Jobs out of range"}},
		{"deb", values("packages", "../x"), []string{"packages: Path outside its directory"}},
		{"deb", values("options", []string{"nocheck $(id)"}), []string{"options: Not a build option"}},
		{"deb", values("profiles", []string{"<nodoc>"}), []string{"profiles: Not a build option"}},

		{"rsync", values("target", "h:/srv/www", "artifacts", "site", "options", []string{"--exclude=*.tmp", "-z"}), nil},
		{"rsync", values("target", "-oProxyCommand=x:/srv/www"), []string{"target: Not a target"}},
		{"rsync", values("target", "h:-x"), []string{"target: Not a target"}},
		{"rsync", values("target", "h:/a b"), []string{"target: Not a target"}},
		{"rsync", values("target", "h:/a\nb"), []string{"target: Not a target"}},
		{"rsync", values("target", "h:/$(id)"), []string{"target: Not a target"}},
		{"rsync", values("target", "h::module"), []string{"target: Not a target"}},
		{"rsync", values("target", "rsync://h/module"), []string{"target: Not a target"}},
		{"rsync", values("target", "/srv/www"), []string{"target: Not a target"}},
		{"rsync", values("target", "a b@h:/srv"), []string{"target: Not a target"}},
		{"rsync", values("target", "-l@h:/srv"), []string{"target: Not a target"}},
		{"rsync", values("target", "h:"), []string{"target: Not a target"}},
		{"rsync", values("target", "h:/srv/.."), []string{"target: Target is too wide to delete in"}},
		{"rsync", values("target", "h:/srv/..", "delete", false), nil},
		{"rsync", values("target", "h:~/"), []string{"target: Target is too wide to delete in"}},
		{"rsync", values("target", "h:x", "options", []string{"-avze"}), []string{"options: Option not allowed"}},
		{"rsync", values("target", "h:x", "options", []string{"--rsh=sh"}), []string{"options: Option not allowed"}},
		{"rsync", values("target", "h:x", "options", []string{"--copy-links"}), []string{"options: Option not allowed"}},
		{"rsync", values("target", "h:x", "options", []string{"/etc"}), []string{"options: Not an option of rsync"}},
		{"rsync", values("target", "h:x", "options", []string{"--"}), []string{"options: Not an option of rsync"}},
		{"rsync", values("target", "h:x", "options", []string{"--exclude x"}), []string{"options: Not an option of rsync"}},
		{"rsync", values("target", "h:x", "artifacts", "../src"), []string{"artifacts: Path outside its directory"}},
		{"rsync", values("target", "h:x", "port", int64(0)), []string{"port: Port out of range"}},
		{"rsync", values("target", "h:x", "port", int64(65536)), []string{"port: Port out of range"}},
		{"rsync", values("target", "h:x", "key", "/root/.ssh/id"), []string{"key: Not a secret that is a file"}},
		{"rsync", values("target", "h:x", "key", "/ci/secrets/../x"), []string{"key: Not a secret that is a file"}},
		{"scp", values("files", []string{}, "target", "h:x"), []string{"files: No files"}},
		{"scp", values("files", []string{"a", "/etc/passwd"}, "target", "h:x"), []string{"files: Path outside its directory"}},
		{"git_push", values("repository", ".", "url", "ssh://git@h:22/x.git", "refspecs", []string{"HEAD:refs/heads/a-b", "v1.0^0:x"}), nil},
		{"git_push", values("repository", "r", "url", "ext::sh -c id", "refspecs", []string{"x"}), []string{"url: Not the address of a repository"}},
		{"git_push", values("repository", "r", "url", "h:/x", "refspecs", []string{"x"}), []string{"url: Not the address of a repository"}},
		{"git_push", values("repository", "r", "url", "--receive-pack=x@h:/x", "refspecs", []string{"x"}), []string{"url: Not the address of a repository"}},
		{"git_push", values("repository", "r", "url", "ssh://-oProxyCommand=x/y", "refspecs", []string{"x"}), []string{"url: Not the address of a repository"}},
		{"git_push", values("repository", "r", "url", "https://me:pw@h/x", "refspecs", []string{"x"}), []string{"url: Not the address of a repository"}},
		{"git_push", values("repository", "r", "url", "https://me@h/x", "refspecs", []string{"x"}), []string{"url: Not the address of a repository"}},
		{"git_push", values("repository", "r", "url", "file:///x", "refspecs", []string{"x"}), []string{"url: Not the address of a repository"}},
		{"git_push", values("repository", "r", "url", "git@h:x", "refspecs", []string{}), []string{"refspecs: Nothing to push"}},
		{"git_push", values("repository", "r", "url", "git@h:x", "refspecs", []string{"--mirror"}), []string{"refspecs: Not a refspec"}},
		{"git_push", values("repository", "r", "url", "git@h:x", "refspecs", []string{"refs/*:refs/*"}), []string{"refspecs: Not a refspec"}},
		{"git_push", values("repository", "r", "url", "git@h:x", "refspecs", []string{"a..b"}), []string{"refspecs: Not a refspec"}},
		{"git_push", values("repository", "r", "url", "git@h:x", "refspecs", []string{"x"}, "token", "/ci/secrets/t", "username", "a b"), []string{"username: Not a user's name", "token: Token for SSH"}},
		{"dput", values("host", "h", "incoming", "/q"), nil},
		{"dput", values("host", "h:22", "incoming", "/q q", "method", "rsync", "login", "-x", "port", int64(-1)), []string{"host: Not a host", "method: Unknown method", "incoming: Not a directory", "login: Not a user's name", "port: Port out of range"}},
		{"dput", values("host", "h", "incoming", "a\npost_upload_command = id"), []string{"incoming: Not a directory"}},
		{"http_put", values("files", []string{"*.gz"}, "url", "https://h/x/"), nil},
		{"http_put", values("files", []string{"/etc/passwd"}, "url", "ftp://h/x/"), []string{"files: Not a pattern for files", "url: Not an address"}},
		{"http_put", values("files", []string{"a/../../b"}, "url", "https://h/x#y", "method", "GET"), []string{"files: Not a pattern for files", "url: Address with a fragment", "method: Unknown method"}},
		{"http_put", values("files", []string{}, "url", "https://h/x", "headers", map[string]string{"A:": "b"}), []string{"files: No files, or too many patterns", "headers: Not the name of a header line"}},
		{"http_put", values("files", []string{"a"}, "url", "https://h/x", "headers", map[string]string{"A": "b\r\nC: d"}), []string{"headers: Control character in a header"}},
		{"http_put", values("files", []string{"a"}, "url", "https://h/x", "headers", map[string]string{"Host": "b"}), []string{"headers: Header line not allowed"}},
		{"http_put", values("files", []string{"a"}, "url", "https://h/x", "token", "/etc/shadow", "token_format", "Bearer"), []string{"token: Not a secret that is a file", "token_format: Not a format"}},
		{"oci_push", values("image", "x.tar", "target", "h/x:1"), nil},
		{"oci_push", values("image", "../x.tar", "target", "h/x"), []string{"image: Path outside its directory", "target: Not the target of an image"}},
		{"oci_push", values("image", "x", "target", "h/X:1", "tags", []string{"-a"}, "username", "", "token", "x"), []string{"target: Not the target of an image", "tags: Not a tag", "username: Not a user's name", "token: Not a secret that is a file"}},
		{"oci_push", values("image", "x", "target", "--insecure/x:1"), []string{"target: Not the target of an image"}},

		{"http_get", values(), []string{": Nothing to fetch"}},
		{"http_get", values("url", url, "retries", int64(21)), []string{"retries: Retries out of range"}},
		{"http_get", values("url", url, "retries", int64(-1)), []string{"retries: Retries out of range"}},
		{"http_get", values("url", "ftp://example.org/f"), []string{"url: Not an address"}},
		{"http_get", values("url", "https:///f"), []string{"url: Not an address"}},
		{"http_get", values("url", "https://[::1/f"), []string{"url: Not an address", "url: No file name"}},
		{"http_get", values("url", "https://me:secret@example.org/f"), []string{"url: Password in an address"}},
		{"http_get", values("url", "https://example.org/"), []string{"url: No file name"}},
		{"http_get", values("url", "https://example.org"), []string{"url: No file name"}},
		{"http_get", values("url", "https://example.org/", "path", "f"), nil},
		{"http_get", values("url", "https://example.org/a/.."), []string{"url: No usable file name"}},
		{"http_get", values("url", "https://example.org/a%2f..%2f.."), []string{"url: No usable file name"}},
		{"http_get", values("url", "https://example.org/a%0ab"), []string{"url: No usable file name"}},
		{"http_get", values("url", url, "path", "../f"), []string{"path: Path outside its directory"}},
		{"http_get", values("url", url, "path", "a/../../f"), []string{"path: Path outside its directory"}},
		{"http_get", values("url", url, "path", "/etc/passwd"), []string{"path: Path outside its directory"}},
		{"http_get", values("url", url, "path", "a/"), []string{"path: Path outside its directory"}},
		{"http_get", values("url", url, "path", "."), []string{"path: Path outside its directory"}},
		{"http_get", values("url", url, "path", ""), []string{"path: Path outside its directory"}},
		{"http_get", values("url", url, "sha256", strings.Repeat("a", 63)), []string{"sha256: Not a SHA-256 checksum"}},
		{"http_get", values("url", url, "sha256", ""), []string{"sha256: Not a SHA-256 checksum"}},
		{"http_get", values("url", url, "mode", "0999"), []string{"mode: Not a file mode"}},
		{"http_get", values("url", url, "mode", "4755"), []string{"mode: Not a file mode"}},
		{"http_get", files(values("url", url), values("url", url)), []string{"file[1].url: Two files in one place"}},
		{"http_get", files(values("url", url), values("url", url, "path", "./f")), []string{"file[1].path: Two files in one place"}},
		{"http_get", files(values("url", url), values("url", url, "path", "f/g")), []string{"file[1].path: Two files in one place"}},
		{"http_get", files(values("url", url, "path", "a/b/c"), values("url", url, "path", "a/b")), []string{"file[1].path: Two files in one place"}},
		{"http_get", files(values("url", url), values("url", url+"2", "sha256", "x")), []string{"file[1].sha256: Not a SHA-256 checksum"}},
		{"http_get", config.Args{Values: values("url", url).Values, Blocks: files(values("url", url)).Blocks}, []string{"url: Argument beside file blocks"}},

		{"custom", values("name", "a-b.sh"), nil},
		{"custom", values("name", "../x"), []string{"name: Not a plain file name"}},
		{"custom", values("name", "a/b"), []string{"name: Not a plain file name"}},
		{"custom", values("name", ".."), []string{"name: Not a plain file name"}},
		{"custom", values("name", ""), []string{"name: Not a plain file name"}},
		{"custom", custom([]any{"x"}), []string{"args: Arguments are not a map"}},
		{"custom", custom(map[string]string{"a": "b"}), nil},
		{"custom", custom(map[string]any{"a-b": 1, "a=b": 1}), []string{"args: Not a name for an argument", "args: Not a name for an argument"}},
		{"custom", custom(map[string]any{"a": math.Inf(1)}), []string{"args: Not a value for an argument"}},
		{"custom", custom(map[string]any{"a": "x\x00"}), []string{"args: NUL character"}},
		{"custom", custom(map[string]any{"a": strings.Repeat("x", maxEnv-len("AMBIENT_CI_a=")-1)}), nil},
		{"custom", custom(map[string]any{"a": strings.Repeat("x", maxEnv-len("AMBIENT_CI_a="))}), []string{"args: Argument too long"}},

		{"git_get", values("url", "https://git.example/a/words.git", "ref", "v1.2/x+y"), nil},
		{"git_get", values("url", "git@git.example:words.git", "ref", digest[:40]), nil},
		{"git_get", values("url", "https://[2001:db8::1]:8443/a/words.git"), nil},
		{"git_get", values("url", "ext::sh -c id"), []string{"url: Not the address of a repository", "url: No usable directory name"}},
		{"git_get", values("url", "file:///etc", "path", "x"), []string{"url: Not the address of a repository"}},
		{"git_get", values("url", "git://git.example/x"), []string{"url: Not the address of a repository"}},
		{"git_get", values("url", "-uexec@x:y"), []string{"url: Not the address of a repository", "url: No usable directory name"}},
		{"git_get", values("url", "git@git.example:-x", "path", "x"), []string{"url: Not the address of a repository"}},
		{"git_get", values("url", "ssh://-oProxyCommand=id/x"), []string{"url: Not the address of a repository"}},
		{"git_get", values("url", "ssh://-x@git.example/x"), []string{"url: Not the address of a repository"}},
		{"git_get", values("url", "ssh://git:secret@git.example/x"), []string{"url: Password in an address"}},
		{"git_get", values("url", "https://me:secret@git.example/x"), []string{"url: Password in an address"}},
		{"git_get", values("url", "https://git.example/x\n--upload-pack=id"), []string{"url: Not the address of a repository", "url: No usable directory name"}},
		{"git_get", values("url", "https://git.example/", "path", "x"), []string{"url: Not the address of a repository"}},
		{"git_get", values("url", "https://git.example/a/.git"), []string{"url: No usable directory name"}},
		{"git_get", values("url", "https://git.example/a", "path", "../x"), []string{"path: Path outside its directory"}},
		{"git_get", values("url", "https://git.example/a", "ref", "--upload-pack=id"), []string{"ref: Not a branch, tag or commit"}},
		{"git_get", values("url", "https://git.example/a", "ref", "a:refs/heads/b"), []string{"ref: Not a branch, tag or commit"}},
		{"git_get", values("url", "https://git.example/a", "ref", "a..b"), []string{"ref: Not a branch, tag or commit"}},
		{"git_get", values("url", "https://git.example/a", "sha", "abc"), []string{"sha: Not a commit"}},
		{"git_get", values("url", "https://git.example/a", "sha", digest[:40], "ref", digest[1:41]), []string{"sha: Two commits"}},

		{"npm_get", values("dirs", []string{}), []string{"dirs: No directories"}},
		{"npm_get", values("dirs", []string{"../x"}), []string{"dirs: Directory outside the source tree"}},
		{"npm_get", values("omit", []string{"dev;id"}), []string{"omit: Unknown group of packages"}},
		{"npm_get", values("version", "latest"), []string{"version: Not a version"}},
		{"npm_get", values("version", "1.2.3-../x"), []string{"version: Not a version"}},
		{"npm_get", values("registry", "ftp://npm.example"), []string{"registry: Not an address"}},
		{"npm_get", values("registry", "https://npm.example/\nx=y"), []string{"registry: Not an address"}},
		{"npm_get", values("registry", "https://me:secret@npm.example/"), []string{"registry: Password in an address"}},
		{"npm_get", values("registry", ""), nil},
		{"pnpm_get", values("retries", int64(21)), []string{"retries: Retries out of range"}},
		{"yarn_get", values("version", "4.9.4"), nil},
		{"npm_ci", values("dir", "/"), []string{"dir: Directory outside the source tree"}},
		{"npm_ci", values("omit", []string{"x"}), []string{"omit: Unknown group of packages"}},
		{"npm_test", values("script", "--prefix=/x"), []string{"script: Not a name of a script"}},
		{"npm_test", values("tool", "bun"), []string{"tool: Unknown package manager"}},
		{"npm_test", values("args", []string{"-x", "a\x00"}), []string{"args: NUL character"}},
		{"pnpm_install", values("dir", ".."), []string{"dir: Directory outside the source tree"}},
		{"yarn_install", values("dir", ".."), []string{"dir: Directory outside the source tree"}},

		{"go_vet", values("packages", []string{}), []string{"packages: No packages"}},
		{"go_vet", values("packages", []string{"-vettool=/x"}), []string{"packages: Not a package pattern"}},
		{"go_vet", values("tags", []string{"a b"}), []string{"tags: Not a build tag"}},
		{"go_vet", values("dir", "../x"), []string{"dir: Directory outside the source tree"}},
		{"go_vet", values("dir", "/ci/src"), []string{"dir: Directory outside the source tree"}},
		{"go_build", values("output", "../x"), []string{"output: Path outside its directory"}},
		{"go_build", values("output", "/x"), []string{"output: Path outside its directory"}},
		{"go_build", values("output", "./"), nil},
		{"go_build", values("output", "."), []string{"output: Path outside its directory"}},
		{"go_test", values("args", []string{"-run", "X\x00"}), []string{"args: NUL character"}},
		{"go_mod_download", values("dirs", []string{}), []string{"dirs: No directories"}},
		{"go_mod_download", values("dirs", []string{".", "..", "/"}), []string{"dirs: Directory outside the source tree"}},

		{"deb_get", values(), []string{": Nothing to fetch"}},
		{"deb_get", values("packages", []string{"libstdc++6", "a0=1:2.3~rc1-1+b1"}), nil},
		{"deb_get", values("packages", []string{"-y"}), []string{"packages: Not a Debian package"}},
		{"deb_get", values("packages", []string{"hello-"}), []string{"packages: Not a Debian package"}},
		{"deb_get", values("packages", []string{"./x.deb"}), []string{"packages: Not a Debian package"}},
		{"deb_get", values("sources", []string{"Hello", "a b"}), []string{"sources: Not a Debian package"}},
		{"deb_get", values("packages", []string{"x y"}, "suite", "a b"), []string{"packages: Not a Debian package", "suite: Not a Debian suite"}},
		{"deb_get", values("sources", []string{"hello"}, "suite", "../x"), []string{"suite: Not a Debian suite"}},
	} {
		d := Lookup(c.action)
		var got []string
		for _, p := range d.Check(withDefaults(t, d, c.args)) {
			where := p.Param
			if p.Block != "" {
				where = fmt.Sprintf("%s[%d].%s", p.Block, p.Index, p.Param)
			}
			got = append(got, where+": "+p.Summary)
			if !strings.HasSuffix(p.Detail, ".") {
				t.Errorf("%s: detail %q is no sentence", c.action, p.Detail)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s %.200v: problems %q, want %q", c.action, c.args, got, c.want)
		}
	}
}

// Whatever passes the check is fetched to below the deps directory.
func FuzzHTTPTarget(f *testing.F) {
	for _, s := range []string{"https://example.org/a/..", "http://h/%2e%2e", "https://h/a%00b", "https://h/x?y#z"} {
		f.Add(s, "")
	}
	f.Add("https://h/x", "a/../../b")
	f.Fuzz(func(t *testing.T, url, path string) {
		args := values("url", url, "mode", "0644", "retries", int64(4))
		if path != "" {
			args.Values["path"] = path
		}
		if len(checkHTTPGet(args)) > 0 {
			return
		}
		steps, err := httpGetSteps(args, nil)
		if err != nil || len(steps) != 1 {
			t.Fatal(steps, err)
		}
		to := steps[0].Fetch.Path
		if !strings.HasPrefix(to, "/ci/deps/") || strings.Contains(to, "..") && slices.Contains(strings.Split(to, "/"), "..") {
			t.Errorf("%q, %q is fetched to %q", url, path, to)
		}
	})
}

// No target that passes is taken for an option or ends a word of a shell, and
// what it reaches is a host.
func FuzzDeliverTarget(f *testing.F) {
	for _, s := range []string{"me@h:/x", "[::1]:x", "ssh://git@h:22/x", "https://h/x", "-o@h:x", "h/x:1", "h:5000/a/b:t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range []struct {
			action string
			args   config.Args
		}{
			{"rsync", values("target", s)},
			{"git_push", values("repository", "r", "url", s, "refspecs", []string{"x"})},
			{"oci_push", values("image", "i", "target", s)},
		} {
			d := Lookup(c.action)
			args := withDefaults(t, d, c.args)
			if len(d.Check(args)) > 0 {
				continue
			}
			if strings.HasPrefix(s, "-") || strings.ContainsAny(s, " \t\r\n\x00'\"`$;&|<>\\") {
				t.Errorf("%s takes %q", c.action, s)
			}
			if _, err := d.Steps(args, nil); err != nil {
				t.Errorf("%s %q: %v", c.action, s, err)
			}
			reach, err := d.Reach(args, nil, nil)
			if err != nil && !strings.Contains(err.Error(), "port") {
				t.Errorf("%s %q: %v", c.action, s, err)
			}
			for _, r := range reach {
				if r.Host == "" || strings.HasPrefix(r.Host, "-") || strings.ContainsAny(r.Host, "*/@") || r.Host != strings.ToLower(r.Host) {
					t.Errorf("%s %q reaches %+v", c.action, s, r)
				}
			}
		}
	})
}

func TestDeliverReach(t *testing.T) {
	for _, c := range []struct {
		action string
		args   config.Args
		want   string
	}{
		{"rsync", values("target", "me@Files.Example.org:/x"), "files.example.org:22"},
		{"scp", values("files", []string{"a"}, "target", "[2001:db8::1]:x", "port", int64(2222)), "[2001:db8::1]:2222"},
		{"git_push", values("url", "git@git.example.org:x"), "git.example.org:22"},
		{"git_push", values("url", "ssh://git@git.example.org:2222/x"), "git.example.org:2222"},
		{"git_push", values("url", "https://git.example.org/x"), "git.example.org:443"},
		{"dput", values("host", "h", "incoming", "x"), "h:22"},
		{"dput", values("host", "h", "incoming", "x", "method", "ftp"), "h:*"},
		{"dput", values("host", "h", "incoming", "x", "method", "https", "port", int64(8443)), "h:8443"},
		{"http_put", values("url", "http://h/x"), "h:80"},
		{"oci_push", values("target", "h:5000/x:1"), "h:5000"},
		{"oci_push", values("target", "h/x:1", "tls", false), "h:80"},
	} {
		d := Lookup(c.action)
		got, err := d.Reach(withDefaults(t, d, c.args), nil, nil)
		if err != nil || len(got) != 1 || got[0].String() != c.want {
			t.Errorf("%s %v reaches %v, %v, want %s", c.action, c.args.Values, got, err, c.want)
		}
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{"a": "'a'", "": "''", "it's": `'it'\''s'`, "$x`y`\n": "'$x`y`\n'"} {
		if got := quote(s); got != want {
			t.Errorf("quote(%q) = %s, want %s", s, got, want)
		}
	}
}

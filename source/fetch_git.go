package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// commitID is a whole SHA-1 or SHA-256 object name.
var commitID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// fetchGit makes the tree of one commit, submodules included.
func (s *store) fetchGit(ctx context.Context, r *remote) (string, error) {
	env := remoteEnv(r)
	commit := r.ref
	if !commitID.MatchString(commit) {
		var err error
		if commit, err = s.resolve(ctx, r, env); err != nil {
			return "", err
		}
	}
	return s.make(commit, func(dir string) error {
		if err := s.checkoutCommit(ctx, r, env, dir, commit); err != nil {
			return err
		}
		return removeGit(dir)
	})
}

// remoteEnv is for talking to another repository: the user's own configuration
// counts, since it holds proxies and credentials; variables that would point
// git at another repository do not.
func remoteEnv(r *remote) []string {
	allowed := "https:ssh"
	if r.url.Scheme == "file" {
		allowed = "https:ssh:file"
	}
	env := []string{
		"LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "GIT_PROTOCOL_FROM_USER=0",
		"GIT_ALLOW_PROTOCOL=" + allowed,
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "GIT_") || strings.HasPrefix(name, "GIT_SSL_") {
			env = append(env, v)
		}
	}
	if ssh := inherited("GIT_SSH_COMMAND", "GIT_SSH"); len(ssh) > 0 {
		return append(env, ssh...)
	}
	return append(env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes")
}

// resolve asks the remote which commit a branch or tag is.
func (s *store) resolve(ctx context.Context, r *remote, env []string) (string, error) {
	out, err := git(ctx, s.dir, env, "ls-remote", "--", r.url.String())
	if err != nil {
		return "", s.gitFailed(err)
	}
	refs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if id, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && commitID.MatchString(id) {
			refs[name] = id
		}
	}
	names := []string{"HEAD"}
	if r.ref != "" {
		names = []string{r.ref, "refs/tags/" + r.ref + "^{}", "refs/tags/" + r.ref, "refs/heads/" + r.ref}
	}
	for _, name := range names {
		if id, ok := refs[name]; ok {
			return id, nil
		}
	}
	if r.ref == "" {
		return "", s.failed(errors.New("the repository has no commit"))
	}
	return "", &AddressError{Address: s.address, Why: fmt.Sprintf("the repository has no branch or tag %q; a commit must be given with all its digits", r.ref)}
}

func (s *store) gitFailed(err error) error {
	if errors.Is(err, ErrNoGit) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return s.failed(err)
}

// checkoutCommit makes a work tree in dir, which is empty.
func (s *store) checkoutCommit(ctx context.Context, r *remote, env []string, dir, commit string) error {
	format := "sha1"
	if len(commit) == 64 {
		format = "sha256"
	}
	do := func(args ...string) error {
		_, err := git(ctx, dir, env, args...)
		return err
	}
	url := r.url.String()
	if err := do("init", "-q", "--template=", "--object-format="+format); err != nil {
		return s.gitFailed(err)
	}
	err := do("fetch", "-q", "--no-tags", "--no-recurse-submodules", "--depth=1", "--", url, commit)
	if err != nil && ctx.Err() == nil { // the server gives out whole branches only
		err = do("fetch", "-q", "--no-tags", "--no-recurse-submodules", "--", url, "+refs/heads/*:refs/remotes/o/*", "+refs/tags/*:refs/tags/*")
	}
	if err == nil {
		err = do("remote", "add", "origin", url) // what relative submodules are relative to
	}
	if err == nil {
		err = do("checkout", "-q", "--detach", commit)
	}
	if err == nil {
		err = do("submodule", "--quiet", "update", "--init", "--recursive", "--checkout")
	}
	if err != nil {
		return s.gitFailed(err)
	}
	return nil
}

// removeGit removes the repositories and leaves the trees.
func removeGit(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != ".git" {
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

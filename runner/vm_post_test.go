//go:build vm

package runner

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/internal/sshdtest"
	"github.com/ambient-ci/ambient/internal/vmtest"
	"github.com/ambient-ci/ambient/stages"
)

// hostAddress is how a guest reaches the loopback of the host.
const hostAddress = "10.0.2.2"

// delivery is what post stages deliver to: servers on loopback, and artifacts.
type delivery struct {
	dir       string // below which servers keep what they get
	sshd      *sshdtest.Server
	key       string // a private key that may log in
	queue     *webQueue
	registry  *httptest.Server
	ca        string // the file with the queue's authority
	artifacts stages.Data
}

// webQueue takes files over HTTPS and HTTP, but those whose path says forbidden.
type webQueue struct {
	*httptest.Server
	plain *httptest.Server
	mu    sync.Mutex
	files map[string]string
	auth  []string
}

func (q *webQueue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.auth = append(q.auth, r.Header.Get("Authorization"))
	switch {
	case err != nil:
		return
	case strings.Contains(r.URL.Path, "forbidden"):
		http.Error(w, "you may not", http.StatusForbidden)
	default:
		q.files[r.Method+" "+r.URL.Path] = string(body)
		w.WriteHeader(http.StatusCreated)
	}
}

func (q *webQueue) has(name string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.files[name] != ""
}

func newDelivery(t *testing.T) *delivery {
	t.Helper()
	d := &delivery{dir: t.TempDir(), key: filepath.Join(t.TempDir(), "deploy"), ca: filepath.Join(t.TempDir(), "ca.pem")}
	sshdtest.Keygen(t, d.key)
	d.sshd = sshdtest.Start(t, sshdtest.PublicKey(t, d.key)+"\n")
	d.queue = &webQueue{files: map[string]string{}}
	d.queue.Server = httptest.NewUnstartedServer(d.queue)
	d.queue.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, d.ca)}}
	d.queue.StartTLS()
	d.queue.plain = httptest.NewServer(d.queue)
	d.registry = httptest.NewServer(withPassword(registry.New(registry.Logger(log.New(io.Discard, "", 0)))))
	t.Cleanup(func() { d.queue.Close(); d.queue.plain.Close(); d.registry.Close() })
	d.artifacts = packArtifacts(t)
	return d
}

// withPassword lets the user ci in, with the token of the stage.
func withPassword(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ci" || password != "hunter22" {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// certificate makes a certificate for the host as a guest sees it, which is its
// own authority, and writes it to a file.
func certificate(t *testing.T, file string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.ParseIP(hostAddress)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

const debFile = "not really a package\n"

// packArtifacts makes what plan stages could have made: a site, a package, a
// repository whose configuration and hooks want to run, a bundle, an image, and
// links that lead to secrets.
func packArtifacts(t *testing.T) stages.Data {
	t.Helper()
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{
		"site/index.html": "welcome\n", "site/sub/page.html": "page\n", "one.txt": "one\n",
		"debian/hail_1_all.deb": debFile,
		"debian/hail_1_all.changes": fmt.Sprintf("Format: 1.8\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nSource: hail\nBinary: hail\nArchitecture: all\nVersion: 1\nDistribution: unstable\nUrgency: medium\n"+
			"Maintainer: A <a@example.org>\nChanged-By: A <a@example.org>\nDescription:\n hail - /x\nChanges:\n hail (1) unstable;\nFiles:\n %s %d misc optional hail_1_all.deb\n",
			hashOfText("md5sum", debFile), len(debFile)),
		"bad/hail_1_all.changes": "Source: hail\nBinary: hail\nArchitecture: all\nVersion: 1\nDistribution: unstable\nFiles:\n d41d8cd98f00b204e9800998ecf8427e 0 misc optional /ci/secrets/keyfile\n",
	})
	run(t, dir, "git", "init", "-q", "-b", "main", "repo")
	repo := filepath.Join(dir, "repo")
	run(t, repo, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "first")
	run(t, repo, "git", "bundle", "create", "-q", "../site.bundle", "main", "HEAD")
	run(t, repo, "git", "config", "core.sshCommand", "touch /tmp/hooked; false")
	run(t, repo, "git", "config", "core.fsmonitor", "touch /tmp/hooked")
	run(t, repo, "git", "config", "uploadpack.packObjectsHook", "touch /tmp/hooked; false")
	writeTree(t, repo, map[string]string{".git/hooks/pre-push": "#!/bin/sh\ntouch /tmp/hooked\n", ".git/hooks/post-checkout": "#!/bin/sh\ntouch /tmp/hooked\n"})
	img, err := random.Image(2000, 2)
	if err != nil {
		t.Fatal(err)
	}
	image, err := layout.Write(filepath.Join(dir, "image"), empty.Index)
	if err == nil {
		err = image.AppendImage(img)
	}
	if err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"leak": "/ci/secrets", "site/leak": "/ci/secrets/keyfile", "leaks/deploy": "../../secrets/keyfile"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, link)), 0o755), os.Symlink(to, filepath.Join(dir, link))); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	file := filepath.Join(t.TempDir(), "artifacts.tar")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return stages.Data{From: config.StageID{Project: "vmtest", Phase: config.Plan, Name: "build"}, Path: file, Size: int64(b.Len())}
}

func run(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, vmtest.GitEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

func hashOfText(tool, text string) string {
	cmd := exec.Command(tool)
	cmd.Stdin = strings.NewReader(text)
	out, _ := cmd.Output()
	return strings.Fields(string(out) + " none")[0]
}

// port is the port of a server.
func port(s *httptest.Server) int64 { return int64(s.Listener.Addr().(*net.TCPAddr).Port) }

// stage is a post stage that delivers.
func (d *delivery) stage(t *testing.T, base *stages.Job, known string, list ...*config.Action) *stages.Job {
	t.Helper()
	job := phase(t, base, config.Post, "deliver", list...)
	job.Stage.Secrets = d.secrets(t, known)
	job.Union = []stages.Data{d.artifacts}
	job.Stage.Image = toolImage
	job.Stage.Trust = []string{d.ca}
	for _, p := range []int64{int64(d.sshd.Port), port(d.queue.Server), port(d.queue.plain), port(d.registry)} {
		job.Stage.Allow = append(job.Stage.Allow, config.Allow{Host: "127.0.0.1", Port: uint16(p)})
	}
	return job
}

// secrets are a key that stays on the host, the same key as a file, and a token.
// An empty known leaves the keys out.
func (d *delivery) secrets(t *testing.T, known string) []*config.Secret {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("hunter22\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []*config.Secret{named("token", 1, config.Secret{Token: &config.TokenSecret{File: token, Use: config.UseFile}})}
	if known == "" {
		return all
	}
	for name, use := range map[string]config.SecretUse{"deploy": config.UseAgent, "keyfile": config.UseFile} {
		all = append(all, named(name, 2, config.Secret{SSH: &config.SSHSecret{
			PrivateKey: d.key, Use: use, Hosts: []string{fmt.Sprintf("%s:%d", hostAddress, d.sshd.Port)}, KnownHosts: known,
		}}))
	}
	return all
}

func (d *delivery) target(path string) string {
	return d.sshd.User + "@" + hostAddress + ":" + filepath.Join(d.dir, path)
}

// more returns arguments of an action with one of them replaced.
func more(args map[string]any, pairs ...any) map[string]any {
	all := map[string]any{"retries": int64(0)}
	for k, v := range args {
		all[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i].(string)] = pairs[i+1]
	}
	return all
}

// actions are the arguments of each delivering action, all of which work.
func (d *delivery) actions() map[string]map[string]any {
	ssh := int64(d.sshd.Port)
	return map[string]map[string]any{
		"rsync":    {"artifacts": "site", "target": d.target("www"), "delete": true, "port": ssh},
		"scp":      {"files": []string{"one.txt", "debian"}, "target": d.target("in/"), "port": ssh, "key": "/ci/secrets/keyfile"},
		"git_push": {"repository": "repo", "url": fmt.Sprintf("ssh://%s@%s:%d%s", d.sshd.User, hostAddress, d.sshd.Port, filepath.Join(d.dir, "git")), "refspecs": []string{"main", "HEAD:refs/heads/copy"}, "username": "git"},
		"dput":     {"artifacts": "debian", "host": hostAddress, "method": "scp", "login": d.sshd.User, "port": ssh, "incoming": filepath.Join(d.dir, "queue")},
		"http_put": {"files": []string{"site/**/*.html"}, "url": strings.Replace(d.queue.URL, "127.0.0.1", hostAddress, 1) + "/up/", "method": "PUT", "token": "/ci/secrets/token", "token_header": "Authorization", "token_format": "Bearer %s"},
		"oci_push": {"image": "image", "target": fmt.Sprintf("%s:%d/team/hail:1", hostAddress, port(d.registry)), "tags": []string{"latest"}, "tls": false, "username": "ci", "token": "/ci/secrets/token"},
	}
}

// Each delivering action reaches a real server, and what the artifacts hold
// neither runs nor leads to a secret.
func TestVMPost(t *testing.T) {
	r := newRunner(t)
	d := newDelivery(t)
	for _, name := range []string{"www/old", "in", "queue"} {
		if err := os.MkdirAll(filepath.Join(d.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, d.dir, "git", "init", "-q", "--bare", "git")
	var list []*config.Action
	all := d.actions()
	for _, name := range []string{"rsync", "scp", "git_push", "dput", "http_put", "oci_push"} {
		list = append(list, action(name, more(all[name])))
	}
	list = append(list,
		action("git_push", more(all["git_push"], "repository", "site.bundle", "refspecs", []string{"HEAD:refs/heads/bundled"})),
		action("dput", more(all["dput"], "method", "http", "port", port(d.queue.plain), "incoming", "/debs")),
		shell("! ls /tmp/hooked"))
	got, rec := runJob(t, r, d.stage(t, testJob(t, config.DefaultLimits()), d.sshd.KnownHost(hostAddress), list...))
	if got.Outcome != stages.Succeeded {
		t.Fatalf("%+v\n%s", got, rec.log())
	}
	if strings.Contains(rec.log(), "hunter22") {
		t.Error("the token is in the log")
	}
	for name, want := range map[string]string{"www/index.html": "welcome\n", "www/sub/page.html": "page\n", "in/one.txt": "one\n", "in/debian/hail_1_all.deb": debFile, "queue/hail_1_all.deb": debFile} {
		if data, err := os.ReadFile(filepath.Join(d.dir, name)); string(data) != want {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	for _, name := range []string{"www/old", "www/leak"} {
		if _, err := os.Lstat(filepath.Join(d.dir, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	if refs := strings.Fields(run(t, filepath.Join(d.dir, "git"), "git", "for-each-ref", "--format=%(refname)")); !slices.Equal(refs, []string{"refs/heads/bundled", "refs/heads/copy", "refs/heads/main"}) {
		t.Errorf("pushed %q", refs)
	}
	for _, name := range []string{"PUT /up/site/index.html", "PUT /up/site/sub/page.html", "PUT /debs/hail_1_all.deb", "PUT /debs/hail_1_all.changes"} {
		if !d.queue.has(name) {
			t.Errorf("no %s among %q", name, d.queue.files)
		}
	}
	if !slices.Contains(d.queue.auth, "Bearer hunter22") {
		t.Errorf("authorization %q", d.queue.auth)
	}
	for _, tag := range []string{"1", "latest"} {
		res, err := http.Get(strings.Replace(d.registry.URL, "//", "//ci:hunter22@", 1) + "/v2/team/hail/manifests/" + tag)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("the image %s: %v, %v", tag, res, err)
		}
	}
}

// What goes wrong is the project's failure when a server refuses or the artifacts
// are wrong, and an outage when a server is not there.
func TestVMPostFailures(t *testing.T) {
	r := newRunner(t)
	d := newDelivery(t)
	all := d.actions()
	known := d.sshd.KnownHost(hostAddress)
	other := filepath.Join(t.TempDir(), "other")
	sshdtest.Keygen(t, other)
	base := testJob(t, config.DefaultLimits())
	nobody := "PermitRootLogin-is-nobody"
	for _, c := range []struct {
		name    string
		known   string
		action  *config.Action
		outcome stages.Outcome
		says    string // in the reason or the log
	}{
		{"rsync: wrong user", known, action("rsync", more(all["rsync"], "target", nobody+"@"+hostAddress+":x")), stages.Failed, "Permission denied"},
		{"rsync: another server", strings.Replace(known, d.sshd.HostKey, sshdtest.PublicKey(t, other), 1), action("rsync", more(all["rsync"])), stages.Failed, "Host key verification failed"},
		{"rsync: no known hosts", "", action("rsync", more(all["rsync"])), stages.Failed, "there is no /ci/secrets/known_hosts"},
		{"rsync: nobody listens", known, action("rsync", more(all["rsync"], "port", int64(1), "retries", int64(1))), stages.Errored, "try 2 of 2"},
		{"rsync: secrets", known, action("rsync", more(all["rsync"], "artifacts", "leak")), stages.Failed, "leak is a link that leads out of the artifacts"},
		{"scp: secrets", known, action("scp", more(all["scp"], "files", []string{"leaks"})), stages.Failed, "only plain files can be delivered"},
		{"git_push: no repository", known, action("git_push", more(all["git_push"], "repository", "debian")), stages.Failed, "is no repository and no bundle"},
		{"git_push: not there", known, action("git_push", more(all["git_push"])), stages.Failed, "does not appear to be a git repository"},
		{"dput: secrets", known, action("dput", more(all["dput"], "artifacts", "bad")), stages.Failed, "names a file that no archive takes: /ci/secrets/keyfile"},
		{"dput: forbidden", known, action("dput", more(all["dput"], "method", "http", "port", port(d.queue.plain), "incoming", "forbidden")), stages.Failed, "Upload failed: 403"},
		{"http_put: forbidden", known, action("http_put", more(all["http_put"], "url", strings.Replace(d.queue.URL, "127.0.0.1", hostAddress, 1)+"/forbidden/")), stages.Failed, "HTTP 403 Forbidden: you may not"},
		{"http_put: secrets", known, action("http_put", more(all["http_put"], "files", []string{"leaks/deploy"})), stages.Failed, "it is a link that leads out"},
		{"http_put: nobody listens", known, action("http_put", more(all["http_put"], "url", "https://"+hostAddress+":1/", "retries", int64(1))), stages.Errored, "refused"},
		{"oci_push: no image", known, action("oci_push", more(all["oci_push"], "image", "site.bundle")), stages.Failed, "is no archive with an image"},
		{"oci_push: refused", known, action("oci_push", more(all["oci_push"], "username", "nobody")), stages.Failed, "unauthorized"},
		{"oci_push: nobody listens", known, action("oci_push", more(all["oci_push"], "target", hostAddress+":1/team/x:1")), stages.Errored, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, rec := runJob(t, r, d.stage(t, base, c.known, c.action))
			if got.Outcome != c.outcome || !strings.Contains(got.Reason+rec.log(), c.says) {
				t.Errorf("got %s: %s, want %s with %q\n%s", got.Outcome, got.Reason, c.outcome, c.says, rec.log())
			}
		})
	}
}

//go:build vm

package runner

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// TestVMInject has git, which knows nothing of it, read a repository that wants a
// token. The host adds the token; the machine can not find it anywhere, and a host
// that is not the token's does not get it.
func TestVMInject(t *testing.T) {
	const value = "t0ken-that-stays-outside"
	t.Setenv("AMBIENT_TEST_TOKEN", value)
	refs := strings.Repeat("d", 40) + "\trefs/heads/main\n"
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch got := r.Header.Get("Authorization"); {
		case r.Host == "example.com" && got == "Bearer "+value, r.Host == "www.example.com" && got == "":
			fmt.Fprint(w, refs) // the protocol for servers of files
		default:
			http.Error(w, "for "+r.Host, http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem") // its certificate is for example.com and what is below that
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRunner(t)
	elsewhere{
		names:  map[string]string{"example.com": "203.0.113.7", "www.example.com": "203.0.113.7"},
		routes: map[string]string{"203.0.113.7:443": server.Listener.Addr().String()},
	}.use(r)
	job := testJob(t, config.DefaultLimits(), `
git ls-remote https://example.com/x.git
git -c http.extraHeader='Authorization: mine' ls-remote https://example.com/x.git
git ls-remote https://www.example.com/x.git
part=t0ken-that
if grep -rqs "$part-stays" /ci /tmp /root /etc /run; then echo "it is in a file"; exit 1; fi
for f in /proc/[0-9]*/environ; do if grep -qs "$part-stays" $f; then echo "it is in $f"; exit 1; fi; done
`)
	job.Stage.ID.Phase, job.Stage.Network, job.Stage.Image = config.Post, config.NetworkAllow, toolImage
	job.Stage.Allow = []config.Allow{{Host: "example.com", Port: 443}, {Host: "www.example.com", Port: 443}}
	job.Stage.Trust = []string{ca}
	job.Stage.Secrets = []*config.Secret{{Name: "api", Token: &config.TokenSecret{
		Env: "AMBIENT_TEST_TOKEN", Use: config.UseInject,
		Inject: []config.Inject{{Host: "example.com", Header: "Authorization", Format: "Bearer %s"}},
	}}}
	result, rec := runJob(t, r, job)
	if result.Outcome != stages.Succeeded || strings.Count(rec.log(), "refs/heads/main") != 3 {
		t.Errorf("%+v\n%s\n%+v", result, rec.log(), rec.connections())
	}
	if strings.Contains(rec.log()+fmt.Sprintf("%+v", rec.connections()), value) {
		t.Error("the token is in the record")
	}
}

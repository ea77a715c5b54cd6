//go:build vm

package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// TestVMTrust shows that a stage with a network trusts the authorities of its
// trust blocks, beside those of the host.
func TestVMTrust(t *testing.T) {
	r := newRunner(t)
	ca := testCA(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, append([]byte("-----BEGIN PRIVATE KEY-----\nSFVOVEVSMg==\n-----END PRIVATE KEY-----\n"), ca...), 0o600); err != nil {
		t.Fatal(err)
	}
	line := strings.Split(string(ca), "\n")[3]
	job := testJob(t, config.DefaultLimits(), `test "$SSL_CERT_FILE" = /etc/ssl/certs/ca-certificates.crt
grep -qxF '`+line+`' "$SSL_CERT_FILE"
if grep -q SFVOVEVSMg "$SSL_CERT_FILE"; then exit 1; fi
echo "trusts $(grep -c 'BEGIN CERTIFICATE' "$SSL_CERT_FILE")"`)
	job.Stage.ID.Phase, job.Stage.Network, job.Stage.Trust = config.Pre, config.NetworkOpen, []string{file}
	result, rec := runJob(t, r, job)
	if result.Outcome != stages.Succeeded || !strings.Contains(rec.log(), "trusts ") {
		t.Errorf("%+v\n%s", result, rec.log())
	}
}

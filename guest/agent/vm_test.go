//go:build vm

package agent_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/qemuvm"
)

func scripts(texts ...string) guest.Plan {
	var p guest.Plan
	for _, s := range texts {
		p.Actions = append(p.Actions, guest.Action{Name: "shell", Steps: []guest.Step{{Exec: &guest.Exec{Script: s}}}})
	}
	return p
}

// A whole life: devices, layers, identity, a background process, a failure, and
// the artifacts all the same.
func TestVMLife(t *testing.T) {
	plan := scripts(`
		./hello; pwd; hostname; cat /etc/machine-id; ls -l /workspace
		touch /etc/writable /usr/writable && echo layers are writable
		touch `+guest.DirDeps+`/x || echo inputs are not
		cp /bin/busybox /tmp && /tmp/busybox true && echo tmp runs
		echo a > /ci/artifacts/a; ln -s a /ci/artifacts/l; ln /ci/artifacts/a /ci/artifacts/h; mkfifo /ci/artifacts/fifo
		(sleep 1; exec sleep 1000) & exec sleep 1000 < /dev/null > /dev/null 2>&1 &`,
		"echo $$ > /sys/fs/cgroup/cgroup.procs; (trap '' TERM HUP; exec sleep 1000) & exit 7", "echo never")
	plan.Inputs = []guest.Input{{Serial: guest.SerialCache, Dir: guest.DirCache, Optional: true},
		{Serial: guest.SerialSource, Dir: guest.DirDeps, ReadOnly: true}}
	s := boot(t, plan, nil)
	o := s.finish()
	if len(o.actions) != 2 || o.actions[0].Exit != 0 || o.actions[1].Exit != 7 || o.actions[1].Limit != "" || o.done.Error != "" {
		t.Errorf("%+v", o)
	}
	if w := strings.Join(o.warnings, "\n"); !strings.Contains(w, "cache: damaged archive") || !strings.Contains(w, "fifo is left out") {
		t.Errorf("warnings: %s", w)
	}
	for _, want := range []string{"hello from the source\n", "/ci/src\n", "greet\n", strings.Repeat("ab", 16), "/workspace -> /ci",
		"layers are writable", "inputs are not", "tmp runs"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("no %q in the log", want)
		}
	}
	if got := s.artifacts(); got != "a h l" {
		t.Errorf("artifacts: %s", got)
	}
}

// What exhausts the machine ends the action with the limit's name, and the
// artifacts still come out.
func TestVMExhaustion(t *testing.T) {
	tests := map[string]string{
		guest.LimitMemory: `awk 'BEGIN { x = "xxxxxxxxxxxxxxxx"; while (1) x = x x }'`,
		guest.LimitDisk:   "dd if=/dev/zero of=/big bs=64k",
		guest.LimitPIDs:   "while true; do sleep 1000 & done",
	}
	for limit, script := range tests {
		t.Run(limit, func(t *testing.T) {
			plan := scripts("echo a > /ci/artifacts/a; " + script)
			plan.PIDs = 100
			s := boot(t, plan, nil)
			o := s.finish()
			if len(o.actions) != 1 || o.actions[0].Limit != limit || o.done.Error != "" {
				t.Errorf("%+v", o)
			}
			if got := s.artifacts(); got != "a" {
				t.Errorf("artifacts: %s", got)
			}
		})
	}
}

// Artifacts that are too large are named, and PID 1 outlives signals.
func TestVMProgramSurvives(t *testing.T) {
	s := boot(t, scripts(
		"for s in HUP INT QUIT TERM SEGV ABRT USR1 PIPE STOP KILL; do kill -$s 1; done; umount -l /run /dev/shm /sys/fs/cgroup; true",
		"head -c 2000000 /dev/zero > /ci/artifacts/big; kill -KILL -1; kill -KILL $$"), nil)
	o := s.finish()
	if len(o.actions) != 2 || o.actions[0].Exit != 0 || o.actions[1].Signal != "SIGKILL" {
		t.Errorf("%+v", o.actions)
	}
	if len(o.done.Outputs) != 1 || o.done.Outputs[0].Limit != guest.LimitArtifacts {
		t.Errorf("%+v", o.done)
	}
}

// Much output to a slow host: nothing is lost, though the machine powers off
// the moment it is done.
func TestVMLogIsWhole(t *testing.T) {
	s := boot(t, scripts(`seq 1 200000; echo the end`), nil)
	s.slow = time.Millisecond
	s.finish()
	var want strings.Builder
	for i := 1; i <= 200000; i++ {
		fmt.Fprintln(&want, i)
	}
	want.WriteString("the end\n")
	if got := s.log.String(); got != want.String() {
		t.Errorf("%d bytes, want %d, ending %q", len(got), want.Len(), got[max(0, len(got)-40):])
	}
}

func TestVMFetch(t *testing.T) {
	content := strings.Repeat("fetched ", 1<<14)
	digest := sha256.Sum256([]byte(content))
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, content) })
	plain := httptest.NewServer(answer)
	defer plain.Close()
	inGuest := strings.NewReplacer("127.0.0.1", "10.0.2.2")
	secure, ca := secureServer(t, answer)
	fetch := func(url, sum string) guest.Action {
		return guest.Action{Name: "http_get", Steps: []guest.Step{{Fetch: &guest.Fetch{URL: inGuest.Replace(url), Path: "/ci/artifacts/d/" + sum[:4], SHA256: sum}}}}
	}
	right := hex.EncodeToString(digest[:])
	plan := guest.Plan{Trust: true, Actions: []guest.Action{fetch(plain.URL, right), fetch(secure.URL, right), fetch(plain.URL, strings.Repeat("0", 64))}}
	named := scripts("cat $SSL_CERT_FILE | wc -c; cat /etc/resolv.conf; wget -q -O- " + inGuest.Replace(plain.URL) + " | wc -c")
	plan.Actions = append(named.Actions, plan.Actions...)
	s := boot(t, plan, []blockdev.File{{Name: guest.CAFile, Data: ca}}, networked)
	o := s.finish()
	if len(o.actions) != 4 || o.actions[0].Exit != 0 || o.actions[1].Error != "" || o.actions[2].Error != "" ||
		!strings.Contains(o.actions[3].Error, "wrong checksum") || o.actions[3].Outage {
		t.Errorf("%+v", o.actions)
	}
	for _, want := range []string{fmt.Sprintln(len(ca)), "nameserver 10.0.2.3\n", fmt.Sprintln(len(content))} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("no %q in the log", want)
		}
	}
	if s.artifacts(); o.done.Outputs[0].Bytes < int64(len(content)) {
		t.Errorf("%+v", o.done)
	}
}

// secureServer has a certificate of its own for the host as a guest sees it.
func secureServer(t *testing.T, h http.Handler) (*httptest.Server, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(10, 0, 2, 2)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestVMStop(t *testing.T) {
	s := boot(t, scripts("echo a > /ci/artifacts/a; trap '' TERM; while :; do sleep 1; done", "echo never"), nil)
	if m := s.message(); m.Started == nil {
		t.Fatalf("%+v", m)
	}
	s.say(guest.Message{Stop: &guest.Stop{Reason: "enough"}})
	o := s.finish()
	if len(o.actions) != 1 || !o.actions[0].Stopped || o.done.Error != "" || len(o.done.Outputs) != 1 {
		t.Errorf("%+v", o)
	}
	if !strings.Contains(s.log.String(), "stopping: enough") {
		t.Errorf("log: %s", s.log.String())
	}
}

// Without its host a machine ends.
func TestVMHostGone(t *testing.T) {
	s := boot(t, scripts("sleep 1000"), nil)
	if m := s.message(); m.Started == nil {
		t.Fatalf("%+v", m)
	}
	s.vm.Port(guest.PortControl).Close()
	s.end()
}

// What the machine lacks is said.
func TestVMMissingDevice(t *testing.T) {
	for serial, want := range map[string]string{guest.SerialScratch: "no disk scratch", guest.SerialSource: "no disk src"} {
		t.Run(serial, func(t *testing.T) {
			o := boot(t, scripts("true"), nil, without(serial)).finish()
			if !strings.Contains(o.done.Error, want) || len(o.actions) > 0 {
				t.Errorf("%+v", o)
			}
		})
	}
}

// A source larger than the disk is the user's affair: the limit is named.
func TestVMSourceTooLarge(t *testing.T) {
	large := filepath.Join(t.TempDir(), "src")
	big := []blockdev.File{{Name: "big", Data: make([]byte, 220<<20)}}
	if _, err := blockdev.PackFiles(t.Context(), large, big); err != nil {
		t.Fatal(err)
	}
	plan := scripts("true")
	s := boot(t, plan, nil, func(o *qemuvm.Options, _ *guest.Plan) {
		for i := range o.Disks {
			if o.Disks[i].Serial == guest.SerialSource {
				o.Disks[i].Path = large
			}
		}
	})
	if o := s.finish(); o.done.Limit != guest.LimitDisk || o.done.Error == "" {
		t.Errorf("%+v", o)
	}
}

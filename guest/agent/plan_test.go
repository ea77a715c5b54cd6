package agent

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ambient-ci/ambient/guest"
)

func TestReadExec(t *testing.T) {
	plan := script("true")
	plan.Version = guest.ProtocolVersion
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	data := archive(dir("./"), file("./"+guest.PlanFile, string(text)), file(guest.CAFile, "pem"), file("other", "x"))
	files, err := readExec(bytes.NewReader(data))
	if err != nil || len(files) != 2 || string(files[guest.CAFile]) != "pem" {
		t.Fatalf("%v %v", files, err)
	}
	p, err := parsePlan(files[guest.PlanFile])
	if err != nil || len(p.Actions) != 1 {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := readExec(bytes.NewReader(data[:1000])); err == nil {
		t.Error("a cut device is accepted")
	}
}

func TestParsePlanRefuses(t *testing.T) {
	tests := map[string]string{
		"":                             "no plan.json",
		"{":                            "unexpected end",
		`{"version":99}`:               "version 99",
		step(`{}`):                     "0 kinds",
		step(`{"exec":{}}`):            "arguments or a script",
		step(`{"write":{"path":"x"}}`): "not absolute",
		step(`{"fetch":{"path":"x"}}`): "not absolute",
		step(`{"exec":{"argv":["x"],"script":"y"}}`):                       "arguments or a script",
		step(`{"exec":{"script":"y"},"write":{"path":"/x"}}`):              "2 kinds",
		`{"version":5,"actions":[{"steps":[]},{"name":"n","steps":[{}]}]}`: "action 1 (n)",
	}
	for text, want := range tests {
		var data []byte
		if text != "" {
			data = []byte(text)
		}
		if _, err := parsePlan(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func step(s string) string { return `{"version":5,"actions":[{"steps":[` + s + `]}]}` }

func TestWrite(t *testing.T) {
	h := newHost(t, guest.Plan{})
	writes := []guest.Write{
		{Path: "/ci/secrets/key", Content: []byte("k"), Mode: 0o600},
		{Path: "/ci/secrets/key", Content: []byte("new"), Mode: 0o640},
		{Path: "/a/b/plain", Content: []byte("p")},
		{Path: "/d/e", Dir: true, Mode: 0o700},
		{Path: "/d/f", Dir: true},
	}
	for _, w := range writes {
		if r := h.writeFile(&w); !r.ok() {
			t.Errorf("%s: %+v", w.Path, r)
		}
	}
	modes := map[string]os.FileMode{"/ci/secrets/key": 0o640, "/a/b/plain": 0o644, "/d/e": os.ModeDir | 0o700, "/d/f": os.ModeDir | 0o755}
	for path, want := range modes {
		if info, err := os.Stat(h.path(path)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v", path, info, err)
		}
	}
	if r := h.writeFile(&guest.Write{Path: "/a/b/plain/x"}); r.err == "" || r.limit != "" {
		t.Errorf("below a file: %+v", r)
	}
	if r := fileResult(&os.PathError{Err: syscall.ENOSPC}); r != (result{limit: guest.LimitDisk}) {
		t.Errorf("a full disk: %+v", r)
	}
}

func TestEnvironment(t *testing.T) {
	h := newHost(t, guest.Plan{Env: map[string]string{"SSL_CERT_FILE": "/mine", "X": "plan"}})
	h.trustEnv = map[string]string{"SSL_CERT_FILE": "/host", "PIP_CERT": "/host"}
	env := h.environ(map[string]string{"X": "own", "PATH": "/p"})
	for key, want := range map[string]string{"SSL_CERT_FILE": "/mine", "PIP_CERT": "/host", "X": "own", "PATH": "/p", "HOME": "/root"} {
		if got := value(env, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if len(env) != 5 {
		t.Errorf("%q", env)
	}
}

func TestByAttribute(t *testing.T) {
	sys := t.TempDir()
	for name, serial := range map[string]string{"vda": "root\n", "vdb": "src", "vdc": "cache", "vdd": "cache-out"} {
		os.Mkdir(filepath.Join(sys, name), 0o755)
		os.WriteFile(filepath.Join(sys, name, "serial"), []byte(serial), 0o600)
	}
	os.Mkdir(filepath.Join(sys, "loop0"), 0o755)
	for serial, want := range map[string]string{"root": "vda", "cache": "vdc", "cache-out": "vdd", "none": "", "": ""} {
		if got := byAttribute(filepath.Join(sys, "*/serial"), serial); got != want {
			t.Errorf("%q: %q, want %q", serial, got, want)
		}
	}
}

func TestCounter(t *testing.T) {
	dir := t.TempDir()
	g, err := openCgroup(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := g.events(); got != (events{}) {
		t.Errorf("%+v", got)
	}
	g.attr()
	if got := g.events(); got != (events{}) {
		t.Errorf("without files: %+v", got)
	}
	os.WriteFile(filepath.Join(dir, "memory.events"), []byte("low 0\noom 3\noom_kill 2\noom_group_kill 9\n"), 0o600)
	os.WriteFile(filepath.Join(dir, "pids.events"), []byte("max 5\n"), 0o600)
	if got := g.events(); got != (events{oomKills: 2, pidsMax: 5}) {
		t.Errorf("%+v", got)
	}
}

func TestLimitsOfTheMachine(t *testing.T) {
	most := mostTasks()
	if got := taskLimit(100, most); got != 100 {
		t.Errorf("taskLimit(100) = %d", got)
	}
	for _, pids := range []int64{0, -1, 1 << 40} {
		if got := taskLimit(pids, most); got <= 0 || got > most {
			t.Errorf("taskLimit(%d) = %d of %d", pids, got, most)
		}
	}
	total := meminfo("MemTotal")
	for _, reserve := range []int64{0, 1 << 20, 1 << 60} {
		if got := memoryLimit(reserve, meminfo("MemAvailable")); got <= 0 || got >= total {
			t.Errorf("memoryLimit(%d) = %d of %d", reserve, got, total)
		}
	}
}

func TestNetmask(t *testing.T) {
	for bits, want := range map[int]string{0: "0.0.0.0", 8: "255.0.0.0", 24: "255.255.255.0", 31: "255.255.255.254", 32: "255.255.255.255"} {
		if got := netmask(bits); got != netip.MustParseAddr(want) {
			t.Errorf("/%d: %s", bits, got)
		}
	}
}

func TestNetworkRefuses(t *testing.T) {
	for _, n := range []guest.Network{{}, {Address: "10.0.2.15"}, {Address: "fe80::1/64"}, {Address: "x/24"}} {
		if err := network(&n, ""); err == nil || !strings.Contains(err.Error(), "CIDR") {
			t.Errorf("%+v: %v", n, err)
		}
	}
}

func TestHardwareAddressRefuses(t *testing.T) {
	for _, text := range []string{"x", "52:54:00", "00:11:22:33:44:55:66:77"} {
		if err := hardwareAddress("none", text); err == nil || !strings.Contains(err.Error(), "no address") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSignalName(t *testing.T) {
	for s, want := range map[syscall.Signal]string{syscall.SIGKILL: "SIGKILL", syscall.SIGSYS: "SIGSYS", syscall.SIGTERM: "SIGTERM", 0: "signal 0", 40: "signal 40"} {
		if got := signalName(s); got != want {
			t.Errorf("%d: %s", s, got)
		}
	}
}

func TestTrust(t *testing.T) {
	var path string
	install := func(p string, _ []byte) error { path = p; return nil }
	if _, _, err := trust([]byte("no certificate"), install); err == nil || path != "" {
		t.Errorf("accepted: %v", err)
	}
	pem, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	env, pool, err := trust(pem, install)
	if err != nil || pool == nil || env["SSL_CERT_FILE"] != path || path == "" || len(env) != len(trustVariables) {
		t.Errorf("%v %s %v", env, path, err)
	}
}

func TestReplaceFile(t *testing.T) {
	top := t.TempDir()
	path := filepath.Join(top, "etc", "resolv.conf")
	os.MkdirAll(filepath.Dir(path), 0o755)
	os.Symlink("../run/none", path)
	for _, text := range []string{"one", ""} {
		if err := replaceFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("%q %v", b, err)
		}
	}
}

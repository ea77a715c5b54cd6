package qemuvm

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// roleVariable makes the test binary play another process.
const roleVariable = "QEMUVM_TEST_ROLE"

var roles = map[string]func() error{"parent": parentRole, "fulldisk": fullDiskRole, "incomplete": incompleteRole}

// scripts play QEMUs that misbehave, by the machine's name. They are written
// before any process is started: a program that is open for writing, if only in
// a child between fork and exec, can not be run.
var scripts = map[string]string{
	"fake": `#!/bin/sh
greeting='{"QMP":{"version":{"qemu":{"major":7,"minor":2,"micro":0}},"capabilities":[]}}'
speak() { echo "$greeting" >&3; read line <&3; echo '{"return":{},"id":0}' >&3; }
if [ "$1" = --version ]; then echo "QEMU emulator version 7.2.0"; exit; fi
case "$2" in
guest=refuses) echo "no such device: frob" >&2; exit 3 ;;
guest=leaves) exit 0 ;;
guest=sandboxed) kill -SYS $$ ;;
guest=garbage) echo "HTTP/1.1 200 OK" >&3; exec sleep 1000 ;;
guest=endless) exec cat /dev/zero >&3 ;;
guest=silent) exec sleep 1000 ;;
guest=old) greeting='{"QMP":{"version":{"qemu":{"major":6,"minor":2,"micro":1}}}}'; speak; exec sleep 1000 ;;
guest=stubborn) trap '' TERM INT HUP; speak; while :; do sleep 1; done ;;
guest=family) sleep 1000 & echo $! >&4; speak; wait ;;
guest=orphans) sleep 1000 & echo $! >&4; speak; exit 0 ;;
guest=daemon) setsid sleep 1000 & echo $! >&4; speak; exit 0 ;;
guest=fails) speak; echo "some device broke" >&2; exit 4 ;;
guest=babbles) speak; echo nonsense >&3; exec sleep 1000 ;;
guest=deaf) speak; exec sleep 1000 3>&- ;;
guest=waits) speak; exec sleep 1000 ;;
*) echo "unknown role $*" >&2; exit 9 ;;
esac
`,
	"old": `#!/bin/sh
if [ "$1" = --version ]; then echo "QEMU emulator version 6.2.0 (Debian 1:6.2)"; exit; fi
echo "invalid option" >&2
exit 1
`,
	"impostor": "#!/bin/sh\necho I am no emulator\n",
	"endless":  "#!/bin/sh\nexec sleep 1000\n",
	"plain":    "not executable\n",
}

var scriptDir string

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := roles[role](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if scriptDir, err = os.MkdirTemp("", "qemuvm-test-*"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(scriptDir)
	for name, text := range scripts {
		mode := os.FileMode(0o755)
		if name == "plain" {
			mode = 0o644
		}
		if err := os.WriteFile(script(name), []byte(text), mode); err != nil {
			panic(err)
		}
	}
	status := m.Run()
	if leak := leaked(); status == 0 && leak != "" {
		fmt.Fprintln(os.Stderr, leak)
		return 1
	}
	return status
}

func script(name string) string { return filepath.Join(scriptDir, name) }

// openFiles lists what this process has open, without what the runtime opens
// once and for all.
func openFiles() map[string]bool {
	open := map[string]bool{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && target != "anon_inode:[eventpoll]" && target != "anon_inode:[eventfd]" {
			open[e.Name()+" "+target] = true
		}
	}
	return open
}

// leaked says which goroutines the tests have left behind. They end a little
// after what they belong to.
func leaked() string {
	var report string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		report = ""
		buf := make([]byte, 1<<20)
		stacks := string(buf[:runtime.Stack(buf, true)])
		for stack := range strings.SplitSeq(stacks, "\n\n") {
			if strings.Contains(stack, "qemuvm.") && !strings.Contains(stack, "TestMain") {
				report += "goroutine: " + stack + "\n"
			}
		}
		if report == "" {
			break
		}
	}
	return report
}

// guestCode is testdata/guest.s.
const guestCode = "31c08ed88ec08ed0bc007cfcbe5d7ce834008b2ef07d85ed741cb443b000b280" +
	"be807ccd137209668306887c404debe6be6a7ce81000f606f27d017506b006ba" +
	"f90ceef4ebfd9cfabafd03eca82074fbac84c07406baf803eeebed9dc3677565" +
	"73743a20686572650a0067756573743a207772697465206661696c65640a0090" +
	"100040000080000040"

// bootSector is a guest that writes chunks of 32 KiB, and then hangs or resets.
func bootSector(chunks uint8, hang bool) []byte {
	sector := make([]byte, 512)
	code, err := hex.DecodeString(guestCode)
	if err != nil {
		panic(err)
	}
	copy(sector, code)
	sector[0x1f0] = chunks
	if hang {
		sector[0x1f2] = 1
	}
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}

// bootDisk makes a sparse disk of 16 MiB that boots such a guest.
func bootDisk(path string, chunks uint8, hang bool) error {
	if err := os.WriteFile(path, bootSector(chunks, hang), 0o600); err != nil {
		return err
	}
	return os.Truncate(path, 16<<20)
}

// realMachine is a small machine of the QEMU that is installed.
func realMachine(t testing.TB) Options {
	t.Helper()
	binary, err := FindBinary(X86_64)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Binary: binary, Arch: X86_64, Accel: TCG, CPUs: 1, Memory: MinMemory, Name: t.Name()}
}

// fakeMachine is the script of that role.
func fakeMachine(role string) Options {
	return Options{Binary: script("fake"), Arch: X86_64, Accel: TCG, CPUs: 1, Memory: MinMemory, Name: role, Console: true}
}

// start runs a machine that the test closes.
func start(t testing.TB, o Options) *VM {
	t.Helper()
	vm, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { vm.Close() })
	return vm
}

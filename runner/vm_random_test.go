//go:build vm

package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// randomness prints what must differ from machine to machine, a line each.
const randomness = `
echo "urandom $(head -c 16 /dev/urandom | sha256sum)"
echo "uuid $(cat /proc/sys/kernel/random/uuid)"
echo "boot $(cat /proc/sys/kernel/random/boot_id)"
echo "mktemp $(mktemp)"
echo "machine $(cat /etc/machine-id)"
(cat /sys/class/net/e*/address 2>/dev/null || true) | sed 's/^/mac /'
cp /ci/src/random /run/random && chmod 755 /run/random && /run/random
date +%s
`

// hwrng prints what the machine's own source gives, which comes after a while.
const hwrng = `
until head -c 1 /dev/hwrng > /dev/null 2>&1; do sleep 0.1; done
echo "hwrng $(head -c 16 /dev/hwrng | sha256sum)"
`

// pythonRandom prints what Python's sources give, and what makes names and hashes.
const pythonRandom = `
python3 -c 'import random, secrets, uuid, tempfile
print("py-random", random.random())
print("py-secrets", secrets.token_hex(16))
print("py-uuid", uuid.uuid4())
print("py-hash", hash("x"))
print("py-temp", tempfile.mkdtemp())'
echo "uuidgen $(uuidgen)"
echo "bash $RANDOM$RANDOM$RANDOM$SRANDOM"
`

// goRandom prints what Go's sources give.
const goRandom = `package main

import (
	crand "crypto/rand"
	"fmt"
	"hash/maphash"
	"math/rand"
	"math/rand/v2"
	"os"
)

func main() {
	b := make([]byte, 16)
	crand.Read(b)
	fmt.Printf("go-crypto %x\n", b)
	fmt.Println("go-math", rand.Int63())
	fmt.Println("go-math2", v2.Uint64())
	fmt.Println("go-hash", maphash.String(maphash.MakeSeed(), "x"))
	f, _ := os.CreateTemp("", "x")
	fmt.Println("go-temp", f.Name())
}
`

func buildRandom(t *testing.T, dir string) {
	t.Helper()
	main := filepath.Join(t.TempDir(), "main.go")
	text := strings.Replace(goRandom, `"math/rand/v2"`, `v2 "math/rand/v2"`, 1)
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "random"), main)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

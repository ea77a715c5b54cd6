// Hostile is a guest program that lies. What it does is chosen when it is built:
// go build -ldflags "-X main.mode=garbage".
package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/ambient-ci/ambient/guest"
)

var mode string

func main() {
	defer syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	for _, m := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}} {
		os.MkdirAll(m[1], 0o755)
		syscall.Mount(m[0], m[1], m[0], 0, "")
	}
	modules, _ := filepath.Glob("/modules/*.ko")
	for _, m := range modules {
		load(m)
	}
	control := port(guest.PortControl)
	if mode == "mute" {
		time.Sleep(time.Hour)
	}
	guest.WriteMessage(control, guest.Message{Ready: &guest.Ready{Protocol: guest.ProtocolVersion}})
	guest.ReadMessage(control)
	lie(control)
	time.Sleep(300 * time.Millisecond)
}

func lie(control *os.File) {
	say := func(m guest.Message) { guest.WriteMessage(control, m) }
	switch mode {
	case "garbage":
		io.CopyN(control, rand.New(rand.NewSource(1)), 1<<20)
	case "huge":
		control.Write([]byte{0xff, 0xff, 0xff, 0xff, '{'})
	case "early":
		say(guest.Message{Done: &guest.Done{Outputs: []guest.Packed{{Name: "artifacts"}}}})
	case "order":
		say(guest.Message{Finished: &guest.Finished{Action: 5}})
	case "host":
		say(guest.Message{Stop: &guest.Stop{}})
	case "death":
		syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)
	case "flood":
		for range 100000 {
			say(guest.Message{Warning: &guest.Warning{Text: strings.Repeat("!", 1000)}})
		}
		run(say)
	case "log":
		io.CopyN(port(guest.PortLog), rand.New(rand.NewSource(2)), 1<<20)
		run(say)
	case "tar":
		evil := sourceFile("evil.tar")
		f, err := os.OpenFile(disk(guest.SerialArtifacts), os.O_WRONLY, 0)
		check(err)
		f.Write(evil)
		check(f.Sync())
		run(say)
	}
}

// run claims that everything went well.
func run(say func(guest.Message)) {
	say(guest.Message{Started: &guest.Started{}})
	say(guest.Message{Finished: &guest.Finished{}})
	say(guest.Message{Done: &guest.Done{Outputs: []guest.Packed{{Name: "artifacts", Bytes: 1024}}}})
}

func sourceFile(name string) []byte {
	check(os.MkdirAll("/src", 0o755))
	check(syscall.Mount(disk(guest.SerialSource), "/src", "erofs", syscall.MS_RDONLY, ""))
	data, err := os.ReadFile(filepath.Join("/src", guest.ImageTop, name))
	check(err)
	return data
}

func load(module string) {
	f, err := os.Open(module)
	check(err)
	defer f.Close()
	empty := []byte{0}
	syscall.Syscall(313, f.Fd(), uintptr(unsafe.Pointer(&empty[0])), 0) // finit_module on x86-64
}

func port(name string) *os.File { return device("/sys/class/virtio-ports/*/name", name, os.O_RDWR) }

func device(glob, want string, flags int) *os.File {
	f, err := os.OpenFile(find(glob, want), flags, 0)
	check(err)
	return f
}

func disk(serial string) string { return find("/sys/block/*/serial", serial) }

func find(glob, want string) string {
	for range 200 {
		files, _ := filepath.Glob(glob)
		for _, f := range files {
			if data, _ := os.ReadFile(f); string(bytes.TrimSpace(data)) == want {
				return "/dev/" + filepath.Base(filepath.Dir(f))
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	check(fmt.Errorf("no %s", want))
	return ""
}

func check(err error) {
	if err != nil {
		fmt.Println("hostile:", err)
		time.Sleep(time.Second)
		syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	}
}

package qemuvm

import (
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	bareHead = "-nodefaults -no-user-config -no-reboot -display none -monitor none -vga none" +
		" -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
	q35 = " -machine q35,graphics=off,sata=off,smbus=off,usb=off,vmport=off,i8042=off,dump-guest-core=off,mem-merge=off,memory-backend=ram"
	rng = ` -object {"qom-type":"rng-builtin","id":"rng"} -device {"driver":"virtio-rng-pci","rng":"rng","disable-legacy":"on"}`
	qmp = " -chardev socket,id=qmp,fd=3 -mon chardev=qmp,mode=control"
)

func ram(bytes, size string) string {
	return ` -object {"qom-type":"memory-backend-ram","id":"ram","size":` + bytes + `} -m size=` + size
}

func file(share string) string {
	return ` -object {"qom-type":"memory-backend-file","id":"ram","size":67108864,"mem-path":"/m,m","share":` + share + `} -m size=64M`
}

// The arguments are compared as words joined by blanks: none of the values here
// has a blank but the kernel's arguments.
func TestCommandLine(t *testing.T) {
	const linux = "panic=-1 oops=panic quiet loglevel=4 cryptomgr.notests nowatchdog audit=0 rcupdate.rcu_expedited=1"
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{
			"bare",
			Options{Binary: "q", Arch: X86_64, Accel: TCG, CPUs: 1, Memory: 64<<20 + 5},
			"q " + bareHead + q35 + ram("67108864", "64M") + " -smp 1 -accel tcg,thread=multi,tb-size=256 -cpu max" + qmp + " -nic none" + rng,
		},
		{
			"kernel",
			Options{Binary: "q", Arch: X86_64, Accel: KVM, CPUs: 2, Memory: 1 << 30, Name: "a,b", Kernel: "/k,k", Initrd: "/i", Append: []string{"x=1", "y"}, Console: true},
			"q -name guest=a,,b " + bareHead + q35 + ram("1073741824", "1024M") + " -smp 2 -accel kvm -cpu host" +
				" -kernel /k,k -initrd /i -append console=ttyS0 " + linux + " reboot=t 8250.nr_uarts=1 no_timer_check tsc=reliable x=1 y" + qmp +
				` -chardev socket,id=console,fd=4 -device {"driver":"isa-serial","chardev":"console"} -nic none` + rng,
		},
		{
			"to be saved",
			Options{Binary: "q", Arch: X86_64, Accel: TCG, CPUs: 1, Memory: 64 << 20, MemoryFile: "/m,m"},
			"q " + bareHead + q35 + file("true") + " -smp 1 -accel tcg,thread=multi,tb-size=256 -cpu max" + qmp + " -nic none" + rng,
		},
		{
			"restored",
			Options{Binary: "q", Arch: X86_64, Accel: TCG, CPUs: 1, Memory: 64 << 20, Restore: &Template{"/m,m", "/s"}, Kernel: "/k", Initrd: "/i"},
			"q " + bareHead + q35 + file("false") + " -smp 1 -accel tcg,thread=multi,tb-size=256 -cpu max" + qmp + " -nic none" + rng + " -incoming defer",
		},
		{
			"frames",
			Options{Binary: "q", Arch: X86_64, Accel: TCG, CPUs: 1, Memory: 64 << 20, Restore: &Template{"/m,m", "/s"}, Ports: []string{"c"}, Frames: &FrameNet{MAC: "52:54:00:00:00:01", MTU: 65520}},
			"q " + bareHead + q35 + file("false") + " -smp 1 -accel tcg,thread=multi,tb-size=256 -cpu max" + qmp +
				` -device {"driver":"virtio-serial-pci","id":"ports","disable-legacy":"on"}` +
				` -chardev socket,id=port0,fd=4 -device {"driver":"virtserialport","bus":"ports.0","chardev":"port0","name":"c"}` +
				` -netdev {"type":"stream","id":"net","server":false,"addr":{"type":"fd","str":"5"}}` +
				` -device {"driver":"virtio-net-pci","netdev":"net","mac":"52:54:00:00:00:01","host_mtu":65520,"romfile":"","disable-legacy":"on"}` + rng + " -incoming defer",
		},
		{
			"devices",
			Options{
				Binary: "q", Arch: X86_64, Accel: KVM, CPU: "host,arch-capabilities=off", CPUs: 1, Memory: 1 << 30,
				Disks:   []Disk{{"root", "/r,1", true}, {"out", `/o"1`, false}},
				Ports:   []string{"c", "l"},
				Network: &UserNet{MAC: "52:54:00:00:00:01", Restrict: true},
			},
			"q " + bareHead + q35 + ram("1073741824", "1024M") + " -smp 1 -accel kvm -cpu host,arch-capabilities=off" + qmp +
				` -blockdev {"driver":"raw","node-name":"disk-root","read-only":true,"file":{"driver":"file","filename":"/r,1","read-only":true,"aio":"threads","locking":"off"}}` +
				` -device {"driver":"virtio-blk-pci","id":"vd0","drive":"disk-root","serial":"root","rerror":"stop","werror":"stop","disable-legacy":"on"}` +
				` -blockdev {"driver":"raw","node-name":"disk-out","read-only":false,"cache":{"direct":false,"no-flush":true},"discard":"unmap","file":` +
				`{"driver":"file","filename":"/o\"1","read-only":false,"aio":"threads","locking":"auto","cache":{"direct":false,"no-flush":true},"discard":"unmap"}}` +
				` -device {"driver":"virtio-blk-pci","id":"vd1","drive":"disk-out","serial":"out","rerror":"stop","werror":"stop","disable-legacy":"on"}` +
				` -device {"driver":"virtio-serial-pci","id":"ports","disable-legacy":"on"}` +
				` -chardev socket,id=port0,fd=4 -device {"driver":"virtserialport","bus":"ports.0","chardev":"port0","name":"c"}` +
				` -chardev socket,id=port1,fd=5 -device {"driver":"virtserialport","bus":"ports.0","chardev":"port1","name":"l"}` +
				` -netdev {"type":"user","id":"net","ipv6":false,"restrict":true}` +
				` -device {"driver":"virtio-net-pci","netdev":"net","mac":"52:54:00:00:00:01","romfile":"","disable-legacy":"on"}` + rng,
		},
		{
			"aarch64",
			Options{Binary: "q", Arch: AArch64, Accel: TCG, CPU: "cortex-a57", CPUs: 1, Memory: 64 << 20, Kernel: "/k", Console: true},
			"q " + bareHead + " -machine virt,dump-guest-core=off,mem-merge=off,memory-backend=ram" + ram("67108864", "64M") +
				" -smp 1 -accel tcg,thread=multi,tb-size=256 -cpu cortex-a57 -kernel /k -append console=ttyAMA0 " + linux + qmp +
				" -chardev socket,id=console,fd=4 -serial chardev:console -nic none" + rng,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.o.Validate(); err != nil {
				t.Error(err)
			}
			if got := strings.Join(CommandLine(tt.o), " "); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if strings.Contains(strings.Join(CommandLine(tt.o), " "), "mitigations=") {
				t.Error("mitigations are not ours to switch")
			}
		})
	}
}

func TestValidate(t *testing.T) {
	long := strings.Repeat("x", 2000)
	tests := []struct {
		option string // that is at fault; "": none
		change func(*Options)
	}{
		{"", func(*Options) {}},
		{"Binary", func(o *Options) { o.Binary = "" }},
		{"Arch", func(o *Options) { o.Arch = "vax" }},
		{"Accel", func(o *Options) { o.Accel = "hvf" }},
		{"CPU", func(o *Options) { o.CPU = "max\n" }},
		{"CPUs", func(o *Options) { o.CPUs = 0 }},
		{"CPUs", func(o *Options) { o.CPUs = 256 }},
		{"Memory", func(o *Options) { o.Memory = MinMemory - 1 }},
		{"Memory", func(o *Options) { o.Memory = -1 }},
		{"Name", func(o *Options) { o.Name = "a\x00b" }},
		{"Kernel", func(o *Options) { o.Initrd = "/i" }},
		{"Kernel", func(o *Options) { o.Append = []string{"x"} }},
		{"Kernel", func(o *Options) { o.Kernel = "vmlinuz" }},
		{"Initrd", func(o *Options) { o.Kernel, o.Initrd = "/k", "i" }},
		{"", func(o *Options) { o.Kernel, o.Append = "/k", []string{"a=b,c", "d.e='f'"} }},
		{"Append", func(o *Options) { o.Kernel, o.Append = "/k", []string{"a b"} }},
		{"Append", func(o *Options) { o.Kernel, o.Append = "/k", []string{""} }},
		{"Append", func(o *Options) { o.Kernel, o.Append = "/k", []string{`a="b"`} }},
		{"Append", func(o *Options) { o.Kernel, o.Append = "/k", []string{long} }},
		{"", func(o *Options) { o.Disks = []Disk{{"a", "/a", true}, {"b", "/a", true}} }},
		{"Disks", func(o *Options) { o.Disks = []Disk{{"a", "/a", true}, {"a", "/b", true}} }},
		{"Disks", func(o *Options) { o.Disks = []Disk{{"", "/a", true}} }},
		{"Disks", func(o *Options) { o.Disks = []Disk{{"a,b", "/a", true}} }},
		{"Disks", func(o *Options) { o.Disks = []Disk{{long[:21], "/a", true}} }},
		{"Disks", func(o *Options) { o.Disks = []Disk{{"a", "a", true}} }},
		{"Disks", func(o *Options) { o.Disks = []Disk{{"a", "/\xff", true}} }},
		{"Disks", func(o *Options) { o.Disks = make([]Disk, MaxDisks+1) }},
		{"Ports", func(o *Options) { o.Ports = []string{"a", "a"} }},
		{"Ports", func(o *Options) { o.Ports = []string{"a,b"} }},
		{"Ports", func(o *Options) { o.Ports = make([]string, 17) }},
		{"", func(o *Options) { o.Network = &UserNet{} }},
		{"Network", func(o *Options) { o.Network = &UserNet{MAC: "1:2"} }},
		{"", func(o *Options) { o.Frames = &FrameNet{} }},
		{"Network", func(o *Options) { o.Frames = &FrameNet{MAC: "1:2"} }},
		{"Frames", func(o *Options) { o.Frames = &FrameNet{MTU: 65536} }},
		{"Frames", func(o *Options) { o.Frames = &FrameNet{MTU: 10} }},
		{"Frames", func(o *Options) { o.Network, o.Frames = &UserNet{}, &FrameNet{} }},
		{"", func(o *Options) { o.MemoryFile = "/m,m" }},
		{"MemoryFile", func(o *Options) { o.MemoryFile = "m" }},
		{"", func(o *Options) { o.Restore = &Template{"/m", "/s"} }},
		{"Restore", func(o *Options) { o.Restore = &Template{"/m", ""} }},
		{"Restore", func(o *Options) { o.Restore = &Template{"m", "/s"} }},
		{"Restore", func(o *Options) { o.MemoryFile, o.Restore = "/m", &Template{"/m", "/s"} }},
		{"Network", func(o *Options) { o.Network = &UserNet{MAC: "01:00:00:00:00:00"} }},
	}
	for i, tt := range tests {
		o := Options{Binary: "q", Arch: X86_64, Accel: TCG, CPUs: 1, Memory: MinMemory}
		tt.change(&o)
		err := o.Validate()
		var fault *OptionsError
		errors.As(err, &fault)
		switch {
		case tt.option == "" && err != nil:
			t.Errorf("%d: %v", i, err)
		case tt.option != "" && (fault == nil || fault.Option != tt.option):
			t.Errorf("%d: got %v, want a fault of %s", i, err, tt.option)
		}
	}
}

// A shell reads a quoted command line as the same words.
func TestQuote(t *testing.T) {
	words := []string{"printf", `%s\0`, "", "plain", "a b", "it's", `"`, `\`, "$HOME", "`id`", "*", "~", "#", "a\nb", "-x=y,z", `{"a":"b"}`, "ä", "!", "a=b"}
	out, err := exec.Command("sh", "-c", Quote(words)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), strings.Join(words[2:], "\x00")+"\x00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// splitOptions reads an option list by the documented rule: commas separate,
// two commas are one.
func splitOptions(list string) []string {
	parts := []string{""}
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] != ',':
			parts[len(parts)-1] += list[i : i+1]
		case i+1 < len(list) && list[i+1] == ',':
			parts[len(parts)-1] += ","
			i++
		default:
			parts = append(parts, "")
		}
	}
	return parts
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", ",", ",,", "a,b", ",a=b,", "=", "x,process=evil"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		want := []string{"guest=" + value, "debug-threads=on"}
		if got := splitOptions("guest=" + escape(value) + ",debug-threads=on"); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Whatever text is valid reaches QEMU as the value of its option and nothing
// else.
func FuzzCommandLine(f *testing.F) {
	f.Add("/a,b", "serial", "port", "arg")
	f.Add(`/"},"driver":"nbd`, "a\"b", `x","y":"`, "console=x\" init=/bin/sh")
	f.Fuzz(func(t *testing.T, path, serial, port, arg string) {
		o := Options{
			Binary: "q", Arch: X86_64, Accel: TCG, CPUs: 1, Memory: MinMemory, Name: serial, Kernel: "/k",
			Disks: []Disk{{Serial: serial, Path: path}}, Ports: []string{port}, Append: []string{arg},
		}
		if o.Validate() != nil {
			return
		}
		argv := CommandLine(o)
		if n := len(strings.Fields(argv[slices.Index(argv, "-append")+1])); n != len(strings.Fields(o.kernelArguments())) || !strings.HasSuffix(o.kernelArguments(), " "+arg) {
			t.Errorf("kernel arguments: %q", argv)
		}
		var node rawNode
		decode(t, argv[slices.Index(argv, "-blockdev")+1], &node)
		if node.File.Filename != path || node.Name != nodePrefix+serial || node.Driver != "raw" || node.File.Driver != "file" {
			t.Errorf("%q became %+v", path, node)
		}
		bare := o
		bare.Name, bare.Disks, bare.Ports, bare.Append = "n", []Disk{{Serial: "s", Path: "/"}}, []string{"p"}, []string{"a"}
		if len(argv) != len(CommandLine(bare)) {
			t.Errorf("other arguments: %q", argv)
		}
	})
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Errorf("%s: %v", text, err)
	}
}

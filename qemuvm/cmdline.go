package qemuvm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Descriptors that QEMU inherits: QMP first, then the console if there is one,
// then the ports in order, then the network's frames.
const firstFD = 3

// sandbox denies obsolete system calls, new privileges, new programs and
// changes of scheduling (QEMU's manual, -sandbox).
const sandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

// tcgBuffer bounds, in MiB, the memory that QEMU keeps translated code in; its
// own default is 1024 for each machine.
const tcgBuffer = 256

// CommandLine gives the program and its arguments for a machine. It is pure:
// the same options give the same arguments in the same order. The options must
// be valid. Sockets appear as inherited descriptors, so the result can only be
// run by Start; it is good for reading and for errors.
func CommandLine(o Options) []string {
	b := builder{args: []string{o.Binary}}
	b.machine(&o)
	if o.Restore == nil { // else the kernel is in the template's memory
		b.boot(&o)
	}
	b.qmp()
	if o.Console {
		b.console(&o)
	}
	for i, d := range o.Disks {
		b.disk(i, d)
	}
	b.ports(o.Ports)
	b.network(&o)
	b.object(object{Type: "rng-builtin", ID: "rng"})
	b.device(device{Driver: "virtio-rng-pci", RNG: "rng", NoLegacy: "on"})
	if o.Restore != nil {
		b.add("-incoming", "defer") // Start says where from
	}
	return b.args
}

// builder collects arguments. Wherever QEMU takes JSON it gets JSON, so that no
// value can be mistaken for an option.
type builder struct {
	args []string
	fd   int // descriptors given out
}

func (b *builder) add(args ...string) { b.args = append(b.args, args...) }

func (b *builder) nextFD() int {
	b.fd++
	return firstFD + b.fd - 1
}

// socket adds a chardev on the next inherited descriptor.
func (b *builder) socket(id string) {
	b.add("-chardev", fmt.Sprintf("socket,id=%s,fd=%d", id, b.nextFD()))
}

func (b *builder) device(d device)  { b.add("-device", toJSON(d)) }
func (b *builder) object(ob object) { b.add("-object", toJSON(ob)) }

func (b *builder) machine(o *Options) {
	memory := o.Memory >> 20
	if o.Name != "" {
		b.add("-name", "guest="+escape(o.Name))
	}
	b.add("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none", "-vga", "none")
	b.add("-sandbox", sandbox)
	b.add("-machine", platforms[o.Arch].machine+",memory-backend=ram")
	b.object(o.memoryBackend(memory << 20))
	b.add("-m", fmt.Sprintf("size=%dM", memory))
	b.add("-smp", strconv.Itoa(o.CPUs))
	b.add("-accel", o.accelerator(), "-cpu", o.cpu())
}

// memoryBackend is the guest's memory: nameless, or a file that other machines
// will start from, or a private copy of one, made page by page where the guest
// writes.
func (o *Options) memoryBackend(size int64) object {
	ram := object{Type: "memory-backend-ram", ID: "ram", Size: size}
	shared := o.Restore == nil
	if path := o.memoryPath(); path != "" {
		ram.Type, ram.Path, ram.Share = "memory-backend-file", path, &shared
	}
	return ram
}

func (o *Options) memoryPath() string {
	if o.Restore != nil {
		return o.Restore.Memory
	}
	return o.MemoryFile
}

func (o *Options) accelerator() string {
	if o.Accel == TCG {
		return fmt.Sprintf("tcg,thread=multi,tb-size=%d", tcgBuffer)
	}
	return o.Accel
}

func (o *Options) cpu() string {
	switch {
	case o.CPU != "":
		return o.CPU
	case o.Accel == KVM:
		return "host"
	}
	return "max"
}

func (b *builder) boot(o *Options) {
	if o.Kernel == "" {
		return
	}
	b.add("-kernel", o.Kernel)
	if o.Initrd != "" {
		b.add("-initrd", o.Initrd)
	}
	b.add("-append", o.kernelArguments())
}

// kernelArguments is the kernel's command line. A panic ends the machine at
// once (panic=-1 reboots, -no-reboot turns that into an exit), and so does an
// oops: after one a stage may hang. Mitigations of
// CPU faults stay on.
func (o *Options) kernelArguments() string {
	p := platforms[o.Arch]
	args := []string{"panic=-1", "oops=panic", "quiet", "loglevel=4", "cryptomgr.notests", "nowatchdog", "audit=0", "rcupdate.rcu_expedited=1"}
	if o.Console {
		args = slices.Insert(args, 0, "console="+p.console)
	}
	return strings.Join(slices.Concat(args, p.kernel, o.Append), " ")
}

func (b *builder) qmp() {
	b.socket("qmp")
	b.add("-mon", "chardev=qmp,mode=control")
}

func (b *builder) console(o *Options) {
	b.socket("console")
	b.add(platforms[o.Arch].serial...)
}

// nodePrefix makes a block node's name of a disk's serial; IOError undoes it.
const nodePrefix = "disk-"

func (b *builder) disk(i int, d Disk) {
	file := fileNode{Driver: "file", Filename: d.Path, AIO: "threads", Locking: "auto"}
	node := rawNode{Driver: "raw", Name: nodePrefix + d.Serial, ReadOnly: d.ReadOnly}
	if d.ReadOnly {
		file.Locking, file.ReadOnly = "off", true
	} else {
		unsafe := &cache{NoFlush: true}
		file.Cache, node.Cache = unsafe, unsafe
		file.Discard, node.Discard = "unmap", "unmap"
	}
	node.File = file
	b.add("-blockdev", toJSON(node))
	b.device(device{
		Driver: "virtio-blk-pci", ID: fmt.Sprintf("vd%d", i), Drive: node.Name, Serial: d.Serial,
		OnRead: "stop", OnWrite: "stop", NoLegacy: "on",
	})
}

func (b *builder) ports(names []string) {
	if len(names) == 0 {
		return
	}
	b.device(device{Driver: "virtio-serial-pci", ID: "ports", NoLegacy: "on"})
	for i, name := range names {
		id := fmt.Sprintf("port%d", i)
		b.socket(id)
		b.device(device{Driver: "virtserialport", Bus: "ports.0", Chardev: id, Name: name})
	}
}

func (b *builder) network(o *Options) {
	rom := "" // the boot ROM is in a package of its own and of no use
	card := device{Driver: "virtio-net-pci", Netdev: "net", ROM: &rom, NoLegacy: "on"}
	switch {
	case o.Network != nil:
		b.add("-netdev", toJSON(userNetdev{Type: "user", ID: "net", Restrict: o.Network.Restrict}))
		card.MAC = o.Network.MAC
	case o.Frames != nil:
		fd := strconv.Itoa(b.nextFD())
		b.add("-netdev", toJSON(streamNetdev{Type: "stream", ID: "net", Address: socketAddress{Type: "fd", FD: fd}}))
		card.MAC, card.MTU = o.Frames.MAC, o.Frames.MTU
	default:
		b.add("-nic", "none")
		return
	}
	b.device(card)
}

// The JSON forms of QEMU's options; fields in the order they are printed.
type (
	object struct {
		Type  string `json:"qom-type"`
		ID    string `json:"id"`
		Size  int64  `json:"size,omitempty"`
		Path  string `json:"mem-path,omitempty"`
		Share *bool  `json:"share,omitempty"`
	}
	cache struct {
		Direct  bool `json:"direct"`
		NoFlush bool `json:"no-flush"`
	}
	fileNode struct {
		Driver   string `json:"driver"`
		Filename string `json:"filename"`
		ReadOnly bool   `json:"read-only"`
		AIO      string `json:"aio"`
		Locking  string `json:"locking"`
		Cache    *cache `json:"cache,omitempty"`
		Discard  string `json:"discard,omitempty"`
	}
	rawNode struct {
		Driver   string   `json:"driver"`
		Name     string   `json:"node-name"`
		ReadOnly bool     `json:"read-only"`
		Cache    *cache   `json:"cache,omitempty"`
		Discard  string   `json:"discard,omitempty"`
		File     fileNode `json:"file"`
	}
	userNetdev struct {
		Type     string `json:"type"`
		ID       string `json:"id"`
		IPv6     bool   `json:"ipv6"`
		Restrict bool   `json:"restrict"`
	}
	streamNetdev struct {
		Type    string        `json:"type"`
		ID      string        `json:"id"`
		Server  bool          `json:"server"`
		Address socketAddress `json:"addr"`
	}
	socketAddress struct {
		Type string `json:"type"`
		FD   string `json:"str"`
	}
	device struct {
		Driver   string  `json:"driver"`
		ID       string  `json:"id,omitempty"`
		Bus      string  `json:"bus,omitempty"`
		Drive    string  `json:"drive,omitempty"`
		Serial   string  `json:"serial,omitempty"`
		OnRead   string  `json:"rerror,omitempty"`
		OnWrite  string  `json:"werror,omitempty"`
		Chardev  string  `json:"chardev,omitempty"`
		Name     string  `json:"name,omitempty"`
		Netdev   string  `json:"netdev,omitempty"`
		MAC      string  `json:"mac,omitempty"`
		MTU      int     `json:"host_mtu,omitempty"`
		ROM      *string `json:"romfile,omitempty"`
		RNG      string  `json:"rng,omitempty"`
		NoLegacy string  `json:"disable-legacy,omitempty"`
	}
)

func toJSON(v any) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // only strings, numbers and booleans are encoded
	}
	return strings.TrimSuffix(buf.String(), "\n")
}

// Package guest defines what the host and the program inside a virtual
// machine say to each other. It imports the standard library only, so that
// both halves can share it.
//
// The guest program is PID 1 of a stage's machine (package agent). Host and
// guest talk over virtio-serial ports:
//
//   - PortControl carries Message frames both ways: the guest says Ready, the
//     host answers Start, the guest reports actions and says Done. The host may
//     send Stop at any time after Start. A machine that goes on from a template
//     was saved after its Ready: the host sends Wake and gets Ready again.
//   - PortLog carries LogFrame frames from guest to host only.
//   - PortAgent carries AgentFrame frames both ways, in stages with an SSH agent.
//
// Everything a guest sends is hostile: the readers in this package bound every
// length before they allocate and never panic.
package guest

import (
	"encoding/json"
	"time"
)

// ProtocolVersion is raised whenever either side would misunderstand the other.
const ProtocolVersion = 5

// ProgramParameter is the kernel parameter that carries the digest of the guest
// program, which the guest repeats in Ready: ambient.program=sha256:….
const ProgramParameter = "ambient.program"

// Names of the virtio-serial ports, found in the guest under
// /sys/class/virtio-ports/*/name.
const (
	PortControl = "ambient.control"
	PortLog     = "ambient.log"
	PortAgent   = "ambient.agent"
)

// Serials of the virtio-blk devices, found in the guest under
// /sys/block/*/serial. The list is the same for every stage; only the contents
// differ. A virtio-blk serial has at most 20 bytes.
const (
	SerialRoot      = "root"      // the image: EROFS, read-only
	SerialScratch   = "scratch"   // the writable layer: an empty ext4 made by the host
	SerialExec      = "exec"      // tar: plan.json and the files it names, read-only
	SerialSource    = "src"       // EROFS: the source tree, read-only
	SerialSources   = "sources"   // EROFS: further source trees of the project, each below its name, read-only
	SerialDeps      = "deps"      // EROFS: what the pre stages fetched, read-only
	SerialInputs    = "inputs"    // EROFS: artifacts of other stages, read-only
	SerialSecrets   = "secrets"   // tar: files of the secrets a stage names, read-only
	SerialCache     = "cache"     // tar: the cache of the last run, read-only
	SerialCacheOut  = "cache-out" // written by the guest: the next cache
	SerialArtifacts = "artifacts" // written by the guest: artifacts, or the deps of a pre stage
)

// Disks has the serials in the order in which a machine gets its disks. Those up
// to EarlyDisks are known to their driver before Ready, so that no stage waits for
// that; the others are bound when they are wanted.
var Disks = []string{SerialRoot, SerialScratch, SerialSource, SerialSources, SerialDeps, SerialInputs,
	SerialExec, SerialSecrets, SerialCache, SerialCacheOut, SerialArtifacts}

// EarlyDisks counts the disks that are bound before Ready. Of those that are a
// run's own the size is known to the guest from then on, and nothing else: a
// machine that goes on from a template takes them to be as large as they were
// when it was saved.
const EarlyDisks = 6

// ImageTop is the directory of an EROFS disk that has its files. The file systems
// of early disks are mounted before Ready, and all that a machine has seen of them
// by then, their roots, is the same in every image.
const ImageTop = "tree"

// PlanFile is the name of the runnable plan inside the exec device, CAFile that
// of the host's certificate authorities in PEM.
const (
	PlanFile = "plan.json"
	CAFile   = "ca.pem"
)

// Directories in the guest.
const (
	DirRoot      = "/ci"
	DirSource    = "/ci/src"
	DirSources   = "/ci/sources"
	DirDeps      = "/ci/deps"
	DirCache     = "/ci/cache"
	DirArtifacts = "/ci/artifacts"
	DirInputs    = "/ci/inputs"
	DirSecrets   = "/ci/secrets"
	DirReceipts  = "/ci/receipts" // of post stages, whose artifacts directory is an input
)

// PlanDirs are the directories that plan stages have. They are there before Start;
// those that a plan does not name go then.
var PlanDirs = []string{DirSource, DirSources, DirDeps, DirCache, DirArtifacts, DirInputs, DirSecrets}

// AgentSocket is where programs in the guest find the host's SSH agent.
const AgentSocket = "/run/ambient/ssh/agent"

// Plan is the runnable plan: everything the guest program needs to run a stage.
// It reaches the guest in Start or, with other files or when it is large, as
// PlanFile on the exec device.
type Plan struct {
	Version int               `json:"version"` // ProtocolVersion
	Project string            `json:"project"`
	Stage   string            `json:"stage"` // "plan.build"
	Env     map[string]string `json:"env"`   // the whole environment of every action, nothing is inherited
	Inputs  []Input           `json:"inputs"`
	Outputs []Output          `json:"outputs"` // packed in order, also after a failed action
	Network *Network          `json:"network,omitempty"`
	Trust   bool              `json:"trust"` // CAFile is on the exec device and is to be installed
	Actions []Action          `json:"actions"`
	// EnvFiles are further variables: each value is the content of a file of the
	// inputs, which is removed once it is read. Keys are names, values paths.
	EnvFiles map[string]string `json:"env_files,omitempty"`
	Agent    bool              `json:"agent,omitempty"` // the host's SSH agent answers at AgentSocket
	// MemoryReserve is the memory, in bytes, that actions can not have, so that
	// the guest program survives them. PIDs bounds the number of tasks.
	MemoryReserve int64 `json:"memory_reserve"`
	PIDs          int64 `json:"pids"`
}

// Input is a device and the directory where its content is to be: a tar archive,
// which is unpacked there, or a file system image, which is mounted. An empty tar
// device (all zeroes) gives an empty directory.
type Input struct {
	Serial   string `json:"serial"` // empty: there is no content
	Dir      string `json:"dir"`
	Image    bool   `json:"image,omitempty"`     // EROFS; tar if not
	ReadOnly bool   `json:"read_only,omitempty"` // mounted read-only and noexec; an image that is not has a writable layer above it
	Memory   bool   `json:"memory,omitempty"`    // the directory is in memory alone, for root alone
	Optional bool   `json:"optional,omitempty"`  // an unreadable archive is a warning and an empty directory
}

// Output is a directory and the device that receives it as tar.
type Output struct {
	Name   string `json:"name"` // "artifacts", "cache", "deps": for messages
	Dir    string `json:"dir"`
	Serial string `json:"serial"`
	Limit  int64  `json:"limit"` // bytes of tar, at most
}

// Network configures the guest's only network interface. Addresses are IPv4.
type Network struct {
	Address string   `json:"address"` // in CIDR notation
	Gateway string   `json:"gateway"`
	DNS     []string `json:"dns"`
}

// Action is one action of a stage: its steps run in order and the first that
// fails ends the stage.
type Action struct {
	Name    string        `json:"name"`              // "shell"
	Title   string        `json:"title"`             // for messages: "shell", "go_build ./..."
	Timeout time.Duration `json:"timeout,omitempty"` // 0: only the stage's limit
	Steps   []Step        `json:"steps"`
	Reports *Reports      `json:"reports,omitempty"` // nil: none
}

// Step is exactly one of its fields.
type Step struct {
	Exec  *Exec  `json:"exec,omitempty"`
	Fetch *Fetch `json:"fetch,omitempty"`
	Write *Write `json:"write,omitempty"`

	Upload *Upload `json:"upload,omitempty"`
}

// Exec runs a program. Exactly one of Argv and Script is set.
type Exec struct {
	Argv   []string          `json:"argv,omitempty"`
	Script string            `json:"script,omitempty"`
	Shell  string            `json:"shell,omitempty"` // "bash" or "sh"; empty: bash where the image has it, else sh
	Dir    string            `json:"dir,omitempty"`   // working directory, DirSource when empty; relative to DirSource
	Env    map[string]string `json:"env,omitempty"`   // added to Plan.Env
	Stdin  []byte            `json:"stdin,omitempty"`
	// Needs are programs of the image without which it is not started.
	Needs []Tool `json:"needs,omitempty"`
	// Retries is how often a failed run is repeated, with back-off: for tools
	// that fetch. Only a run that ended by its own exit status is repeated.
	Retries int `json:"retries,omitempty"`
	// Outage says that this program fetches, so that its final failure is the
	// world's and not the project's: the stage is errored and not failed.
	Outage bool `json:"outage,omitempty"`
	// Final, unless 0, is an exit status that is neither repeated nor an outage.
	Final int `json:"final,omitempty"`
}

// Tool is a program that an image may not have, and the Debian package that has
// it.
type Tool struct {
	Program string `json:"program"`
	Package string `json:"package"`
}

// Fetch downloads one file over HTTP or HTTPS. The file appears at Path only
// when it is whole and its checksum is right.
type Fetch struct {
	URL     string            `json:"url"`
	Path    string            `json:"path"`             // absolute
	SHA256  string            `json:"sha256,omitempty"` // lower-case hex; empty: not checked
	Mode    uint32            `json:"mode,omitempty"`   // permission bits, 0644 when 0
	Header  map[string]string `json:"header,omitempty"`
	MaxSize int64             `json:"max_size,omitempty"` // bytes; 0: no limit but the disk
	Retries int               `json:"retries"`            // further tries after the first
}

// Write makes a file with the given content, or a directory when Dir is set.
type Write struct {
	Path    string `json:"path"` // absolute
	Content []byte `json:"content,omitempty"`
	Mode    uint32 `json:"mode,omitempty"` // permission bits; 0644, or 0755 for a directory, when 0
	Dir     bool   `json:"dir,omitempty"`
}

// Message is a frame on the control port: exactly one field is set.
type Message struct {
	// From the guest.
	Ready    *Ready    `json:"ready,omitempty"`
	Started  *Started  `json:"started,omitempty"`
	Finished *Finished `json:"finished,omitempty"`
	Warning  *Warning  `json:"warning,omitempty"`
	Report   *Report   `json:"report,omitempty"`
	Done     *Done     `json:"done,omitempty"`
	// From the host.
	Wake  *Wake  `json:"wake,omitempty"`
	Start *Start `json:"start,omitempty"`
	Stop  *Stop  `json:"stop,omitempty"`
}

// Ready is the guest's first message: the root and the empty writable layer are
// mounted. Of the other disks and the network device nothing is known, but the
// size of some disks (EarlyDisks). So a machine saved now can go on with others in
// their places, and with a copy of its scratch disk.
type Ready struct {
	Protocol int    `json:"protocol"`
	Program  string `json:"program"` // digest of the guest program, as the host put it on the kernel command line
	Kernel   string `json:"kernel"`  // uname -r
	// Unmounted says of early disks why they are not mounted, by serial. That is no
	// mistake where the disk has an archive.
	Unmounted map[string]string `json:"unmounted,omitempty"`
}

// Wake asks a guest that waits for Start to say Ready once more.
type Wake struct{}

// Start makes the guest go on after Ready.
type Start struct {
	Time      time.Time `json:"time"`
	Entropy   []byte    `json:"entropy"` // 256 bytes for the kernel's random number generator
	Hostname  string    `json:"hostname"`
	MachineID string    `json:"machine_id"`    // 32 lower-case hex digits
	MAC       string    `json:"mac,omitempty"` // of the network device; empty: what the device says
	// Plan is the runnable plan; without it the guest reads the exec device.
	Plan  json.RawMessage `json:"plan,omitempty"`
	Probe bool            `json:"probe,omitempty"` // say Done at once: used to try an accelerator
}

// Stop asks the guest to kill what runs, to pack its outputs and to say Done.
type Stop struct {
	Reason string `json:"reason"` // for the log
}

// Started says that an action begins.
type Started struct {
	Action int `json:"action"` // index in Plan.Actions
}

// Finished says how an action ended. At most one of Limit and Error is set; all
// zero means success.
type Finished struct {
	Action   int           `json:"action"`
	Exit     int           `json:"exit"`             // exit status of the step that ended the action; 0 when Signal is set
	Signal   string        `json:"signal,omitempty"` // "SIGKILL": it was killed by a signal
	Limit    string        `json:"limit,omitempty"`  // a Limit… constant: the limit that was hit
	Error    string        `json:"error,omitempty"`  // it could not be started, or a fetch failed
	Outage   bool          `json:"outage,omitempty"` // a fetch failed: the stage is errored, not failed
	Stopped  bool          `json:"stopped,omitempty"`
	Duration time.Duration `json:"duration"`
}

// Limits by name, as in the limits block.
const (
	LimitMemory    = "memory"
	LimitDisk      = "disk"
	LimitTimeout   = "timeout"
	LimitArtifacts = "artifacts"
	LimitDeps      = "deps"
	LimitCache     = "cache"
	LimitLog       = "log"
	LimitPIDs      = "processes"
	LimitAction    = "action timeout"
)

// Warning is something the user should know that did not fail the stage.
type Warning struct {
	Text string `json:"text"`
}

// Done is the guest's last message; the machine powers off after it.
type Done struct {
	// Error is set when the guest program itself could not do its work: no
	// device, unreadable source, no plan. The stage is then errored.
	Error string `json:"error,omitempty"`
	// Limit is set with Error when a limit was hit outside an action, such as a
	// source tree larger than the disk.
	Limit   string   `json:"limit,omitempty"`
	Outputs []Packed `json:"outputs,omitempty"`
}

// Packed reports one of Plan.Outputs.
type Packed struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`           // of tar on the device, a multiple of 512
	Error string `json:"error,omitempty"` // nothing usable is on the device
	Limit string `json:"limit,omitempty"` // the output was larger than Output.Limit
	// Unchanged says that it is what the host gave as the input of that directory,
	// so that nothing was packed.
	Unchanged bool `json:"unchanged,omitempty"`
	Fault     bool `json:"fault,omitempty"` // Error is the actions' fault: they put something else in the directory's place
}

// Stream says where a log line came from.
type Stream uint8

// The streams of a log.
const (
	StreamSystem Stream = iota // the guest program
	StreamStdout
	StreamStderr
)

// LogFrame is a piece of output; it need not end with a newline.
type LogFrame struct {
	Time   time.Time // by the guest's clock
	Action int32     // index in Plan.Actions, -1 outside one
	Stream Stream
	Data   []byte
}

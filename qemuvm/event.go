package qemuvm

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Names of the events that VM.Events passes on (QEMU's QMP reference). Other
// events are dropped: a guest can raise many of them at will.
const (
	EventShutdown = "SHUTDOWN"       // the machine ends; see Event.Shutdown
	EventPanicked = "GUEST_PANICKED" // the guest's kernel said so to a panic device
	EventIOError  = "BLOCK_IO_ERROR" // see Event.IOError; the machine is stopped
	EventStop     = "STOP"           // the CPUs do not run any more
	EventResume   = "RESUME"         // they run again
	EventMemory   = "MEMORY_FAILURE" // the host's memory is faulty
)

// eventMigration tells the state of a migration, if it is wanted.
const eventMigration = "MIGRATION"

// migrationEnds has the states of a migration that is over (MigrationStatus in
// QEMU's QMP reference).
var migrationEnds = map[string]bool{"completed": true, "failed": true, "cancelled": true, "cancelling": true}

func (e Event) migration() string {
	var m struct{ Status string }
	_ = json.Unmarshal(e.Data, &m) // what is no state ends nothing
	return m.Status
}

var passedOn = map[string]bool{
	EventShutdown: true, EventPanicked: true, EventIOError: true,
	EventStop: true, EventResume: true, EventMemory: true,
}

// Event is something that QEMU told without being asked.
type Event struct {
	Name string
	Time time.Time // by the host's clock
	Data json.RawMessage
}

// Reasons that Shutdown.Reason can have.
const (
	ReasonPowerOff = "guest-shutdown" // the guest switched itself off
	ReasonReset    = "guest-reset"    // the guest rebooted, as it does after a panic
	ReasonPanic    = "guest-panic"
	ReasonSignal   = "host-signal" // somebody sent QEMU a signal
	ReasonQuit     = "host-qmp-quit"
)

// Shutdown says why the machine ends.
type Shutdown struct {
	Guest  bool   `json:"guest"`  // the guest wanted it
	Reason string `json:"reason"` // a Reason… constant, or another of QEMU's
}

// Shutdown gives the data of an EventShutdown.
func (e Event) Shutdown() (Shutdown, bool) {
	var s Shutdown
	if e.Name != EventShutdown || json.Unmarshal(e.Data, &s) != nil {
		return Shutdown{}, false
	}
	return s, true
}

// IOError says that the host could not read or write the file of a disk. It is
// never caused by what the guest did with its own disk.
type IOError struct {
	Serial  string // of the Disk
	Write   bool
	NoSpace bool // the file system that holds the disk's file is full
	Reason  string
}

// Error says what the host failed to do.
func (e *IOError) Error() string {
	verb := "read"
	if e.Write {
		verb = "write"
	}
	if e.NoSpace {
		return fmt.Sprintf("the host's disk is full: the file of disk %q can not grow", e.Serial)
	}
	return fmt.Sprintf("the host can not %s the file of disk %q: %s", verb, e.Serial, printable(e.Reason))
}

// IOError gives the data of an EventIOError, else nil.
func (e Event) IOError() *IOError {
	var data struct {
		Node      string `json:"node-name"`
		Operation string `json:"operation"`
		NoSpace   bool   `json:"nospace"`
		Reason    string `json:"reason"`
	}
	if e.Name != EventIOError || json.Unmarshal(e.Data, &data) != nil {
		return nil
	}
	return &IOError{
		Serial:  strings.TrimPrefix(data.Node, nodePrefix),
		Write:   data.Operation == "write",
		NoSpace: data.NoSpace,
		Reason:  data.Reason,
	}
}

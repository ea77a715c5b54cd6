// Package qemuvm runs one QEMU process: it turns Options into a command line,
// starts QEMU so that it can not outlive its parent, talks QMP to it, and says
// in plain words why it ended. It also finds QEMU, reads its version and
// chooses an accelerator by booting a probe.
//
// The life of a machine:
//
//	vm, err := qemuvm.Start(ctx, opts) // QEMU runs and answers on QMP
//	defer vm.Close()                   // kills it and releases everything
//	go io.Copy(log, vm.Console())      // must be read, or the guest stalls
//	conn := vm.Port("ambient.control") // a net.Conn with deadlines
//	<-vm.Done(); err = vm.Wait()       // nil: QEMU ended by itself with status 0
//
// # What the guest can not do
//
// QEMU gets no default device, no configuration file, an empty environment, a
// seccomp sandbox that denies new programs, new privileges and obsolete system
// calls, and no socket with a name: QMP, console and ports are socket pairs
// whose other ends only this process holds. Without Options.Network and
// Options.Frames the guest has no network device at all. Emulation (TCG) is no security boundary by
// QEMU's own word (its manual, "Security"): Choose says which accelerator works
// and ProbeOptions.RequireKVM refuses emulation.
//
// # A full disk of the host
//
// Devices are attached with rerror=stop and werror=stop. A host that can not
// read or write a device's file therefore never looks like a disk error to the
// guest: the machine is stopped, and an event with an *IOError comes out of
// VM.Events; its NoSpace field says that the host's disk is full. A device that
// the guest has filled is the guest's own affair and raises no event. The
// machine stays stopped until the caller kills it.
package qemuvm

// Package agent is the guest program: PID 1 of a stage's virtual machine.
//
// Its life (Main):
//
//  1. boot: kernel file systems, modules of the initramfs, the devices by their
//     serials, the root image read-only; then it says Ready.
//  2. settle, after the host's Start: clock, entropy, names, the writable layer,
//     the move into the new root, the network.
//  3. work: unpack the inputs, run the actions in order, kill what they left,
//     pack the outputs (also after a failure or a Stop), say Done.
//  4. power off.
//
// The parts that need no machine (worker, fetcher, unpack, pack, backOff) work
// below any root directory and are tested on the host.
//
// Project code runs as root beside this program and may break it: nothing here
// protects the host, which believes nothing the guest says. What is here makes
// an honest stage's end reliable: the program lives outside the cgroup of the
// actions, is never chosen by the kernel's memory killer, waits for nothing
// without a bound, and powers the machine off when it can not go on.
//
// The package imports the standard library and package guest only, because
// ambient carries its source and may have to build it with nothing but a Go
// toolchain.
package agent

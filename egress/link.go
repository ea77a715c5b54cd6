package egress

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// MTU is the largest IP packet of the machine's network, in bytes. It is large
// because each frame costs an emulated processor the same, however long it is.
const MTU = 65520

const (
	ethernetHeader = 14
	frameHeader    = 4 // length of the frame, big-endian (QEMU, net/stream.c)
	maxFrame       = ethernetHeader + 65535
)

// gatewayMAC is the gateway's, as QEMU's user-mode network has it.
var gatewayMAC = [6]byte{0x52, 0x55, 10, 0, 2, 2}

// link is a network interface of the stack, without a link layer of its own: it
// takes Ethernet off and puts it on, and answers for ARP.
type link struct {
	conn       net.Conn
	guard      *guard
	dispatcher atomic.Pointer[stack.NetworkDispatcher]
	guest      atomic.Uint64 // the guest's MAC address, from its frames
	dead       func()        // called when conn fails
	done       chan struct{} // closed when reading has ended

	mu  sync.Mutex // for writing
	out []byte
}

// read handles frames until the connection ends.
func (l *link) read() {
	defer close(l.done)
	in := bufio.NewReaderSize(l.conn, 2*(frameHeader+maxFrame))
	for {
		frame, err := readFrame(in)
		if err != nil {
			break
		}
		l.frame(frame)
		if _, err := in.Discard(len(frame)); err != nil {
			break
		}
	}
	l.dead()
}

// readFrame returns the next frame, which the caller discards.
func readFrame(in *bufio.Reader) ([]byte, error) {
	head, err := in.Peek(frameHeader)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes is longer than any can be", n)
	}
	if _, err := in.Discard(frameHeader); err != nil {
		return nil, err
	}
	frame, err := in.Peek(int(n))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return frame, err
}

// frame hands a frame on that passes the guard.
func (l *link) frame(frame []byte) {
	verdict, packet := l.guard.look(frame)
	if verdict == passARP || verdict == passIP {
		l.guest.Store(packMAC(frame[6:12]))
	}
	switch verdict {
	case passARP:
		if reply := arpReply(packet); reply != nil {
			l.send(0x0806, [][]byte{reply})
		}
	case passIP:
		if d := l.dispatcher.Load(); d != nil {
			pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
			(*d).DeliverNetworkPacket(ipv4.ProtocolNumber, pkt)
			pkt.DecRef()
		}
	}
}

func packMAC(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}

// WritePackets implements stack.LinkWriter. It waits while the guest does not
// read: then only this machine's connections wait.
func (l *link) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = l.out[:0]
	for _, pkt := range pkts.AsSlice() {
		l.header(0x0800, pkt.Size())
		for _, part := range pkt.AsSlices() {
			l.out = append(l.out, part...)
		}
	}
	if err := l.flush(); err != nil {
		return 0, &tcpip.ErrAborted{}
	}
	return pkts.Len(), nil
}

func (l *link) send(kind uint16, packets [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = l.out[:0]
	for _, p := range packets {
		l.header(kind, len(p))
		l.out = append(l.out, p...)
	}
	_ = l.flush() // reading tells when the connection is gone
}

// header appends what stands before a packet.
func (l *link) header(kind uint16, size int) {
	guest := l.guest.Load()
	l.out = binary.BigEndian.AppendUint32(l.out, uint32(ethernetHeader+size))
	l.out = binary.BigEndian.AppendUint16(l.out, uint16(guest>>32))
	l.out = binary.BigEndian.AppendUint32(l.out, uint32(guest))
	l.out = append(l.out, gatewayMAC[:]...)
	l.out = binary.BigEndian.AppendUint16(l.out, kind)
}

func (l *link) flush() error {
	_, err := l.conn.Write(l.out)
	if cap(l.out) > 4*maxFrame {
		l.out = nil
	}
	return err
}

// The rest of stack.LinkEndpoint.

// MTU implements stack.NetworkLinkEndpoint.
func (l *link) MTU() uint32 { return MTU }

// SetMTU implements stack.NetworkLinkEndpoint.
func (l *link) SetMTU(uint32) {}

// MaxHeaderLength implements stack.NetworkLinkEndpoint.
func (l *link) MaxHeaderLength() uint16 { return 0 }

// LinkAddress implements stack.NetworkLinkEndpoint.
func (l *link) LinkAddress() tcpip.LinkAddress { return "" }

// SetLinkAddress implements stack.NetworkLinkEndpoint.
func (l *link) SetLinkAddress(tcpip.LinkAddress) {}

// Capabilities implements stack.NetworkLinkEndpoint. Frames come from this very
// machine: their checksums need no second look.
func (l *link) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

// Attach implements stack.NetworkLinkEndpoint.
func (l *link) Attach(d stack.NetworkDispatcher) {
	if d == nil {
		l.dispatcher.Store(nil)
		return
	}
	l.dispatcher.Store(&d)
}

// IsAttached implements stack.NetworkLinkEndpoint.
func (l *link) IsAttached() bool { return l.dispatcher.Load() != nil }

// Wait implements stack.NetworkLinkEndpoint.
func (l *link) Wait() {}

// ARPHardwareType implements stack.NetworkLinkEndpoint.
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader implements stack.NetworkLinkEndpoint.
func (l *link) AddHeader(*stack.PacketBuffer) {}

// ParseHeader implements stack.NetworkLinkEndpoint.
func (l *link) ParseHeader(*stack.PacketBuffer) bool { return true }

// Close implements stack.NetworkLinkEndpoint.
func (l *link) Close() {}

// SetOnCloseAction implements stack.NetworkLinkEndpoint.
func (l *link) SetOnCloseAction(func()) {}

package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"github.com/ambient-ci/ambient/guest"
)

// ifreq is struct ifreq of netdevice(7).
type ifreq struct {
	name [syscall.IFNAMSIZ]byte
	data [24]byte
}

// rtentry is struct rtentry of linux/route.h on a 64-bit machine.
type rtentry struct {
	_       uint64
	dst     [16]byte
	gateway [16]byte
	mask    [16]byte
	flags   uint16
	_       [6]byte
	_       uint64
	_       uint16
	metric  int16
	_       [4]byte
	dev     *byte
	_       [3]uint64
}

// sockaddr puts an IPv4 address into a struct sockaddr_in.
func sockaddr(b []byte, a netip.Addr) {
	binary.NativeEndian.PutUint16(b, syscall.AF_INET)
	ip := a.As4()
	copy(b[4:], ip[:])
}

// configurator changes interfaces through one socket.
type configurator struct{ fd int }

func newConfigurator() (configurator, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	return configurator{fd}, err
}

func (c configurator) address(request uintptr, dev string, a netip.Addr) error {
	var r ifreq
	copy(r.name[:syscall.IFNAMSIZ-1], dev)
	sockaddr(r.data[:], a)
	return ioctl(uintptr(c.fd), request, unsafe.Pointer(&r))
}

func (c configurator) up(dev string) error {
	var r ifreq
	copy(r.name[:syscall.IFNAMSIZ-1], dev)
	binary.NativeEndian.PutUint16(r.data[:], syscall.IFF_UP|syscall.IFF_RUNNING)
	return ioctl(uintptr(c.fd), syscall.SIOCSIFFLAGS, unsafe.Pointer(&r))
}

func (c configurator) defaultRoute(gateway netip.Addr) error {
	r := rtentry{flags: syscall.RTF_UP | syscall.RTF_GATEWAY}
	zero := netip.IPv4Unspecified()
	sockaddr(r.dst[:], zero)
	sockaddr(r.mask[:], zero)
	sockaddr(r.gateway[:], gateway)
	return ioctl(uintptr(c.fd), syscall.SIOCADDRT, unsafe.Pointer(&r))
}

// loopback brings lo up, which gives it its address.
func loopback() error {
	c, err := newConfigurator()
	if err != nil {
		return err
	}
	defer syscall.Close(c.fd)
	return c.up("lo")
}

// network configures the machine's only interface and the resolver.
func network(n *guest.Network, mac string) error {
	if n == nil {
		return nil // and the resolver's file is empty
	}
	prefix, err := netip.ParsePrefix(n.Address)
	if err != nil || !prefix.Addr().Is4() {
		return fmt.Errorf("network address %q is not IPv4 in CIDR notation", n.Address)
	}
	if err := bindAll(networkDriver); err != nil {
		return err
	}
	dev, err := waitFor("network device", bootLimit, func() string {
		files, _ := filepath.Glob("/sys/class/net/*/device")
		if len(files) == 0 {
			return ""
		}
		return filepath.Base(filepath.Dir(files[0]))
	})
	if err != nil {
		return err
	}
	if err := hardwareAddress(dev, mac); err != nil {
		return fmt.Errorf("network device %s: %w", dev, err)
	}
	if err := configure(dev, prefix, n.Gateway); err != nil {
		return fmt.Errorf("network device %s: %w", dev, err)
	}
	return resolver(n.DNS)
}

// hardwareAddress sets the address of a device (netdevice(7), SIOCSIFHWADDR).
// QEMU restores that of the machine that was saved.
func hardwareAddress(dev, text string) error {
	if text == "" {
		return nil
	}
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return fmt.Errorf("%q is no address of a network device", text)
	}
	c, err := newConfigurator()
	if err != nil {
		return err
	}
	defer syscall.Close(c.fd)
	var r ifreq
	copy(r.name[:syscall.IFNAMSIZ-1], dev)
	binary.NativeEndian.PutUint16(r.data[:], syscall.ARPHRD_ETHER)
	copy(r.data[2:], mac)
	return ioctl(uintptr(c.fd), syscall.SIOCSIFHWADDR, unsafe.Pointer(&r))
}

func configure(dev string, prefix netip.Prefix, gateway string) error {
	// Only IPv4 leads out; an advertised IPv6 route would cost every
	// connection a failed try.
	_ = write("/proc/sys/net/ipv6/conf/"+dev+"/disable_ipv6", "1")
	c, err := newConfigurator()
	if err != nil {
		return err
	}
	defer syscall.Close(c.fd)
	if err := c.address(syscall.SIOCSIFADDR, dev, prefix.Addr()); err != nil {
		return err
	}
	if err := c.address(syscall.SIOCSIFNETMASK, dev, netmask(prefix.Bits())); err != nil {
		return err
	}
	if err := c.up(dev); err != nil {
		return err
	}
	if gateway == "" {
		return nil
	}
	gw, err := netip.ParseAddr(gateway)
	if err != nil || !gw.Is4() {
		return fmt.Errorf("gateway %q is not IPv4", gateway)
	}
	return c.defaultRoute(gw)
}

func netmask(bits int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], ^uint32(0)<<(32-bits))
	return netip.AddrFrom4(b)
}

func resolver(servers []string) error {
	var text []byte
	for _, s := range servers {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("name server %q is not an address", s)
		}
		text = fmt.Appendf(text, "nameserver %s\n", a)
	}
	return fill(resolverFile, string(text))
}

// replaceFile makes path a plain file, whatever the image has there: it may be
// a link to nowhere.
func replaceFile(path string, content []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

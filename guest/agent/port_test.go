package agent

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// socketPair returns two connected files that take deadlines, as ports do.
func socketPair(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs = os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

func TestControl(t *testing.T) {
	port, host := socketPair(t)
	gone := make(chan error, 1)
	c := newControl(port, func(err error) { gone <- err })
	go c.listen()
	for _, m := range []guest.Message{{Wake: &guest.Wake{}}, {Start: &guest.Start{Hostname: "h"}}, {Stop: &guest.Stop{Reason: "one"}}, {Stop: &guest.Stop{Reason: "two"}}} {
		if err := guest.WriteMessage(host, m); err != nil {
			t.Fatal(err)
		}
	}
	<-c.wake
	if s := <-c.start; s.Hostname != "h" {
		t.Errorf("%+v", s)
	}
	if s := <-c.stop; s.Reason != "one" {
		t.Errorf("%+v", s)
	}
	c.send(guest.Message{Started: &guest.Started{}})
	if m, err := guest.ReadMessage(host); err != nil || m.Started == nil {
		t.Errorf("%+v %v", m, err)
	}
	host.Close()
	if err := <-gone; err == nil {
		t.Error("gone without a reason")
	}
}

func TestControlOutOfOrder(t *testing.T) {
	ready, _ := frameOf(guest.Message{Ready: &guest.Ready{}})
	start, _ := frameOf(guest.Message{Start: &guest.Start{}})
	wake, _ := frameOf(guest.Message{Wake: &guest.Wake{}})
	tests := map[string]string{"a guest's message": ready, "two starts": start + start, "a wake after a start": start + wake, "garbage": "\xff\xff\xff\xffgarbage"}
	for name, data := range tests {
		port, host := socketPair(t)
		gone := make(chan error, 1)
		go newControl(port, func(err error) { gone <- err }).listen()
		if _, err := io.WriteString(host, data); err != nil {
			t.Fatal(err)
		}
		if err := <-gone; err == nil {
			t.Error(name)
		}
	}
}

// A guest is ready as often as it is asked, until it is started.
func TestAwait(t *testing.T) {
	port, host := socketPair(t)
	m := &machine{control: newControl(port, func(error) {})}
	go m.control.listen()
	started := make(chan *guest.Start)
	go func() { started <- m.await(guest.Message{Ready: &guest.Ready{Program: "p"}}) }()
	for range 3 {
		if got, err := guest.ReadMessage(host); err != nil || got.Ready == nil || got.Ready.Program != "p" {
			t.Fatalf("%+v %v", got, err)
		}
		if err := guest.WriteMessage(host, guest.Message{Wake: &guest.Wake{}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := guest.ReadMessage(host); err != nil {
		t.Fatal(err)
	}
	if err := guest.WriteMessage(host, guest.Message{Start: &guest.Start{Hostname: "h"}}); err != nil {
		t.Fatal(err)
	}
	if s := <-started; s.Hostname != "h" {
		t.Errorf("%+v", s)
	}
}

func TestLateModules(t *testing.T) {
	for path, want := range map[string]bool{
		"/modules/05-virtio_blk.ko": true, "/modules/09-virtio-net.ko": true, "/modules/10-virtio_rng.ko": true,
		"/modules/08-net_failover.ko": false, "/modules/06-virtio_console.ko": false, "/modules/virtio_blk": false,
	} {
		if late(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

func frameOf(m guest.Message) (string, error) {
	var b strings.Builder
	err := guest.WriteMessage(&b, m)
	return b.String(), err
}

// A message of our own that the protocol does not allow must not look like a
// host that is gone.
func TestControlOwnMistake(t *testing.T) {
	port, host := socketPair(t)
	c := newControl(port, func(err error) { t.Error(err) })
	c.send(guest.Message{Done: &guest.Done{Limit: "patience"}})
	if m, err := guest.ReadMessage(host); err != nil || m.Warning == nil || !strings.Contains(m.Warning.Text, "patience") {
		t.Errorf("%+v %v", m, err)
	}
}

func TestControlHostGone(t *testing.T) {
	port, host := socketPair(t)
	host.Close()
	gone := make(chan error, 1)
	newControl(port, func(err error) { gone <- err }).send(guest.Message{Done: &guest.Done{}})
	if err := <-gone; !errors.Is(err, syscall.EPIPE) {
		t.Error(err)
	}
}

func TestLoggerSplits(t *testing.T) {
	h := newHost(t, guest.Plan{})
	h.log.write(2, guest.StreamStdout, []byte(strings.Repeat("x", guest.MaxLogData+1)))
	h.log.say(-1, "a line\n")
	if got := h.logged(guest.StreamStdout); len(got) != guest.MaxLogData+1 {
		t.Errorf("%d bytes", len(got))
	}
	if got := h.logged(guest.StreamSystem); got != "a line\n" {
		t.Errorf("%q", got)
	}
}

func TestLoggerFlushFillsTheQueue(t *testing.T) {
	h := newHost(t, guest.Plan{})
	h.log.flush(flushLimit)
	if n := h.out.Len() / (4 + 13); n <= queueLength {
		t.Errorf("%d frames", n)
	}
}

// A host that is slow to read loses nothing of a stage that ends by itself.
func TestLoggerFlushWaitsForASlowHost(t *testing.T) {
	port, host := socketPair(t)
	l := newLogger(port)
	const data = 4 << 20
	go func() {
		l.write(0, guest.StreamStdout, make([]byte, data))
		l.flush(flushLimit)
		port.Close()
	}()
	got := 0
	for {
		f, err := guest.ReadLogFrame(host)
		if err != nil {
			break
		}
		got += len(f.Data)
	}
	if got != data {
		t.Errorf("%d of %d bytes arrived", got, data)
	}
}

// A host that reads nothing must not hold the writers for ever.
func TestLoggerHurry(t *testing.T) {
	port, _ := socketPair(t)
	l := newLogger(port)
	written := make(chan struct{})
	go func() {
		l.write(0, guest.StreamStdout, make([]byte, 16<<20))
		close(written)
	}()
	select {
	case <-written:
		t.Fatal("16 MiB went nowhere")
	case <-time.After(50 * time.Millisecond):
	}
	l.hurry(time.Now())
	<-written
	l.say(0, "dropped")
	if !l.dead {
		t.Error("the port is not given up")
	}
}

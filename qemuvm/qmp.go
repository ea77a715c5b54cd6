package qemuvm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds on what QMP's other end may make us keep.
const (
	maxQMPLine = 1 << 20 // bytes of one message
	maxEvents  = 64      // unread events; later ones are dropped
	maxMoves   = 64      // unread states of a migration, of which there are a handful
)

// ErrQMPEnded is the error of a command when QEMU has closed QMP, as it does
// when it ends.
var ErrQMPEnded = errors.New("QEMU has ended its control connection")

// CommandError is QEMU's refusal of a QMP command.
type CommandError struct {
	Command string
	Class   string
	Desc    string
}

// Error names the command and QEMU's words.
func (e *CommandError) Error() string {
	return fmt.Sprintf("QEMU refused %s: %s", e.Command, printable(e.Desc))
}

// ProtocolError says that what came over QMP is not QMP.
type ProtocolError struct{ Reason string }

// Error gives the reason.
func (e *ProtocolError) Error() string { return "QEMU's control connection: " + e.Reason }

// QMP is a client of QEMU's machine protocol. Its methods may be called from
// several goroutines. Events that nobody reads never hold up replies.
type QMP struct {
	conn     net.Conn
	greeting chan Version // gets one value
	events   chan Event
	moves    chan string   // states of a migration
	done     chan struct{} // closed when the reader has ended

	writing sync.Mutex

	mu       sync.Mutex
	next     uint64
	pending  map[uint64]chan *message
	err      error // why the reader ended
	shutdown *Shutdown
	ioError  *IOError
}

// message is anything that QEMU may send.
type message struct {
	QMP *struct {
		Version struct {
			QEMU struct{ Major, Minor, Micro int }
		}
	}
	Return json.RawMessage
	Error  *struct{ Class, Desc string }
	ID     *uint64
	Event  string
	Data   json.RawMessage
}

// newQMP takes conn over and reads it until it ends.
func newQMP(conn net.Conn) *QMP {
	q := &QMP{
		conn:     conn,
		greeting: make(chan Version, 1),
		events:   make(chan Event, maxEvents),
		moves:    make(chan string, maxMoves),
		done:     make(chan struct{}),
		pending:  map[uint64]chan *message{},
	}
	go q.read()
	return q
}

func (q *QMP) close() { q.conn.Close() }

func (q *QMP) read() {
	err := q.readAll(bufio.NewReader(q.conn))
	q.mu.Lock()
	q.err = err
	q.mu.Unlock()
	close(q.events)
	close(q.done)
}

func (q *QMP) readAll(r *bufio.Reader) error {
	greeted := false
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		m := &message{}
		if err := json.Unmarshal(line, m); err != nil {
			return &ProtocolError{"not a QMP message: " + printable(string(line[:min(len(line), 80)]))}
		}
		if !greeted {
			if m.QMP == nil {
				return &ProtocolError{"no greeting"}
			}
			greeted = true
			v := m.QMP.Version.QEMU
			q.greeting <- Version{v.Major, v.Minor, v.Micro}
			continue
		}
		if err := q.dispatch(m); err != nil {
			return err
		}
	}
}

// readLine gives the next line, bounded. Its error is ErrQMPEnded at the end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxQMPLine {
			return nil, &ProtocolError{fmt.Sprintf("a message has more than %d bytes", maxQMPLine)}
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, &ProtocolError{"it ended within a message"}
		default: // a reset is an end too: QEMU died with bytes of ours unread
			return nil, ErrQMPEnded
		}
	}
}

func (q *QMP) dispatch(m *message) error {
	switch {
	case m.Event != "":
		q.event(Event{Name: m.Event, Time: time.Now(), Data: m.Data})
		return nil
	case m.Return == nil && m.Error == nil:
		return &ProtocolError{"a message is neither reply nor event"}
	case m.ID == nil:
		return &ProtocolError{"a reply has no id"}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if *m.ID >= q.next {
		return &ProtocolError{"a reply to no command"}
	}
	if reply := q.pending[*m.ID]; reply != nil { // else the caller has given up
		delete(q.pending, *m.ID)
		reply <- m
	}
	return nil
}

// event remembers what must not be lost and offers the event to the reader.
func (q *QMP) event(e Event) {
	if e.Name == eventMigration {
		select {
		case q.moves <- e.migration():
		default:
		}
		return
	}
	if !passedOn[e.Name] {
		return
	}
	q.mu.Lock()
	if s, ok := e.Shutdown(); ok && q.shutdown == nil {
		q.shutdown = &s
	}
	if ioErr := e.IOError(); ioErr != nil && q.ioError == nil {
		q.ioError = ioErr
	}
	q.mu.Unlock()
	select {
	case q.events <- e:
	default:
	}
}

// Execute runs a command. args is encoded as its arguments unless nil; the
// reply is decoded into result unless nil. Errors: *CommandError when QEMU
// refuses, ErrQMPEnded when it ends, ctx's when that is first. A command whose
// context ends may still have been carried out.
func (q *QMP) Execute(ctx context.Context, command string, args, result any) error {
	return q.executeWith(ctx, nil, command, args, result)
}

// executeWith runs a command that comes with a file, unless that is nil. QEMU
// gets a descriptor of its own.
func (q *QMP) executeWith(ctx context.Context, file *os.File, command string, args, result any) error {
	id, reply := q.expect()
	defer q.forget(id)
	request := struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
		ID        uint64 `json:"id"`
	}{command, args, id}
	line, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("QMP command %s: %w", command, err)
	}
	if err := q.write(ctx, append(line, '\n'), file); err != nil {
		return err
	}
	select {
	case m := <-reply:
		return m.decode(command, result)
	case <-ctx.Done():
		return fmt.Errorf("QMP command %s: %w", command, context.Cause(ctx))
	case <-q.done:
	}
	select { // the reply may have been the last message
	case m := <-reply:
		return m.decode(command, result)
	default:
		return q.ended()
	}
}

func (m *message) decode(command string, result any) error {
	if m.Error != nil {
		return &CommandError{command, m.Error.Class, m.Error.Desc}
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(m.Return, result); err != nil {
		return &ProtocolError{fmt.Sprintf("the reply to %s: %v", command, err)}
	}
	return nil
}

func (q *QMP) expect() (uint64, <-chan *message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	id := q.next
	q.next++
	reply := make(chan *message, 1)
	q.pending[id] = reply
	return id, reply
}

func (q *QMP) forget(id uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.pending, id)
}

// write sends a whole line or ends the connection: half a line would spoil the
// next.
func (q *QMP) write(ctx context.Context, line []byte, file *os.File) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.writing.Lock()
	defer q.writing.Unlock()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		q.conn.SetWriteDeadline(time.Now())
		close(interrupted)
	})
	n, err := q.send(line, file)
	if !stop() {
		<-interrupted // or its deadline would hit the next command
		q.conn.SetWriteDeadline(time.Time{})
	}
	switch {
	case err == nil:
		return nil
	case n == 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return ctx.Err()
	}
	q.close()
	<-q.done
	return q.ended()
}

// send writes a line, with a file's descriptor beside its first byte (unix(7),
// SCM_RIGHTS).
func (q *QMP) send(line []byte, file *os.File) (int, error) {
	if file == nil {
		return q.conn.Write(line)
	}
	socket, ok := q.conn.(*net.UnixConn)
	if !ok {
		return 0, errors.New("QMP can not pass files")
	}
	n, _, err := socket.WriteMsgUnix(line[:1], unix.UnixRights(int(file.Fd())), nil)
	if err != nil {
		return n, err
	}
	more, err := q.conn.Write(line[1:])
	return n + more, err
}

// migration waits for the end of a migration and gives its state.
func (q *QMP) migration(ctx context.Context) (string, error) {
	for {
		select {
		case state := <-q.moves:
			if migrationEnds[state] {
				return state, nil
			}
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-q.done:
			return "", q.ended()
		}
	}
}

// ended gives the reason of the end, never nil. Only after done.
func (q *QMP) ended() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// greet waits for QEMU's greeting and leaves the negotiation mode.
func (q *QMP) greet(ctx context.Context) (Version, error) {
	select {
	case v := <-q.greeting:
		return v, q.Execute(ctx, "qmp_capabilities", nil, nil)
	case <-ctx.Done():
		return Version{}, context.Cause(ctx)
	case <-q.done:
		return Version{}, q.ended()
	}
}

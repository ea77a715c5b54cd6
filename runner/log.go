package runner

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// maxConsole bounds the kernel console's file, in bytes. The rest is dropped.
const maxConsole = 4 << 20

// pumpConsole copies the kernel's console to its file until it ends.
func (x *execution) pumpConsole() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		port := x.vm.Console()
		f, err := os.OpenFile(filepath.Join(x.job.Dir, ConsoleFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			x.warn("the console is not kept: " + err.Error())
		} else {
			clean := x.redact.Writer(f)
			io.Copy(clean, io.LimitReader(port, maxConsole))
			clean.Close()
			f.Close()
		}
		io.Copy(io.Discard, port)
	}()
	return done
}

// pumpLog makes events of what the guest logs, and stops the stage when that is
// more than its limit. What comes after the limit is dropped.
func (x *execution) pumpLog() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		port := x.vm.Port(guest.PortLog)
		lines := newCleanLines(x.redact, stages.NewLineWriter(stages.ObserverFunc(x.emit), x.job.Stage.ID, len(x.job.Stage.Actions)))
		left := x.job.Stage.Limits.Log
		for {
			f, err := guest.ReadLogFrame(port)
			if err != nil {
				x.logEnd(err)
				break
			}
			if left -= logCost(f.Data); left < 0 {
				x.logTooLong.Store(true)
				x.request(stopLog)
				io.Copy(io.Discard, port)
				break
			}
			lines.write(f)
		}
		lines.flush()
	}()
	return done
}

// lineCost is what the record keeps of a line beside its text: time, action and
// stream, in bytes.
const lineCost = 36

// logCost is what a piece of output counts of the log's limit.
func logCost(data []byte) int64 {
	return int64(len(data)) + lineCost*int64(bytes.Count(data, []byte{'\n'}))
}

// logEnd reports a log that did not simply end. The stage goes on: its log is
// not what decides.
func (x *execution) logEnd(err error) {
	if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		x.warn("the rest of the log is lost: " + clip(err.Error()))
	}
}

func streamName(s guest.Stream) string {
	switch s {
	case guest.StreamStdout:
		return "stdout"
	case guest.StreamStderr:
		return "stderr"
	}
	return "system"
}

// deadlined writes to a guest that may not read.
type deadlined struct{ conn net.Conn }

const writeLimit = 5 * time.Second

func (d deadlined) Write(p []byte) (int, error) {
	d.conn.SetWriteDeadline(time.Now().Add(writeLimit))
	return d.conn.Write(p)
}

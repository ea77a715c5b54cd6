package guest

import (
	"encoding/binary"
	"io"
	"time"
)

// A log frame's payload: the time in nanoseconds since 1970 as a signed 64-bit
// number, the action as a signed 32-bit number, the stream as one byte, then
// the data. Numbers are big-endian.
const logHeader = 8 + 4 + 1

// MaxLogData is the most bytes of output that one LogFrame holds.
const MaxLogData = MaxLogFrame - logHeader

// AppendLogFrame appends f to b as a whole frame, length included. It returns a
// *ProtocolError, and b as it was, for a frame that ReadLogFrame would refuse.
func AppendLogFrame(b []byte, f LogFrame) ([]byte, error) {
	if len(f.Data) > MaxLogData {
		return b, broken("log frame with %d bytes of data, more than %d", len(f.Data), MaxLogData)
	}
	if err := checkLog(f); err != nil {
		return b, err
	}
	b = binary.BigEndian.AppendUint32(b, uint32(logHeader+len(f.Data)))
	b = binary.BigEndian.AppendUint64(b, uint64(f.Time.UnixNano()))
	b = binary.BigEndian.AppendUint32(b, uint32(f.Action))
	b = append(b, byte(f.Stream))
	return append(b, f.Data...), nil
}

// WriteLogFrame writes f as one frame with a single Write.
func WriteLogFrame(w io.Writer, f LogFrame) error {
	b, err := AppendLogFrame(nil, f)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// ReadLogFrame reads one frame of the log port. Errors are as for ReadMessage.
// A frame without data is valid and says nothing: the guest sends such frames
// to push earlier ones out.
func ReadLogFrame(r io.Reader) (LogFrame, error) {
	payload, err := readFrame(r, MaxLogFrame)
	if err != nil {
		return LogFrame{}, err
	}
	return decodeLog(payload)
}

func decodeLog(payload []byte) (LogFrame, error) {
	if len(payload) < logHeader {
		return LogFrame{}, broken("log frame of %d bytes", len(payload))
	}
	f := LogFrame{
		Time:   time.Unix(0, int64(binary.BigEndian.Uint64(payload))),
		Action: int32(binary.BigEndian.Uint32(payload[8:])),
		Stream: Stream(payload[12]),
		Data:   payload[logHeader:],
	}
	if err := checkLog(f); err != nil {
		return LogFrame{}, err
	}
	return f, nil
}

func checkLog(f LogFrame) error {
	if f.Action < -1 {
		return broken("log frame of action %d", f.Action)
	}
	if f.Stream > StreamStderr {
		return broken("log frame of stream %d", f.Stream)
	}
	return nil
}

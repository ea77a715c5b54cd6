package runs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ambient-ci/ambient/stages"
)

// maxLine bounds a line that is read, in bytes: the events of a large run that
// starts or ends list all its stages.
const maxLine = 16 << 20

// fileLines yields the whole lines of a file, without the newline; each is valid
// until the next. A last line without a newline was cut short and is left out,
// as are lines longer than maxLine. A file that does not exist has no lines.
func fileLines(name string) iter.Seq2[[]byte, error] { return linesAfter(name, new(int64)) }

// linesAfter yields the lines of a file behind an offset in bytes, and moves the
// offset behind each before it is yielded.
func linesAfter(name string, offset *int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		if _, err := f.Seek(*offset, io.SeekStart); err != nil {
			yield(nil, err)
			return
		}
		readLines(f, offset, yield)
	}
}

func readLines(r io.Reader, offset *int64, yield func([]byte, error) bool) {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	tooLong := false
	read := *offset
	for {
		part, err := in.ReadSlice('\n')
		read += int64(len(part))
		if tooLong = tooLong || len(line)+len(part) > maxLine; !tooLong {
			line = append(line, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF:
			return
		case err != nil:
			yield(nil, err)
			return
		}
		*offset = read
		if !tooLong && !yield(bytes.TrimSuffix(line, []byte{'\n'}), nil) {
			return
		}
		line, tooLong = line[:0], false
	}
}

// Line is a line of a build log.
type Line struct {
	Time   time.Time
	Action int    // index of the action, -1 outside one
	Stream string // "system", "stdout", "stderr"
	Text   string // safe text (stages.SafeText), without the newline
}

const lineTime = "2006-01-02T15:04:05.000Z"

// String returns the line as it stands in the log, without the newline: time in
// UTC, action ("-" outside one), stream and text, with one space between.
func (l Line) String() string {
	action := "-"
	if l.Action >= 0 {
		action = strconv.Itoa(l.Action)
	}
	return l.Time.UTC().Format(lineTime) + " " + action + " " + l.Stream + " " + l.Text
}

// ParseLine reads what Line.String wrote. ok is false when it did not.
func ParseLine(s string) (l Line, ok bool) {
	parts := strings.SplitN(s, " ", 4)
	if len(parts) != 4 {
		return Line{}, false
	}
	t, err := time.Parse(lineTime, parts[0])
	if err != nil {
		return Line{}, false
	}
	l = Line{Time: t, Action: -1, Stream: parts[2], Text: parts[3]}
	if parts[1] != "-" {
		if l.Action, err = strconv.Atoi(parts[1]); err != nil || l.Action < 0 {
			return Line{}, false
		}
	}
	return l, l.Stream == "system" || l.Stream == "stdout" || l.Stream == "stderr"
}

// Lines yields a stage's build log so far. It skips lines that were cut short.
// An error is yielded last.
func (r *Run) Lines(s StageRecord) iter.Seq2[Line, error] { return r.LinesAfter(s, new(int64)) }

// LinesAfter is Lines from an offset in bytes on, 0 at first. It moves the offset
// behind each line, so that the next call yields what has come since.
func (r *Run) LinesAfter(s StageRecord, offset *int64) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		for text, err := range linesAfter(r.stageFile(s, buildLogFile), offset) {
			if err != nil {
				yield(Line{}, err)
				return
			}
			if l, ok := ParseLine(string(text)); ok && !yield(l, nil) {
				return
			}
		}
	}
}

// logLines returns the lines of a LogOutput event. The text is made safe again,
// because not every Runner does.
func logLines(e stages.Event) []byte {
	l := Line{Time: e.Time, Action: -1, Stream: e.Stream}
	if e.Action != nil && *e.Action >= 0 {
		l.Action = *e.Action
	}
	if l.Stream != "stdout" && l.Stream != "stderr" {
		l.Stream = "system"
	}
	var b bytes.Buffer
	for text := range strings.SplitSeq(stages.SafeText(e.Text), "\n") {
		l.Text = text
		b.WriteString(l.String())
		b.WriteByte('\n')
	}
	return b.Bytes()
}

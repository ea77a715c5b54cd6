package deb

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	arMagic  = "!<arch>\n"
	arHeader = 60
)

// arReader reads the members of an ar archive (ar(5), the common format) in
// order.
type arReader struct {
	r    io.Reader
	body *io.LimitedReader // of the last member
	pad  int64
}

func newAr(r io.Reader) (*arReader, error) {
	magic := make([]byte, len(arMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != arMagic {
		return nil, fmt.Errorf("%w: it is not an ar archive", ErrFormat)
	}
	return &arReader{r: r, body: &io.LimitedReader{R: r}}, nil
}

// next goes to the next member. The body is valid until the following call.
// The error is io.EOF after the last.
func (a *arReader) next() (name string, body io.Reader, err error) {
	if _, err := io.CopyN(io.Discard, a.r, a.body.N+a.pad); err != nil {
		if a.body.N == 0 && err == io.EOF {
			return "", nil, io.EOF // the last member's padding may be missing
		}
		return "", nil, fmt.Errorf("%w: a member is cut short", ErrFormat)
	}
	h := make([]byte, arHeader)
	if _, err := io.ReadFull(a.r, h); err == io.EOF {
		return "", nil, io.EOF
	} else if err != nil {
		return "", nil, fmt.Errorf("%w: a header is cut short", ErrFormat)
	}
	size, err := strconv.ParseInt(strings.TrimRight(string(h[48:58]), " "), 10, 64)
	if err != nil || size < 0 || h[58] != '`' || h[59] != '\n' {
		return "", nil, fmt.Errorf("%w: a member's header is malformed", ErrFormat)
	}
	name = strings.TrimRight(string(h[:16]), " ")
	a.body = &io.LimitedReader{R: a.r, N: size}
	a.pad = size & 1
	return strings.TrimSuffix(name, "/"), a.body, nil
}

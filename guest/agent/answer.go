package agent

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// accept looks at the header of an answer and makes the file ready for its
// body, or says what is wrong.
func (d *download) accept(res *http.Response) error {
	switch {
	case res.StatusCode == http.StatusPartialContent && d.have > 0:
		return d.acceptRest(res)
	case res.StatusCode == http.StatusOK:
		return d.acceptWhole(res)
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && d.have > 0,
		res.StatusCode == http.StatusPreconditionFailed && d.have > 0:
		return d.again(fmt.Errorf("HTTP %s for the rest of the file", res.Status))
	case temporary(res.StatusCode):
		return &retryable{err: fmt.Errorf("HTTP %s", res.Status), after: retryAfter(res, d.now())}
	}
	return fmt.Errorf("HTTP %s", res.Status)
}

// acceptWhole starts from the beginning: also when the rest was asked for and
// the server does not do that, or has another file by now.
func (d *download) acceptWhole(res *http.Response) error {
	if d.have > 0 {
		if err := d.restart(); err != nil {
			return err
		}
	}
	d.total = res.ContentLength
	d.validator = validator(res.Header)
	return d.fits(d.total)
}

// acceptRest goes on where the last try ended, if the server means that too.
func (d *download) acceptRest(res *http.Response) error {
	first, total, ok := contentRange(res.Header.Get("Content-Range"))
	if !ok || first != d.have || d.total >= 0 && total >= 0 && total != d.total {
		return d.again(fmt.Errorf("the server answered with another part: %.80q", res.Header.Get("Content-Range")))
	}
	if v := validator(res.Header); v != "" && v != d.validator {
		return d.again(fmt.Errorf("the file changed on the server"))
	}
	if d.total < 0 {
		d.total = total
	}
	d.resumed = true
	return d.fits(d.total)
}

func (d *download) fits(size int64) error {
	if d.f.MaxSize > 0 && size > d.f.MaxSize {
		return fmt.Errorf("%d bytes, larger than %d", size, d.f.MaxSize)
	}
	return nil
}

// temporary reports whether a status may go away by itself.
func temporary(status int) bool {
	return status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests
}

// retryAfter reads how long the server asks to wait, at most maxPause (RFC 9110
// §10.2.3).
func retryAfter(res *http.Response, now time.Time) time.Duration {
	v := strings.TrimSpace(res.Header.Get("Retry-After"))
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return min(time.Duration(s)*time.Second, maxPause)
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), maxPause)
	}
	return 0
}

// validator returns what makes a later If-Range safe: a strong ETag, else the
// time of the last change, else nothing (RFC 9110 §13.1.5).
func validator(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	if h.Get("ETag") != "" {
		return "" // weak
	}
	return h.Get("Last-Modified")
}

// contentRange parses "bytes 5-9/10" (RFC 9110 §14.4); total is -1 for "*".
func contentRange(s string) (first, total int64, ok bool) {
	spec, ok := strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, 0, false
	}
	bounds, size, ok1 := strings.Cut(spec, "/")
	from, to, ok2 := strings.Cut(bounds, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	total = -1
	var err3 error
	if size != "*" {
		total, err3 = strconv.ParseInt(size, 10, 64)
	}
	ok = ok1 && ok2 && err1 == nil && err2 == nil && err3 == nil &&
		first >= 0 && last >= first && (size == "*" || last < total)
	return first, total, ok
}

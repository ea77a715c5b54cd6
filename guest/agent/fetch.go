package agent

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

const (
	maxRedirects = 10
	connectLimit = 30 * time.Second
	answerLimit  = 60 * time.Second // until the header
	stallLimit   = 60 * time.Second // without a byte of the body
)

// fetch carries out a Fetch: it tries, again with back-off where that can help,
// and lets the file appear only when it is whole and right.
func (w *worker) fetch(ctx context.Context, action int, f *guest.Fetch) result {
	d, err := w.newDownload(f)
	if err != nil {
		return fetchResult(f, err)
	}
	defer d.discard()
	w.log.say(action, "fetch %s", redact(f.URL))
	for try := 1; ; try++ {
		err := d.try(ctx)
		if err == nil {
			return fileResult(d.publish())
		}
		if ctx.Err() != nil {
			return ended(context.Cause(ctx))
		}
		var again *retryable
		if !errors.As(err, &again) || try > f.Retries {
			return fetchResult(f, err)
		}
		pause := min(max(backOff(try), again.after), maxPause)
		w.log.say(action, "%v: try %d of %d in %s", err, try+1, f.Retries+1, pause)
		if err := w.sleep(ctx, pause); err != nil {
			return ended(err)
		}
	}
}

// redact leaves a password out of an address.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(unreadable address)"
	}
	return u.Redacted()
}

// retryable is an error that another try may mend: an outage if it stays.
type retryable struct {
	err   error
	after time.Duration // the server asked for that pause
}

func (r *retryable) Error() string { return r.err.Error() }
func (r *retryable) Unwrap() error { return r.err }

// outage is an error of the world that another try will not mend.
type outage struct{ error }

// fetchResult classifies a final error: the disk, the world, or the project's
// own mistake (a wrong address or checksum).
func fetchResult(f *guest.Fetch, err error) result {
	if outOfSpace(err) {
		return result{limit: guest.LimitDisk}
	}
	r := failed("fetch %s: %v", redact(f.URL), err)
	var again *retryable
	var out outage
	r.outage = errors.As(err, &again) || errors.As(err, &out)
	return r
}

// download is one file on its way. Its temporary file holds have bytes, which
// sum has seen.
type download struct {
	f         *guest.Fetch
	client    *http.Client
	now       func() time.Time
	path      string
	file      *os.File
	sum       hash.Hash
	have      int64
	total     int64  // of the whole file as announced, -1: unknown
	validator string // for If-Range; empty: not resumable
	resumed   bool   // some of what we have came by a resumed try
	stall     time.Duration
}

func (w *worker) newDownload(f *guest.Fetch) (*download, error) {
	u, err := url.Parse(f.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("not an http or https address")
	}
	path := w.path(f.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".fetch-*")
	if err != nil {
		return nil, err
	}
	return &download{f: f, client: w.client, now: w.now, path: path, file: file,
		sum: sha256.New(), total: -1, stall: stallLimit}, nil
}

// discard removes what is not published.
func (d *download) discard() {
	d.file.Close()
	os.Remove(d.file.Name())
}

// restart forgets what has arrived.
func (d *download) restart() error {
	d.have, d.total, d.validator, d.resumed = 0, -1, "", false
	d.sum.Reset()
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	_, err := d.file.Seek(0, io.SeekStart)
	return err
}

// try makes one request, whole or for the rest, and checks the result.
func (d *download) try(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if d.validator == "" && d.have > 0 {
		if err := d.restart(); err != nil {
			return err
		}
	}
	res, err := d.request(ctx)
	if err != nil {
		return netError(err)
	}
	defer res.Body.Close()
	if err := d.accept(res); err != nil {
		return err
	}
	if err := d.copy(&stallReader{r: res.Body, limit: d.stall, cancel: cancel}); err != nil {
		return err
	}
	return d.check()
}

func (d *download) request(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.f.URL, nil)
	if err != nil {
		return nil, err
	}
	for k, v := range d.f.Header {
		req.Header.Set(k, v)
	}
	req.Header.Set("Accept-Encoding", "identity")
	if d.have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
		req.Header.Set("If-Range", d.validator)
	}
	return d.client.Do(req)
}

// netError says which errors of a request another try may mend.
func netError(err error) error {
	var cert *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var redirect *redirectError
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // the address is in every message already
	}
	switch {
	case errors.As(err, &redirect):
		return redirect
	case errors.As(err, &cert), errors.As(err, &authority):
		return outage{err}
	}
	return &retryable{err: err}
}

// copy appends the body to the file.
func (d *download) copy(body io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if d.f.MaxSize > 0 && d.have+int64(n) > d.f.MaxSize {
			return fmt.Errorf("larger than %d bytes", d.f.MaxSize)
		}
		if _, werr := d.file.Write(buf[:n]); werr != nil {
			return werr
		}
		d.sum.Write(buf[:n])
		d.have += int64(n)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &retryable{err: fmt.Errorf("cut off after %d bytes: %w", d.have, err)}
		}
	}
}

// check compares length and checksum with what they should be. A file patched
// together from several answers is tried once more as a whole before it counts
// as wrong.
func (d *download) check() error {
	if d.total >= 0 && d.have != d.total {
		return d.again(fmt.Errorf("%d bytes instead of %d", d.have, d.total))
	}
	got := hex.EncodeToString(d.sum.Sum(nil))
	if d.f.SHA256 == "" || got == d.f.SHA256 {
		return nil
	}
	err := fmt.Errorf("wrong checksum: sha256 is %s, want %s", got, d.f.SHA256)
	if d.resumed {
		return d.again(err)
	}
	return err
}

// again asks for another try from the start.
func (d *download) again(err error) error {
	if rerr := d.restart(); rerr != nil {
		return rerr
	}
	return &retryable{err: err}
}

// publish gives the whole file its name.
func (d *download) publish() error {
	mode := os.FileMode(d.f.Mode).Perm()
	if mode == 0 {
		mode = 0o644
	}
	if err := d.file.Chmod(mode); err != nil {
		return err
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	return os.Rename(d.file.Name(), d.path)
}

// stallReader cancels a request whose body makes no progress.
type stallReader struct {
	r      io.Reader
	limit  time.Duration
	cancel context.CancelFunc
}

func (s *stallReader) Read(b []byte) (int, error) {
	t := time.AfterFunc(s.limit, s.cancel)
	n, err := s.r.Read(b)
	if !t.Stop() && err != nil && err != io.EOF {
		err = fmt.Errorf("no data for %s", s.limit)
	}
	return n, err
}

// redirectError is a redirection that is not followed.
type redirectError struct{ reason string }

func (e *redirectError) Error() string { return e.reason }

// newClient returns the client for fetches, which trusts the certificate
// authorities in roots, or the system's when it is nil. It asks each server
// over HTTP/1.1: one file at a time gains nothing from HTTP/2.
func newClient(roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: connectLimit}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			TLSClientConfig:       &tls.Config{RootCAs: roots},
			TLSHandshakeTimeout:   connectLimit,
			ResponseHeaderTimeout: answerLimit,
			DisableCompression:    true,
			IdleConnTimeout:       answerLimit,
		},
		CheckRedirect: checkRedirect,
	}
}

// checkRedirect follows up to ten redirections. What the plan adds to the
// header (it may be a token) goes to the first host only.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return &redirectError{fmt.Sprintf("more than %d redirections", maxRedirects)}
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return &redirectError{"redirected to an address that is not http or https"}
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme == "http" {
		return &redirectError{"redirected from https to http"}
	}
	if req.URL.Host != via[0].URL.Host {
		for k := range via[0].Header {
			if k != "Range" && k != "If-Range" && k != "Accept-Encoding" {
				req.Header.Del(k)
			}
		}
	}
	return nil
}

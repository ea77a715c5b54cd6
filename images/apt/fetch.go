package apt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// stall is how long a download may stand still.
const stall = 60 * time.Second

// tries is how often a download is tried; the pause before the second is
// Client.pause and doubles each time.
const tries = 4

// transport honours the usual proxy variables, as http.DefaultTransport does.
var transport = &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 20 * time.Second}).DialContext,
	TLSHandshakeTimeout:   20 * time.Second,
	ResponseHeaderTimeout: stall,
	IdleConnTimeout:       30 * time.Second,
	ForceAttemptHTTP2:     true,
}

var errTooLarge = errors.New("it is larger than it may be")

// readAll reads all of r, at most limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = errTooLarge
	}
	return data, err
}

// retry calls once until it succeeds, fails for good or has been tried often
// enough.
func (c *Client) retry(ctx context.Context, once func() error) error {
	pause := c.pause
	for n := 1; ; n++ {
		err := once()
		var fe *FetchError
		if err == nil || n == tries || !errors.As(err, &fe) || !fe.Temporary() {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// get copies the body of url to w, at most limit bytes, in one try.
func (c *Client) get(ctx context.Context, url string, w io.Writer, limit int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return &FetchError{URL: url, Status: http.StatusBadRequest, Err: err}
	}
	req.Header.Set("User-Agent", "ambient")
	resp, err := c.http.Do(req)
	if err != nil {
		return c.failed(ctx, url, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return &FetchError{URL: url, Status: resp.StatusCode}
	}
	watch := time.AfterFunc(stall, cancel)
	defer watch.Stop()
	body := readerFunc(func(p []byte) (int, error) {
		watch.Reset(stall)
		return resp.Body.Read(p)
	})
	n, err := io.Copy(w, io.LimitReader(body, limit+1))
	if err != nil {
		return c.failed(ctx, url, err)
	}
	if n > limit {
		return unverified(url, "it is larger than %d bytes", limit)
	}
	return nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// failed makes an error of a broken connection; errors of the local disk stay
// what they are.
func (c *Client) failed(ctx context.Context, url string, err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("stopped or no data for %s: %w", stall, err)
	}
	return &FetchError{URL: url, Err: err}
}

// download returns the path of the file with that size and digest: the one
// kept from an earlier download, else fetched from the first of urls that has
// it. It appears under its name only when it is whole.
func (c *Client) download(ctx context.Context, f file, urls ...string) (string, error) {
	path := filepath.Join(c.dir, "sha256-"+f.sha256)
	if sum, err := hashFile(path); err == nil && sum == f {
		return path, nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return "", err
	}
	var err error
	for _, url := range urls {
		err = c.retry(ctx, func() error { return c.downloadOnce(ctx, url, f, path) })
		var fe *FetchError
		if err == nil || ctx.Err() != nil || !errors.As(err, &fe) {
			break
		}
	}
	if err == nil {
		return path, nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return "", err
}

func (c *Client) downloadOnce(ctx context.Context, url string, f file, path string) error {
	tmp, err := os.CreateTemp(c.dir, ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	sum := sha256.New()
	if err := c.get(ctx, url, io.MultiWriter(tmp, sum), f.size); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.sha256 {
		return unverified(url, "its SHA-256 is %s and not %s, as was signed", got, f.sha256)
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// hashFile returns size and digest of a file.
func hashFile(path string) (file, error) {
	fd, err := os.Open(path)
	if err != nil {
		return file{}, err
	}
	defer fd.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, fd)
	return file{size: n, sha256: hex.EncodeToString(sum.Sum(nil))}, err
}

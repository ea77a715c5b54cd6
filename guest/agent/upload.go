package agent

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

const (
	maxUploads = 10_000
	maxToken   = 64 << 10 // bytes
	maxAnswer  = 300      // bytes of an answer that a message shows
	findLimit  = time.Minute
)

// upload carries out an Upload.
func (w *worker) upload(ctx context.Context, action int, u *guest.Upload) result {
	files, err := w.uploads(u)
	if err != nil {
		return failed("%v", err)
	}
	if len(files) > 1 && !strings.HasSuffix(u.URL, "/") {
		return failed("%d files for one address: end it with a slash, or name one file", len(files))
	}
	header, err := w.uploadHeader(u)
	if err != nil {
		return failed("%v", err)
	}
	for _, file := range files {
		if r := w.uploadOne(ctx, action, u, header, file); !r.ok() {
			return r
		}
	}
	return result{}
}

// uploads returns the files that the patterns mean, each once, relative to the
// directory.
func (w *worker) uploads(u *guest.Upload) ([]string, error) {
	var files []string
	seen := map[string]bool{}
	for _, pattern := range u.Files {
		found := false
		err := w.match(path.Join(u.Dir, pattern), w.now().Add(findLimit), func(file string) error {
			found = true
			rel := strings.TrimPrefix(file, u.Dir+"/")
			if !seen[rel] {
				seen[rel] = true
				files = append(files, rel)
			}
			if len(files) > maxUploads {
				return fmt.Errorf("more than %d files", maxUploads)
			}
			return nil
		})
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", pattern, err)
		case !found:
			return nil, fmt.Errorf("no file in %s is called %s", u.Dir, pattern)
		}
	}
	return files, nil
}

// uploadHeader returns the header of every request.
func (w *worker) uploadHeader(u *guest.Upload) (http.Header, error) {
	h := http.Header{}
	for k, v := range u.Header {
		h.Set(k, v)
	}
	if u.TokenFile == "" {
		return h, nil
	}
	f, err := os.Open(w.path(u.TokenFile))
	if err != nil {
		return nil, fmt.Errorf("the token: %w", err)
	}
	defer f.Close()
	token, err := io.ReadAll(io.LimitReader(f, maxToken))
	text := strings.TrimSpace(string(token))
	if err != nil || text == "" || strings.ContainsAny(text, "\r\n\x00") {
		return nil, fmt.Errorf("the token in %s is not one line of text", u.TokenFile)
	}
	h.Set(u.TokenHeader, strings.Replace(u.TokenFormat, "%s", text, 1))
	return h, nil
}

// openInside opens a plain file of a directory. A link may lead to it, from
// inside the directory to inside it: what is beyond may be a secret.
func openInside(dir, name string) (*os.File, int64, error) {
	top, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, 0, err
	}
	real, err := filepath.EvalSymlinks(filepath.Join(dir, name))
	if err != nil {
		return nil, 0, err
	}
	if !strings.HasPrefix(real, top+"/") {
		return nil, 0, errors.New("it is a link that leads out of its directory")
	}
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, 0, errors.Join(err, errors.New("it is not a file"))
	}
	return f, info.Size(), nil
}

// uploadOne sends one file, again with back-off where that can help.
func (w *worker) uploadOne(ctx context.Context, action int, u *guest.Upload, header http.Header, name string) result {
	f, size, err := openInside(w.path(u.Dir), name)
	if err != nil {
		return failed("%s: %v", name, err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return failed("%s: %v", name, err)
	}
	address := u.URL
	if strings.HasSuffix(address, "/") {
		address += (&url.URL{Path: name}).EscapedPath()
	}
	up := &uploading{w: w, file: f, size: size, method: u.Method, address: address, stall: stallLimit, header: header.Clone()}
	up.header.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum.Sum(nil))+":")
	w.log.say(action, "%s %s: %d bytes, sha256 %x", u.Method, redact(address), size, sum.Sum(nil))
	for try := 1; ; try++ {
		err := up.try(ctx)
		if err == nil {
			return result{}
		}
		if ctx.Err() != nil {
			return ended(context.Cause(ctx))
		}
		var again *retryable
		if !errors.As(err, &again) || try > u.Retries {
			r := failed("%s %s: %v", u.Method, redact(address), err)
			var out outage
			r.outage = errors.As(err, &again) || errors.As(err, &out)
			return r
		}
		pause := min(max(backOff(try), again.after), maxPause)
		w.log.say(action, "%v: try %d of %d in %s", err, try+1, u.Retries+1, pause)
		if err := w.sleep(ctx, pause); err != nil {
			return ended(err)
		}
	}
}

// errStalled says that a request made no progress.
var errStalled = fmt.Errorf("no progress for %s", stallLimit)

// uploading is one file on its way.
type uploading struct {
	w       *worker
	file    *os.File
	size    int64
	method  string
	address string
	header  http.Header
	stall   time.Duration
}

// try makes one request. Each reads the file from its start.
func (u *uploading) try(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(u.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	body := func() (io.ReadCloser, error) {
		return io.NopCloser(&watched{r: io.NewSectionReader(u.file, 0, u.size), watch: watch, limit: u.stall}), nil
	}
	first, _ := body()
	req, err := http.NewRequestWithContext(ctx, u.method, u.address, first)
	if err != nil {
		return err
	}
	req.Header, req.ContentLength, req.GetBody = u.header.Clone(), u.size, body
	if u.size == 0 {
		req.Body, req.GetBody = http.NoBody, nil
	}
	client := *u.w.client
	client.CheckRedirect = checkUploadRedirect
	res, err := client.Do(req)
	if errors.Is(context.Cause(ctx), errStalled) {
		err = errStalled
	}
	if err != nil {
		return netError(err)
	}
	defer res.Body.Close()
	return uploadAnswer(res, u.w.now())
}

// uploadAnswer judges what a server says to an upload.
func uploadAnswer(res *http.Response, now time.Time) error {
	said, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return nil
	case temporary(res.StatusCode):
		return &retryable{err: fmt.Errorf("HTTP %s", res.Status), after: retryAfter(res, now)}
	}
	if text := strings.Join(strings.Fields(strings.ToValidUTF8(string(said), "?")), " "); text != "" {
		return fmt.Errorf("HTTP %s: %s", res.Status, text)
	}
	return fmt.Errorf("HTTP %s", res.Status)
}

// checkUploadRedirect follows redirections that ask for the same request again
// (307 and 308), as checkRedirect does.
func checkUploadRedirect(req *http.Request, via []*http.Request) error {
	if req.Method != via[0].Method {
		return &redirectError{"redirected to where the file is not to be sent"}
	}
	return checkRedirect(req, via)
}

// watched puts the watch of a request off with each read of its body; after the
// last one the answer has a limit of its own.
type watched struct {
	r     io.Reader
	watch *time.Timer
	limit time.Duration
}

func (b *watched) Read(p []byte) (int, error) {
	b.watch.Reset(b.limit)
	n, err := b.r.Read(p)
	if err == io.EOF {
		b.watch.Reset(b.limit + answerLimit)
	}
	return n, err
}

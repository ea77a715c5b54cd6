package agent

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

var content = []byte(strings.Repeat("0123456789abcdef", 20000)) // 320 kB

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// serve answers request number n (from 1) with answer.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *httptest.Server {
	t.Helper()
	var n atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(int(n.Add(1)), w, r)
	}))
	s.Config.ErrorLog = quietLog()
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// quietLog takes what a server says about clients that hang up.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

// cutOff sends part of a body that was announced in full, and hangs up.
func cutOff(w http.ResponseWriter, part []byte, whole int) {
	w.Header().Set("Content-Length", fmt.Sprint(whole))
	w.Write(part)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

type answerFunc func(n int, w http.ResponseWriter, r *http.Request)

// cutThen cuts the first answer off at half, then goes on with next.
func cutThen(tag string, next answerFunc) answerFunc {
	return func(n int, w http.ResponseWriter, r *http.Request) {
		if n > 1 {
			next(n, w, r)
			return
		}
		w.Header().Set("ETag", tag)
		cutOff(w, content[:len(content)/2], len(content))
	}
}

func status(code int) answerFunc {
	return func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func whole(_ int, w http.ResponseWriter, _ *http.Request) { w.Write(content) }

// rest sends the rest of body as the server has it, under a tag.
func rest(tag string, body []byte) answerFunc {
	return func(_ int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "x", time.Time{}, strings.NewReader(string(body)))
	}
}

// part answers with a Content-Range and a body of the server's choice.
func part(header string, body []byte) answerFunc {
	return func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", header)
		w.WriteHeader(http.StatusPartialContent)
		w.Write(body)
	}
}

// after answers try number n by the n-th function, later ones by the last.
func after(answers ...answerFunc) answerFunc {
	return func(n int, w http.ResponseWriter, r *http.Request) {
		answers[min(n, len(answers))-1](n, w, r)
	}
}

func TestFetch(t *testing.T) {
	half, size := len(content)/2, len(content)
	changed := []byte(strings.ToUpper(string(content)))
	lie := fmt.Sprintf("bytes %d-%d/%d", half-1, size-2, size)
	truth := fmt.Sprintf("bytes %d-%d/%d", half, size-1, size)
	tests := map[string]struct {
		answer  answerFunc
		retries int
		want    string // "" success, else a part of the error
		outage  bool
		pauses  int
	}{
		"whole":                 {answer: whole},
		"not found":             {answer: status(404), retries: 3, want: "HTTP 404"},
		"gone":                  {answer: status(410), retries: 3, want: "HTTP 410"},
		"no content":            {answer: status(204), retries: 3, want: "HTTP 204"},
		"server error for good": {answer: status(503), retries: 2, want: "HTTP 503", outage: true, pauses: 2},
		"server error for once": {answer: after(status(500), whole), retries: 1, pauses: 1},
		"busy for once":         {answer: after(status(429), status(408), whole), retries: 2, pauses: 2},
		"no retries":            {answer: after(status(500), whole), want: "HTTP 500", outage: true},
		"cut off for good":      {answer: func(_ int, w http.ResponseWriter, _ *http.Request) { cutOff(w, content[:5], 10) }, retries: 1, want: "cut off after", outage: true, pauses: 1},
		"resumed":               {answer: cutThen(`"a"`, rest(`"a"`, content)), retries: 1, pauses: 1},
		"range ignored":         {answer: cutThen(`"a"`, whole), retries: 1, pauses: 1},
		"weak tag, no range":    {answer: cutThen(`W/"a"`, expectNoRange(t)), retries: 1, pauses: 1},
		"no tag, no range":      {answer: cutThen("", expectNoRange(t)), retries: 1, pauses: 1},
		"changed, other tag":    {answer: cutThen(`"a"`, rest(`"b"`, content)), retries: 1, pauses: 1},
		"changed, wrong sum":    {answer: cutThen(`"a"`, rest(`"b"`, changed)), retries: 1, pauses: 1, want: "wrong checksum"},
		"changed, same tag":     {answer: after(cutThen(`"a"`, nil), part(truth, changed[half:]), whole), retries: 2, pauses: 2},
		"another part":          {answer: after(cutThen(`"a"`, nil), part(lie, content[half-1:size-1]), whole), retries: 2, pauses: 2},
		"no part named":         {answer: after(cutThen(`"a"`, nil), part("", content[half:]), whole), retries: 2, pauses: 2},
		"rest is short":         {answer: after(cutThen(`"a"`, nil), part(truth, content[half:size-1]), whole), retries: 2, pauses: 2},
		"range refused":         {answer: after(cutThen(`"a"`, nil), status(416), whole), retries: 2, pauses: 2},
		"416 for no range":      {answer: status(416), retries: 2, want: "HTTP 416"},
		"206 for no range":      {answer: part(fmt.Sprintf("bytes 0-%d/%d", size-1, size), content), retries: 2, want: "HTTP 206"},
		"redirected for ever":   {answer: func(_ int, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, retries: 2, want: "more than 10 redirections"},
		"redirected elsewhere": {answer: func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, retries: 2, want: "not http or https"},
		"wrong content":        {answer: func(_ int, w http.ResponseWriter, _ *http.Request) { w.Write(changed) }, retries: 3, want: "sha256 is " + sum(changed) + ", want " + sum(content)},
		"too large, announced": {answer: func(_ int, w http.ResponseWriter, _ *http.Request) { cutOff(w, nil, size+1) }, retries: 3, want: "larger than"},
		"too large, unannounced": {answer: func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.Write(append(content, 'x'))
		}, retries: 3, want: "larger than"},
		"compressed on the way": {answer: encoded, want: ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, test.answer)
			h := newHost(t, guest.Plan{})
			f := &guest.Fetch{URL: s.URL + "/f", Path: "/ci/deps/sub/f", SHA256: sum(content), MaxSize: int64(size), Retries: test.retries}
			got := h.fetch(context.Background(), 0, f)
			if (got.err == "") != (test.want == "") || !strings.Contains(got.err, test.want) || got.outage != test.outage || got.limit != "" {
				t.Errorf("%+v, want %q, outage %v", got, test.want, test.outage)
			}
			if len(h.pauses) != test.pauses {
				t.Errorf("pauses %v, want %d", h.pauses, test.pauses)
			}
			checkFetched(t, h.path("/ci/deps/sub"), got.ok())
		})
	}
}

func expectNoRange(t *testing.T) answerFunc {
	return func(n int, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			t.Error("asked for a range that can not be checked")
		}
		whole(n, w, r)
	}
}

func encoded(_ int, w http.ResponseWriter, r *http.Request) {
	if a := r.Header.Get("Accept-Encoding"); a != "identity" {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	w.Write(content)
}

// checkFetched wants the whole file and nothing else, or nothing at all.
func checkFetched(t *testing.T, dir string, success bool) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !success {
		if len(entries) > 0 {
			t.Errorf("left behind: %v", entries)
		}
		return
	}
	b, err := os.ReadFile(filepath.Join(dir, "f"))
	if len(entries) != 1 || err != nil || sum(b) != sum(content) {
		t.Errorf("%v: %v", entries, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "f")); err == nil && info.Mode() != 0o644 {
		t.Errorf("mode %s", info.Mode())
	}
}

// A failed fetch leaves the file that was there before.
func TestFetchKeepsTheOldFile(t *testing.T) {
	s := serve(t, status(404))
	h := newHost(t, guest.Plan{})
	path := h.path("/ci/src/f")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.fetch(context.Background(), 0, &guest.Fetch{URL: s.URL, Path: "/ci/src/f"})
	if b, err := os.ReadFile(path); string(b) != "old" {
		t.Errorf("%q %v", b, err)
	}
	h.client = serve(t, whole).Client()
	s = serve(t, whole)
	if r := h.fetch(context.Background(), 0, &guest.Fetch{URL: s.URL, Path: "/ci/src/f", Mode: 0o755}); !r.ok() {
		t.Errorf("%+v", r)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o755 || info.Size() != int64(len(content)) {
		t.Errorf("%v %v", info, err)
	}
}

func TestFetchAddresses(t *testing.T) {
	for _, address := range []string{"file:///etc/passwd", "ftp://h/x", "h/x", "http://", "http://h\x7f", ":"} {
		h := newHost(t, guest.Plan{})
		if r := h.fetch(context.Background(), 0, &guest.Fetch{URL: address, Path: "/f", Retries: 3}); r.err == "" || r.outage || len(h.pauses) > 0 {
			t.Errorf("%q: %+v", address, r)
		}
	}
	h := newHost(t, guest.Plan{})
	r := h.fetch(context.Background(), 0, &guest.Fetch{URL: "http://me:secret@127.0.0.1:1/f", Path: "/f", Retries: 1})
	if !r.outage || strings.Contains(r.err+h.logged(guest.StreamSystem), "secret") {
		t.Errorf("%+v %s", r, h.logged(guest.StreamSystem))
	}
}

func TestFetchStall(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n > 1 {
			whole(n, w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:1000])
		w.(http.Flusher).Flush()
		<-release
	})
	defer close(release)
	h := newHost(t, guest.Plan{})
	d, err := h.newDownload(&guest.Fetch{URL: s.URL, Path: "/f"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.discard()
	d.stall = 50 * time.Millisecond
	if err := d.try(context.Background()); err == nil || !strings.Contains(err.Error(), "no data for 50ms") {
		t.Errorf("stalled: %v", err)
	}
	if err := d.try(context.Background()); err != nil || d.have != int64(len(content)) {
		t.Errorf("then: %v", err)
	}
}

func TestFetchStopped(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		cancel(errActionTimeout)
		<-r.Context().Done()
	})
	h := newHost(t, guest.Plan{})
	if r := h.fetch(ctx, 0, &guest.Fetch{URL: s.URL, Path: "/ci/src/f", Retries: 9}); r != (result{limit: guest.LimitAction}) {
		t.Errorf("%+v", r)
	}
	checkFetched(t, h.path("/ci/src"), false)
}

func TestFetchRetryAfter(t *testing.T) {
	now := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := map[string]time.Duration{
		"": time.Second, "7": 7 * time.Second, "0": time.Second, "99999": maxPause, "-1": time.Second, "soon": time.Second,
		now.Add(9 * time.Second).Format(http.TimeFormat): 9 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):      time.Second,
		now.Add(time.Hour).Format(http.TimeFormat):       maxPause,
	}
	for header, want := range tests {
		s := serve(t, after(func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(503)
		}, whole))
		h := newHost(t, guest.Plan{})
		h.now = func() time.Time { return now }
		r := h.fetch(context.Background(), 0, &guest.Fetch{URL: s.URL, Path: "/f", Retries: 1})
		if !r.ok() || len(h.pauses) != 1 || h.pauses[0] != want {
			t.Errorf("%q: %v, want %v: %+v", header, h.pauses, want, r)
		}
	}
}

func TestFetchHeaderStaysWithItsHost(t *testing.T) {
	var seen atomic.Value
	other := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("X-Token") + r.Header.Get("Authorization"))
		whole(n, w, r)
	})
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Token") != "t" {
			t.Error("the header did not arrive")
		}
		if n == 1 {
			http.Redirect(w, r, "/again", http.StatusFound)
			return
		}
		http.Redirect(w, r, other.URL, http.StatusFound)
	})
	h := newHost(t, guest.Plan{})
	f := &guest.Fetch{URL: s.URL, Path: "/f", Header: map[string]string{"X-Token": "t", "Authorization": "a"}}
	if r := h.fetch(context.Background(), 0, f); !r.ok() || seen.Load() != "" {
		t.Errorf("%+v: the other host saw %q", r, seen.Load())
	}
}

func TestFetchTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { whole(1, w, r) }))
	s.Config.ErrorLog = quietLog()
	s.StartTLS()
	defer s.Close()
	h := newHost(t, guest.Plan{})
	f := &guest.Fetch{URL: s.URL, Path: "/f", Retries: 3}
	if r := h.fetch(context.Background(), 0, f); !r.outage || len(h.pauses) > 0 {
		t.Errorf("an unknown authority: %+v, pauses %v", r, h.pauses)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	h.client = newClient(pool)
	if r := h.fetch(context.Background(), 0, f); !r.ok() {
		t.Errorf("%+v", r)
	}
	down := serve(t, whole)
	if err := checkRedirect(mustRequest(t, down.URL), []*http.Request{mustRequest(t, s.URL)}); err == nil {
		t.Error("a redirection from https to http is followed")
	}
}

func mustRequest(t *testing.T, address string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestContentRange(t *testing.T) {
	tests := map[string]struct {
		first, total int64
		ok           bool
	}{
		"bytes 5-9/10": {5, 10, true}, "bytes 5-9/*": {5, -1, true}, "bytes 0-0/1": {0, 1, true},
		"": {}, "bytes */10": {}, "bytes 9-5/10": {}, "bytes 5-10/10": {}, "bytes -5-9/10": {}, "items 5-9/10": {},
		"bytes 5-9": {}, "bytes 99999999999999999999-9/10": {}, "bytes 5-9/-1": {},
	}
	for s, want := range tests {
		first, total, ok := contentRange(s)
		if ok != want.ok || ok && (first != want.first || total != want.total) {
			t.Errorf("%q: %d %d %v", s, first, total, ok)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 5-9/10")
	f.Add("bytes 0-18446744073709551615/*")
	f.Fuzz(func(t *testing.T, s string) {
		if first, total, ok := contentRange(s); ok && (first < 0 || total >= 0 && first >= total) {
			t.Errorf("%q: %d of %d", s, first, total)
		}
	})
}

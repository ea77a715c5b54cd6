package agent

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

// inbox is a server that keeps what is put there and answers as told.
type inbox struct {
	*httptest.Server
	mu      sync.Mutex
	got     []string // "METHOD path=body"
	headers []http.Header
	answers []int // the next ones; then 201
}

func newInbox(t *testing.T, answers ...int) *inbox {
	in := &inbox{answers: answers}
	in.Server = httptest.NewServer(in)
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.got = append(in.got, r.Method+" "+r.URL.Path+"="+string(body))
	in.headers = append(in.headers, r.Header)
	if len(in.answers) == 0 {
		w.WriteHeader(http.StatusCreated)
		return
	}
	code := in.answers[0]
	in.answers = in.answers[1:]
	switch code {
	case 0:
		panic(http.ErrAbortHandler)
	case 302, 307, 308:
		w.Header().Set("Location", "/moved")
	}
	w.WriteHeader(code)
	fmt.Fprintf(w, "said\n\x1b %d", code)
}

// uploadHost is a worker with artifacts and a token.
func uploadHost(t *testing.T) *host {
	t.Helper()
	h := newHost(t, guest.Plan{})
	for name, text := range map[string]string{
		"/ci/artifacts/a.txt": "A", "/ci/artifacts/sub/b c%.txt": "B", "/ci/artifacts/empty": "",
		"/ci/secrets/token": "hunter22\n", "/ci/secrets/lines": "a\nb\n",
	} {
		path := h.path(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"/ci/artifacts/out": "../secrets/token", "/ci/artifacts/in": "a.txt", "/ci/artifacts/dir": "../secrets"} {
		if err := os.Symlink(to, h.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestUpload(t *testing.T) {
	all := func(u guest.Upload) guest.Upload { u.Header = map[string]string{"X-Mine": "1"}; return u }
	for name, c := range map[string]struct {
		u       guest.Upload
		answers []int
		want    result
		got     []string
		pauses  int
	}{
		"one":        {all(guest.Upload{Files: []string{"a.txt"}, URL: "/x"}), nil, result{}, []string{"PUT /x=A"}, 0},
		"below":      {all(guest.Upload{Files: []string{"*.txt", "**/*.txt", "empty"}, URL: "/x/", Method: "POST"}), nil, result{}, []string{"POST /x/a.txt=A", "POST /x/sub/b c%.txt=B", "POST /x/empty="}, 0},
		"busy":       {guest.Upload{Files: []string{"a.txt"}, URL: "/x", Retries: 3}, []int{503, 0, 429}, result{}, []string{"PUT /x=A", "PUT /x=A", "PUT /x=A", "PUT /x=A"}, 3},
		"too busy":   {guest.Upload{Files: []string{"a.txt"}, URL: "/x", Retries: 1}, []int{503, 500}, result{err: "PUT URL/x: HTTP 500 Internal Server Error", outage: true}, []string{"PUT /x=A", "PUT /x=A"}, 1},
		"refused":    {guest.Upload{Files: []string{"a.txt"}, URL: "/x", Retries: 3}, []int{403}, result{err: "PUT URL/x: HTTP 403 Forbidden: said \x1b 403"}, []string{"PUT /x=A"}, 0},
		"redirected": {guest.Upload{Files: []string{"a.txt"}, URL: "/x"}, []int{307, 308}, result{}, []string{"PUT /x=A", "PUT /moved=A", "PUT /moved=A"}, 0},
		"elsewhere":  {guest.Upload{Files: []string{"a.txt"}, URL: "/x", Retries: 3}, []int{302}, result{err: "PUT URL/x: redirected to where the file is not to be sent"}, []string{"PUT /x=A"}, 0},
		"no file":    {guest.Upload{Files: []string{"a.txt", "*.gz"}, URL: "/x/"}, nil, result{err: "no file in /ci/artifacts is called *.gz"}, nil, 0},
		"two in one": {guest.Upload{Files: []string{"**"}, URL: "/x"}, nil, result{err: "6 files for one address: end it with a slash, or name one file"}, nil, 0},
		"inside":     {guest.Upload{Files: []string{"in"}, URL: "/x"}, nil, result{}, []string{"PUT /x=A"}, 0},
		"a secret":   {guest.Upload{Files: []string{"out"}, URL: "/x"}, nil, result{err: "out: it is a link that leads out of its directory"}, nil, 0},
		"secrets":    {guest.Upload{Files: []string{"dir/token"}, URL: "/x"}, nil, result{err: "dir/token: it is a link that leads out of its directory"}, nil, 0},
		"lines":      {guest.Upload{Files: []string{"a.txt"}, URL: "/x", TokenFile: "/ci/secrets/lines"}, nil, result{err: "the token in /ci/secrets/lines is not one line of text"}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInbox(t, c.answers...)
			h := uploadHost(t)
			c.u.Dir, c.u.URL = guest.DirArtifacts, in.URL+c.u.URL
			if c.u.Method == "" {
				c.u.Method = http.MethodPut
			}
			got := h.upload(context.Background(), 0, &c.u)
			got.err = strings.ReplaceAll(got.err, in.URL, "URL")
			if got != c.want || !slices.Equal(in.got, c.got) || len(h.pauses) != c.pauses {
				t.Errorf("%+v, %q, %d pauses; want %+v, %q", got, in.got, len(h.pauses), c.want, c.got)
			}
		})
	}
}

// A request carries the checksum and the token, which goes to no other host.
func TestUploadHeader(t *testing.T) {
	other := newInbox(t)
	first := httptest.NewServer(http.RedirectHandler(strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+"/y", http.StatusTemporaryRedirect))
	t.Cleanup(first.Close)
	h := uploadHost(t)
	in := newInbox(t)
	for _, address := range []string{in.URL, first.URL} {
		u := guest.Upload{Dir: guest.DirArtifacts, Files: []string{"a.txt"}, URL: address + "/x", Method: "PUT",
			TokenFile: "/ci/secrets/token", TokenHeader: "X-Token", TokenFormat: "<%s>", Header: map[string]string{"Content-Type": "text/plain"}}
		if r := h.upload(context.Background(), 0, &u); !r.ok() {
			t.Fatal(r)
		}
	}
	sum := sha256.Sum256([]byte("A"))
	got := in.headers[0]
	if got.Get("X-Token") != "<hunter22>" || got.Get("Content-Type") != "text/plain" || got.Get("Content-Length") != "1" ||
		got.Get("Repr-Digest") != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" {
		t.Errorf("header %v", got)
	}
	if leaked := other.headers[0].Get("X-Token"); leaked != "" {
		t.Errorf("another host got the token %q", leaked)
	}
	if strings.Contains(h.out.String(), "hunter22") {
		t.Error("the token is in the log")
	}
}

// A server that takes nothing is an outage.
func TestUploadStalls(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	h := newHost(t, guest.Plan{})
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, 1<<30); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(big)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	up := &uploading{w: h.worker, file: f, size: 1 << 30, method: "PUT", address: server.URL, stall: 200 * time.Millisecond}
	err = up.try(context.Background())
	if r, ok := err.(*retryable); !ok || r.err != errStalled {
		t.Errorf("%v", err)
	}
}

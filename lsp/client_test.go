package lsp

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
)

// client is the other side of a server.
type client struct {
	t       testing.TB
	dir     string
	w       io.WriteCloser
	answers chan message
	notes   chan message
	ended   chan error
	id      int
}

// waiting is how long a client waits for anything.
const waiting = 20 * time.Second

func options() Options {
	return Options{Version: "test", Actions: actions.Schemas(), Check: func(dir string, files map[string][]byte) config.Diagnostics {
		_, diags := config.Load(dir, config.Options{Actions: actions.Schemas(), Files: files, UnsetVars: true})
		return diags
	}}
}

// connect starts a server in a directory with files, and a client that has not
// said anything yet.
func connect(t testing.TB, opts Options, files map[string]string) *client {
	c := &client{t: t, dir: t.TempDir(), answers: make(chan message, 100), notes: make(chan message, 1000), ended: make(chan error, 1)}
	for name, src := range files {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(src), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fromClient, w := io.Pipe()
	r, toClient := io.Pipe()
	c.w = w
	go func() {
		c.ended <- Serve(context.Background(), fromClient, toClient, opts)
		toClient.Close()
		fromClient.Close()
	}()
	go c.listen(r)
	t.Cleanup(func() { w.Close() })
	return c
}

// listen sorts what the server sends.
func (c *client) listen(r io.Reader) {
	buf := bufio.NewReaderSize(r, maxHeader)
	for {
		data, err := readFrame(buf)
		if err != nil {
			close(c.answers)
			return
		}
		var m message
		if err := json.Unmarshal(data, &m); err != nil {
			panic(err)
		}
		if m.Method == "" {
			c.answers <- m
		} else {
			c.notes <- m
		}
	}
}

func start(t testing.TB, opts Options, files map[string]string) *client {
	c := connect(t, opts, files)
	c.ask("initialize", `{"capabilities":{"textDocument":{"completion":{"completionItem":{"snippetSupport":true}},"documentSymbol":{"hierarchicalDocumentSymbolSupport":true}}}}`)
	c.tell("initialized", "{}")
	return c
}

func (c *client) raw(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.w, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) frame(content string) {
	c.t.Helper()
	c.raw(fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(content), content))
}

func (c *client) tell(method, params string) {
	c.t.Helper()
	c.frame(fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s}`, method, params))
}

// request sends a request and returns the answer.
func (c *client) request(method, params string) message {
	c.t.Helper()
	c.id++
	c.frame(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, c.id, method, params))
	return c.answer()
}

func (c *client) answer() message {
	c.t.Helper()
	select {
	case m, ok := <-c.answers:
		if !ok {
			c.t.Fatal("the server ended")
		}
		return m
	case <-time.After(waiting):
		c.t.Fatal("no answer")
	}
	return message{}
}

// ask is request for one that must succeed.
func (c *client) ask(method, params string) json.RawMessage {
	c.t.Helper()
	m := c.request(method, params)
	if m.Error != nil {
		c.t.Fatalf("%s: %v", method, m.Error)
	}
	return m.Result
}

func toJSON(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}

func (c *client) uri(name string) string { return uriOf(filepath.Join(c.dir, name)) }

func (c *client) open(name, src string) {
	c.t.Helper()
	c.tell("textDocument/didOpen", toJSON(map[string]any{"textDocument": textDocument{c.uri(name), 1, src}}))
}

func (c *client) change(name string, version int, src string) {
	c.t.Helper()
	c.tell("textDocument/didChange", fmt.Sprintf(`{"textDocument":{"uri":%q,"version":%d},"contentChanges":[{"text":%s}]}`, c.uri(name), version, toJSON(src)))
}

// published waits for what is wrong with a version of a file; -1 for a file that
// is not open.
func (c *client) published(name string, version int) []diagnostic {
	c.t.Helper()
	for deadline := time.After(waiting); ; {
		select {
		case m := <-c.notes:
			var p publishParams
			if m.Method != "textDocument/publishDiagnostics" || json.Unmarshal(m.Params, &p) != nil || p.URI != c.uri(name) {
				continue
			}
			if p.Version == nil && version < 0 || p.Version != nil && *p.Version == version {
				return p.Diagnostics
			}
		case <-deadline:
			c.t.Fatalf("%s: nothing was published for version %d", name, version)
		}
	}
}

// at is a request about the place of "|" in an open file, which has the text
// without it.
func (c *client) at(method, name, src string) json.RawMessage {
	c.t.Helper()
	offset := strings.Index(src, "|")
	pos := newText(strings.Replace(src, "|", "", 1)).position(offset)
	return c.ask(method, fmt.Sprintf(`{"textDocument":{"uri":%q},"position":%s}`, c.uri(name), toJSON(pos)))
}

// end shuts the server down and returns its error.
func (c *client) end() error {
	c.ask("shutdown", "null")
	c.tell("exit", "null")
	return c.wait()
}

func (c *client) wait() error {
	c.t.Helper()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(waiting):
		c.t.Fatal("the server does not end")
	}
	return nil
}

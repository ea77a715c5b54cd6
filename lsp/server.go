package lsp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ambient-ci/ambient/config"
)

// Options are what a server needs.
type Options struct {
	Version string // of the program
	Actions map[string]*config.ActionSchema
	// Check returns all that is wrong with the configuration of a directory, in
	// which files stand in for those on disk. The names of files in ranges are
	// below the directory as it was given. It is called from one goroutine at a
	// time.
	Check func(dir string, files map[string][]byte) config.Diagnostics
}

// ErrExit says that the client told the server to exit without shutting it down
// before, upon which a program should fail.
var ErrExit = errors.New("the client ended the server without shutting it down")

// maxOpen bounds the open files. More are not looked at.
const maxOpen = 1000

// Serve answers a client until it says exit, or its stream ends, or the context
// does while a message is awaited from a stream that is closed then. An error is
// that of a stream, or ErrExit.
func Serve(ctx context.Context, in io.Reader, out io.Writer, opts Options) error {
	s := &server{opts: opts, out: &writer{w: out}, docs: map[string]*document{}}
	s.checker = newChecker(s)
	defer s.checker.stop()
	r := bufio.NewReaderSize(in, maxHeader)
	for ctx.Err() == nil && !s.exited {
		data, err := readFrame(r)
		if errors.Is(err, io.EOF) {
			return nil // the client is gone
		}
		if err != nil {
			return err
		}
		s.receive(data)
		if err := s.out.failed(); err != nil {
			return err
		}
	}
	if s.exited && !s.closing {
		return ErrExit
	}
	return ctx.Err()
}

// server is the state of one connection.
type server struct {
	opts    Options
	out     *writer
	checker *checker

	ready, closing, exited bool
	snippets, tree         bool // what the client can do

	mu   sync.Mutex // guards docs, which the checker reads
	docs map[string]*document
}

// document is an open file.
type document struct {
	uri     string
	path    string // empty: not a file
	version int
	crlf    bool // its lines end with "\r\n", which text has as "\n"
	text    *text
}

// ours reports whether ambient reads the file.
func (d *document) ours() bool {
	return d.path == "" || config.IsFileName(filepath.Base(d.path))
}

// handler answers a request or takes a notification.
type handler func(s *server, params json.RawMessage) (any, error)

// handlers are the methods that the server knows.
var handlers = map[string]handler{
	"initialize":                      (*server).initialize,
	"initialized":                     ignore,
	"shutdown":                        (*server).shutdown,
	"exit":                            (*server).exit,
	"textDocument/didOpen":            (*server).didOpen,
	"textDocument/didChange":          (*server).didChange,
	"textDocument/didSave":            (*server).didSave,
	"textDocument/didClose":           (*server).didClose,
	"workspace/didChangeWatchedFiles": (*server).didSave,
	"textDocument/completion":         at((*server).complete),
	"textDocument/hover":              at((*server).hover),
	"textDocument/definition":         at((*server).define),
	"textDocument/formatting":         at((*server).format),
	"textDocument/documentSymbol":     at((*server).symbols),
}

func ignore(*server, json.RawMessage) (any, error) { return nil, nil }

// receive handles one message.
func (s *server) receive(data []byte) {
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		null := json.RawMessage("null")
		s.out.send(message{ID: &null, Error: &rpcError{codeParse, "The message is not JSON-RPC."}})
		return
	}
	if m.Method == "" {
		return // the answer to a request, of which this server has none
	}
	result, err := s.call(m)
	if m.ID == nil {
		return
	}
	answer := message{ID: m.ID}
	if err == nil {
		answer.Result, err = json.Marshal(result)
	}
	if err != nil {
		var failure *rpcError
		if !errors.As(err, &failure) {
			failure = &rpcError{codeInternal, err.Error()}
		}
		answer.Result, answer.Error = nil, failure
	}
	s.out.send(answer)
}

// call runs a handler, which must not be able to end the server.
func (s *server) call(m message) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, &rpcError{codeInternal, fmt.Sprintf("%s failed, which is a mistake in ambient: %v", m.Method, r)}
			s.out.notify("window/logMessage", map[string]any{"type": 1, "message": err.Error()})
		}
	}()
	h := handlers[m.Method]
	switch {
	case m.Method == "exit":
	case s.closing:
		return nil, &rpcError{codeRequest, "The server is shut down."}
	case !s.ready && m.Method != "initialize":
		return nil, &rpcError{codeUninitialized, "The server is not initialized."}
	case h == nil:
		return nil, &rpcError{codeMethod, "This server has no method " + m.Method + "."}
	}
	return h(s, m.Params)
}

func unmarshal(params json.RawMessage, into any) error {
	if err := json.Unmarshal(params, into); err != nil {
		return &rpcError{codeParams, "The parameters do not fit: " + err.Error()}
	}
	return nil
}

func (s *server) initialize(params json.RawMessage) (any, error) {
	var p initializeParams
	if err := unmarshal(params, &p); err != nil {
		return nil, err
	}
	s.ready = true
	s.snippets = p.Capabilities.TextDocument.Completion.Item.Snippets
	s.tree = p.Capabilities.TextDocument.Symbol.Tree
	return initializeResult{
		Capabilities: map[string]any{
			"positionEncoding":           "utf-16",
			"textDocumentSync":           map[string]any{"openClose": true, "change": 1, "save": map[string]any{}},
			"completionProvider":         map[string]any{"triggerCharacters": []string{".", "\""}},
			"hoverProvider":              true,
			"definitionProvider":         true,
			"documentFormattingProvider": true,
			"documentSymbolProvider":     true,
		},
		Server: map[string]string{"name": "ambient", "version": s.opts.Version},
	}, nil
}

func (s *server) shutdown(json.RawMessage) (any, error) {
	s.closing = true
	return nil, nil
}

func (s *server) exit(json.RawMessage) (any, error) {
	s.exited = true
	return nil, nil
}

func (s *server) didOpen(params json.RawMessage) (any, error) {
	var p documentParams
	if err := unmarshal(params, &p); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.docs[p.Document.URI] == nil && len(s.docs) >= maxOpen {
		return nil, nil
	}
	d := &document{uri: p.Document.URI, path: pathOf(p.Document.URI)}
	d.set(p.Document.Text, p.Document.Version)
	s.docs[d.uri] = d
	s.checker.want(d)
	return nil, nil
}

// set replaces the text. The text is not changed any more once it is set, so
// that others can go on reading it.
func (d *document) set(src string, version int) {
	d.crlf = strings.Contains(src, "\r\n")
	d.text, d.version = newText(strings.ReplaceAll(src, "\r\n", "\n")), version
}

func (s *server) didChange(params json.RawMessage) (any, error) {
	var p changeParams
	if err := unmarshal(params, &p); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.docs[p.Document.URI]
	if old == nil {
		return nil, nil
	}
	d := *old
	for _, c := range p.Changes {
		src := c.Text
		if c.Range != nil {
			start, end := d.text.offset(c.Range.Start), d.text.offset(c.Range.End)
			src = d.text.src[:start] + c.Text + d.text.src[max(start, end):]
		}
		d.set(src, p.Document.Version)
		d.crlf = d.crlf || c.Range != nil && old.crlf
	}
	s.docs[d.uri] = &d
	s.checker.want(&d)
	return nil, nil
}

// didSave checks everything that is open: a file on disk has changed.
func (s *server) didSave(json.RawMessage) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.docs {
		s.checker.want(d)
	}
	return nil, nil
}

func (s *server) didClose(params json.RawMessage) (any, error) {
	var p documentParams
	if err := unmarshal(params, &p); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.docs[p.Document.URI]; d != nil {
		delete(s.docs, d.uri)
		s.checker.want(d)
	}
	return nil, nil
}

// at makes a handler of a function on an open file that ambient reads. For any
// other the answer is null.
func at(f func(s *server, d *document, offset int) any) handler {
	return func(s *server, params json.RawMessage) (any, error) {
		var p documentParams
		if err := unmarshal(params, &p); err != nil {
			return nil, err
		}
		s.mu.Lock()
		d := s.docs[p.Document.URI]
		s.mu.Unlock()
		if d == nil || !d.ours() {
			return nil, nil
		}
		return f(s, d, d.text.offset(p.Position)), nil
	}
}

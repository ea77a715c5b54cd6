package lsp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// Bounds of a message.
const (
	maxHeader  = 4 << 10  // bytes of all header fields
	maxMessage = 16 << 20 // bytes of content: a file of 1 MiB, escaped
)

// readFrame reads one message: header fields, an empty line, and as many bytes
// as Content-Length says.
func readFrame(r *bufio.Reader) ([]byte, error) {
	length, used := -1, 0
	for {
		line, err := r.ReadSlice('\n')
		used += len(line)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) || used > maxHeader:
			return nil, errors.New("the header of a message is too long")
		case err != nil && used > 0 && errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" && length < 0 {
			return nil, errors.New("a message has no Content-Length")
		}
		if text == "" {
			break
		}
		if name, value, _ := strings.Cut(text, ":"); strings.EqualFold(name, "Content-Length") {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
			if err != nil || n > maxMessage {
				return nil, fmt.Errorf("a message has no length, or one of more than %d bytes", maxMessage)
			}
			length = int(n)
		}
	}
	var content bytes.Buffer // grows with what comes, not with what was announced
	if n, err := io.CopyN(&content, r, int64(length)); n < int64(length) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return content.Bytes(), nil
}

// message is any message of JSON-RPC 2.0. The ID of a request is kept as it
// came.
type message struct {
	Version string           `json:"jsonrpc"`
	ID      *json.RawMessage `json:"id,omitempty"`
	Method  string           `json:"method,omitempty"`
	Params  json.RawMessage  `json:"params,omitempty"`
	Result  json.RawMessage  `json:"result,omitempty"`
	Error   *rpcError        `json:"error,omitempty"`
}

// rpcError is the failure of a request.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return e.Message }

// Codes of JSON-RPC and of the protocol.
const (
	codeParse         = -32700
	codeRequest       = -32600
	codeMethod        = -32601
	codeParams        = -32602
	codeInternal      = -32603
	codeUninitialized = -32002
)

// writer writes messages, each as a whole. It is safe for concurrent use. The
// first error stays.
type writer struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

func (w *writer) send(m message) {
	m.Version = "2.0"
	data, err := json.Marshal(m)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && err == nil {
		_, err = fmt.Fprintf(w.w, "Content-Length: %d\r\n\r\n%s", len(data), data)
	}
	if w.err == nil {
		w.err = err
	}
}

// notify sends a notification.
func (w *writer) notify(method string, params any) {
	data, err := json.Marshal(params)
	if err == nil {
		w.send(message{Method: method, Params: data})
	}
}

func (w *writer) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

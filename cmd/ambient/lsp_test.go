package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// editor is a command for scripts. It starts `ambient lsp`, opens a file as an
// editor does, with "|" taken out of it and the second argument as its name,
// prints what is wrong with it and what can be completed at the "|", and ends
// the server.
func editor(args []string) int {
	src, err := os.ReadFile(args[0])
	if err != nil {
		return fail(err)
	}
	path, err := filepath.Abs(args[1])
	if err != nil {
		return fail(err)
	}
	cmd := exec.Command("ambient", "lsp")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return fail(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	if err := editorSession(in, bufio.NewReader(out), string(src), "file://"+path); err != nil {
		return fail(err)
	}
	if err := cmd.Wait(); err != nil {
		return fail(err)
	}
	return 0
}

func editorSession(w io.Writer, r *bufio.Reader, src, uri string) error {
	before, after, _ := strings.Cut(src, "|")
	line := strings.Count(before, "\n")
	column := len(before) - strings.LastIndex(before, "\n") - 1
	text, err := json.Marshal(before + after)
	if err != nil {
		return err
	}
	for _, content := range []string{
		`"id":1,"method":"initialize","params":{"capabilities":{}}`,
		`"method":"initialized","params":{}`,
		fmt.Sprintf(`"method":"textDocument/didOpen","params":{"textDocument":{"uri":%q,"version":1,"languageId":"hcl","text":%s}}`, uri, text),
	} {
		if err := sendFrame(w, content); err != nil {
			return err
		}
	}
	if err := printUntil(r, "textDocument/publishDiagnostics", "1"); err != nil {
		return err
	}
	for id, content := range []string{
		fmt.Sprintf(`"method":"textDocument/completion","params":{"textDocument":{"uri":%q},"position":{"line":%d,"character":%d}}`, uri, line, column),
		`"method":"shutdown"`,
	} {
		if err := sendFrame(w, fmt.Sprintf(`"id":%d,%s`, id+2, content)); err != nil {
			return err
		}
		if err := printUntil(r, "", strconv.Itoa(id+2)); err != nil {
			return err
		}
	}
	return sendFrame(w, `"method":"exit"`)
}

func sendFrame(w io.Writer, content string) error {
	content = `{"jsonrpc":"2.0",` + content + "}"
	_, err := fmt.Fprintf(w, "Content-Length: %d\r\n\r\n%s", len(content), content)
	return err
}

// printUntil prints the diagnostics and completions of messages, up to one of a
// method or, without a method, to an answer.
func printUntil(r *bufio.Reader, method, id string) error {
	for {
		var length int
		if _, err := fmt.Fscanf(r, "Content-Length: %d\r\n\r\n", &length); err != nil {
			return fmt.Errorf("the server's header: %w", err)
		}
		var m struct {
			ID     json.RawMessage
			Method string
			Params struct {
				Diagnostics []struct {
					Range   struct{ Start struct{ Line, Character int } }
					Message string
				}
			}
			Result json.RawMessage
			Error  json.RawMessage
		}
		content := make([]byte, length)
		if _, err := io.ReadFull(r, content); err != nil {
			return err
		}
		if err := json.Unmarshal(content, &m); err != nil {
			return err
		}
		if m.Error != nil {
			return fmt.Errorf("the server: %s", m.Error)
		}
		for _, d := range m.Params.Diagnostics {
			fmt.Printf("%d:%d %s\n", d.Range.Start.Line+1, d.Range.Start.Character+1, strings.ReplaceAll(d.Message, "\n", " "))
		}
		var list struct{ Items []struct{ Label string } }
		_ = json.Unmarshal(m.Result, &list) // other results have no items
		for _, item := range list.Items {
			fmt.Println("complete", item.Label)
		}
		if method != "" && m.Method == method || method == "" && string(m.ID) == id {
			return nil
		}
	}
}

package lsp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
)

const project = `project "p" {
  image = image.debian
  plan "build" {
    action "shell" { script = "make" }
  }
}
`

const shared = `image "debian" {
  debian {}
}
variable "channel" {
  description = "where to publish"
}
variable "token" {
  sensitive = true
}
locals {
  tools = ["make", "gcc"]
}
`

func TestDiagnosticsWhileTyping(t *testing.T) {
	c := start(t, options(), map[string]string{"ambient.hcl": "broken {", "image.ambient.hcl": shared})
	c.open("ambient.hcl", project)
	if got := c.published("ambient.hcl", 1); len(got) != 0 {
		t.Errorf("the text in the editor is right, and this was published: %v", got)
	}
	c.change("ambient.hcl", 2, "# 😀😀\n"+strings.Replace(project, "image.debian", `/*😀*/ image.debain`, 1))
	got := c.published("ambient.hcl", 2)
	want := textRange{position{2, 23}, position{2, 29}} // 😀 has two units
	if len(got) != 1 || got[0].Range != want || got[0].Severity != severityError || !strings.Contains(got[0].Message, `Did you mean "debian"?`) {
		t.Errorf("got %+v, want one at %v", got, want)
	}
	// While a line is being typed, the rest is still checked.
	c.change("ambient.hcl", 3, strings.Replace(project, "  plan", "  ima\n  source = var.nope\n  plan", 1))
	got = c.published("ambient.hcl", 3)
	if len(got) != 2 || got[0].Range.Start.Line != 2 || got[1].Range.Start.Line != 3 {
		t.Errorf("with a line that is not complete: %+v", got)
	}
	// A file that is not open is told of as well, and once more when it is right.
	c.change("ambient.hcl", 4, project+"variable \"channel\" {}\n")
	if got := c.published("image.ambient.hcl", -1); len(got) != 1 || !strings.HasPrefix(got[0].Message, "Duplicate") {
		t.Errorf("in the other file: %+v", got)
	}
	c.change("ambient.hcl", 5, project)
	if got := c.published("image.ambient.hcl", -1); len(got) != 0 {
		t.Errorf("in the other file: %+v", got)
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
}

func TestFilesOpenAndClose(t *testing.T) {
	c := start(t, options(), nil)
	c.open("ambient.hcl", project)
	if got := c.published("ambient.hcl", 1); len(got) != 1 {
		t.Errorf("without the image: %+v", got)
	}
	c.open("new.ambient.hcl", shared)
	if got := c.published("ambient.hcl", 1); len(got) != 0 {
		t.Errorf("with the image in a file that is not saved: %+v", got)
	}
	c.tell("textDocument/didClose", fmt.Sprintf(`{"textDocument":{"uri":%q}}`, c.uri("new.ambient.hcl")))
	if got := c.published("ambient.hcl", 1); len(got) != 1 {
		t.Errorf("after closing it: %+v", got)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "new.ambient.hcl"), []byte(shared), 0o644); err != nil {
		t.Fatal(err)
	}
	c.tell("workspace/didChangeWatchedFiles", `{"changes":[]}`)
	if got := c.published("ambient.hcl", 1); len(got) != 0 {
		t.Errorf("with the image on disk: %+v", got)
	}
	c.tell("textDocument/didClose", fmt.Sprintf(`{"textDocument":{"uri":%q}}`, c.uri("ambient.hcl")))
	c.open("other.hcl", "nonsense")
	if got := c.at("textDocument/hover", "other.hcl", "non|sense"); string(got) != "null" {
		t.Errorf("of a file that is not ambient's: %s", got)
	}
}

// labels returns what can be completed at "|" of a text.
func (c *client) labels(version int, src string) []string {
	c.t.Helper()
	c.change("ambient.hcl", version, strings.Replace(src, "|", "", 1))
	var list completionList
	if err := json.Unmarshal(c.at("textDocument/completion", "ambient.hcl", src), &list); err != nil {
		c.t.Fatal(err)
	}
	var labels []string
	for _, item := range list.Items {
		labels = append(labels, item.Label)
	}
	return labels
}

func TestCompletion(t *testing.T) {
	c := start(t, options(), map[string]string{"image.ambient.hcl": shared})
	c.open("ambient.hcl", "")
	for i, test := range []struct {
		src    string
		has    string // these, parted by spaces
		hasNot string
	}{
		{"|", "project variable image limits locals ambient", "plan true"},
		{"project \"p\" {\n  |\n}", "source image pre plan post limits", "project"},
		{"project \"p\" {\n  im|\n  plan \"x\" {}\n", "image", ""},
		{"project \"p\" {\n  image = image.debian\n  |\n}", "source env", "image"},
		{"project \"p\" {\n  plan \"x\" {\n    |\n  }\n}", "action after for_each", "network script"},
		{"project \"p\" {\n  pre \"x\" {\n    |\n  }\n}", "action network", ""},
		{"project \"p\" {\n  plan \"x\" {\n    action \"|\" {}\n  }\n}", "shell go_test custom", "http_get deb_get"},
		{"project \"p\" {\n  pre \"x\" {\n    action \"|\n  }\n}", "shell http_get", "go_test"},
		{"project \"p\" {\n  plan \"x\" {\n    action \"shell\" {\n      |\n    }\n  }\n}", "script dir env timeout", "url"},
		{"project \"p\" {\n  pre \"x\" {\n    action \"http_get\" {\n      file {\n        |\n", "url path sha256", "retries file"},
		{"project \"p\" {\n  image = |\n}", "image.debian image var local true upper", "param each"},
		{"project \"p\" {\n  image = image.|\n}", "debian", "var"},
		{"project \"p\" {\n  source = var.ch|\n}", "channel token", "debian"},
		{"project \"p\" {\n  source = \"${local.|}\"\n}", "tools", "channel"},
		{"project \"p\" {\n  source = \"local.|\"\n}", "", "tools channel"},
		{"project \"p\" {\n  plan \"a\" {}\n  plan \"b\" {\n    after = [|]\n  }\n}", "plan.a plan.b plan project", ""},
		{"project \"p\" {\n  plan \"a\" {}\n  plan \"b\" {\n    after = [plan.|]\n  }\n}", "a b", "plan"},
		{"project \"p\" {\n  plan \"a\" {}\n  plan \"b\" {\n    env = { X = plan.a.| }\n  }\n}", "artifacts", "a"},
		{"project \"p\" {\n  plan \"b\" {\n    after = [project.|]\n  }\n}\nproject \"q\" {\n  plan \"z\" {}\n}", "p q", ""},
		{"project \"p\" {\n  plan \"b\" {\n    after = [project.q.|]\n  }\n}\nproject \"q\" {\n  plan \"z\" {}\n}", "pre plan post", ""},
		{"project \"p\" {\n  plan \"b\" {\n    after = [project.q.plan.|]\n  }\n}\nproject \"q\" {\n  plan \"z\" {}\n}", "z", "b"},
		{"project \"p\" {\n  plan \"b\" {\n    env = { A = each.| }\n", "key value", ""},
		{"variable \"x\" {\n  type = |\n}", "string number list", "var"},
		{"|\nproject \"p\" {}", "trust", ""},
		{"secret \"|\" \"x\" {}", "ssh token", "project"},
		{"secret \"ssh\" \"|\" {}", "", "ssh token"},
		{"secret \"ssh\" \"d\" {\n  |\n}", "private_key hosts sign", "inject variable value"},
		{"secret \"token\" \"d\" {\n  |\n}", "command inject variable", "private_key value"},
		{"secret \"token\" \"d\" {\n  inject {\n    |\n  }\n}", "host header format", ""},
		{"secret \"token\" \"d\" {}\nproject \"p\" {\n  post \"x\" {\n    secrets = [|]\n  }\n}", "secret.token.d secret", ""},
		{"secret \"token\" \"d\" {}\nproject \"p\" {\n  post \"x\" {\n    env = { A = secret.token.d.| }\n  }\n}", "path", "d"},
		{"secret \"token\" \"d\" {}\nproject \"p\" {\n  post \"x\" {\n    secrets = [secret.token.|]\n  }\n}", "d", "path ssh"},
		{"project \"p\" {\n  plan \"x\" {\n    |\n  }\n}", "action", "secrets trust network"},
		{"# |", "", "project"},
		{"project \"|\" {}", "", "shell"},
	} {
		labels := c.labels(i+2, test.src)
		for _, want := range strings.Fields(test.has) {
			if !slices.Contains(labels, want) {
				t.Errorf("%q: no %s among %v", test.src, want, labels)
			}
		}
		for _, not := range strings.Fields(test.hasNot) {
			if slices.Contains(labels, not) {
				t.Errorf("%q: %s is among %v", test.src, not, labels)
			}
		}
	}
}

func TestCompletionWrites(t *testing.T) {
	for _, test := range []struct{ src, label, want string }{
		{"sec|", "secret \"ssh\"", "secret \"ssh\" \"${1:name}\" {\n\t$0\n}"},
		{"sec| \"ssh\" \"x\" {}", "secret \"ssh\"", "secret"},
		{"pro|", "project", "project \"${1:name}\" {\n\t$0\n}"},
		{"project \"p\" {\n  sou|rce = 1\n}", "source", "source"},
		{"project \"p\" {\n  pl| \"x\" {}\n}", "plan", "plan"},
		{"project \"p\" {\n  image = im|\n}", "image.debian", "image.debian"},
		{"project \"p\" {\n  source = up|\n}", "upper", "upper($0)"},
	} {
		c := start(t, options(), map[string]string{"image.ambient.hcl": shared})
		c.open("ambient.hcl", strings.Replace(test.src, "|", "", 1))
		var list completionList
		if err := json.Unmarshal(c.at("textDocument/completion", "ambient.hcl", test.src), &list); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list.Items, func(item completionItem) bool { return item.Label == test.label })
		if i < 0 || list.Items[i].TextEdit.Text != test.want {
			t.Errorf("%q: %+v", test.src, list.Items)
		}
	}
}

func TestHoverDefinitionSymbols(t *testing.T) {
	const src = `project "p" {
  image = image.debian
  plan "build" {
    action "shell" { script = "make ${upper(var.channel)} ${join(" ", local.tools)} ${var.token}" }
  }
  plan "test" {
    after = [plan.build, project.q.plan.other]
    action "shell" { script = "x" }
  }
}
project "q" {
  plan "other" {
    action "shell" { script = "x" }
  }
}
secret "token" "api" { env = "API${secret.token.api}" }
`
	c := start(t, options(), map[string]string{"image.ambient.hcl": shared})
	c.open("ambient.hcl", src)
	for _, test := range []struct{ at, want string }{
		{"pro|ject \"p\"", "A source tree and the stages"},
		{"im|age =", "image, default"},
		{"image.deb|ian", "debian {}"},
		{"action \"sh|ell\" { script = \"make", "Runs a shell script"},
		{"act|ion \"shell\" { script = \"make", "One thing to do"},
		{"{ scr|ipt = \"make", "required"},
		{"upp|er(", "a function"},
		{"var.chan|nel", "where to publish"},
		{"local.too|ls", `["make", "gcc"]`},
		{"var.tok|en", "sensitive"},
		{"sec|ret \"token\"", "A text such as a password"},
		{"secret.token.a|pi", `secret \"token\" \"api\"`},
		{"plan.bui|ld", `plan \"build\"`},
		{"= [pl|an", "null"},
	} {
		marked := strings.Replace(src, strings.Replace(test.at, "|", "", 1), test.at, 1)
		if got := string(c.at("textDocument/hover", "ambient.hcl", marked)); !strings.Contains(strings.ReplaceAll(got, "`", ""), test.want) && !strings.Contains(got, strings.ReplaceAll(test.want, `"`, `\"`)) {
			t.Errorf("%s: %s", test.at, got)
		}
	}
	for _, test := range []struct {
		at, file string
		line     int
	}{
		{"image.deb|ian", "image.ambient.hcl", 0},
		{"var.chan|nel", "image.ambient.hcl", 3},
		{"local.too|ls", "image.ambient.hcl", 10},
		{"plan.bui|ld,", "ambient.hcl", 2},
		{"project.|q", "ambient.hcl", 10},
		{"plan.oth|er", "ambient.hcl", 11},
		{"upp|er(", "", 0},
		{"act|ion", "", 0},
	} {
		marked := strings.Replace(src, strings.Replace(test.at, "|", "", 1), test.at, 1)
		var got *location
		if err := json.Unmarshal(c.at("textDocument/definition", "ambient.hcl", marked), &got); err != nil {
			t.Fatal(err)
		}
		if test.file == "" && got != nil || test.file != "" && (got == nil || got.URI != c.uri(test.file) || got.Range.Start.Line != test.line) {
			t.Errorf("%s: %+v", test.at, got)
		}
	}
	var tree []documentSymbol
	if err := json.Unmarshal(c.at("textDocument/documentSymbol", "ambient.hcl", "|"), &tree); err != nil {
		t.Fatal(err)
	}
	if len(tree) != 3 || tree[0].Name != "project p" || len(tree[0].Children) != 2 || tree[0].Children[1].Children[0].Name != "action shell" {
		t.Errorf("symbols %+v", tree)
	}
}

func TestActionsOfTheUser(t *testing.T) {
	const src = "action \"mine\" {\n  description = \"makes it\"\n  param \"dir\" {}\n  action \"shell\" { script = \"cd ${param.dir}\" }\n}\n" +
		"project \"p\" {\n  plan \"x\" {\n    action \"mine\" {\n      dir = 1\n    }\n  }\n}\n"
	c := start(t, options(), nil)
	c.open("ambient.hcl", src)
	use := func(cursor string) string {
		i := strings.LastIndex(src, strings.Replace(cursor, "|", "", 1))
		return src[:i] + strings.Replace(src[i:], strings.Replace(cursor, "|", "", 1), cursor, 1)
	}
	if got := string(c.at("textDocument/definition", "ambient.hcl", use("\"mi|ne\""))); !strings.Contains(got, `"start":{"line":0,"character":8}`) {
		t.Errorf("definition %s", got)
	}
	if got := string(c.at("textDocument/hover", "ambient.hcl", use("\"mi|ne\""))); !strings.Contains(got, "makes it") || !strings.Contains(got, "dir") {
		t.Errorf("hover %s", got)
	}
	if got := string(c.at("textDocument/definition", "ambient.hcl", use("param.d|ir"))); !strings.Contains(got, `"line":2`) {
		t.Errorf("definition of the parameter %s", got)
	}
	if got := string(c.at("textDocument/completion", "ambient.hcl", use("param.|dir"))); !strings.Contains(got, `"dir"`) {
		t.Errorf("completion of the parameter %s", got)
	}
}

func TestFormatting(t *testing.T) {
	c := start(t, options(), nil)
	for _, test := range []struct{ src, want string }{
		{"locals{\na=1\n}\n", "locals {\n  a = 1\n}\n"},
		{"locals{\r\na=1\r\n}\r\n", "locals {\r\n  a = 1\r\n}\r\n"},
		{"locals {\n  a = 1\n}\n", ""},
		{"locals {\na=\n", ""},
	} {
		c.open("ambient.hcl", test.src)
		var edits []textEdit
		if err := json.Unmarshal(c.at("textDocument/formatting", "ambient.hcl", "|"), &edits); err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(edits) == 1 {
			got = edits[0].Text
		}
		if got != test.want || got != "" && edits[0].Range.End != (position{3, 0}) {
			t.Errorf("%q: %+v", test.src, edits)
		}
	}
}

func TestPartsOfATextChange(t *testing.T) {
	c := start(t, options(), nil)
	c.open("ambient.hcl", "# é😀x\r\n"+project)
	change := func(version int, edit string) {
		c.tell("textDocument/didChange", fmt.Sprintf(`{"textDocument":{"uri":%q,"version":%d},"contentChanges":[%s]}`, c.uri("ambient.hcl"), version, edit))
	}
	change(2, `{"range":{"start":{"line":0,"character":5},"end":{"line":0,"character":6}},"text":"\nlocals{\na=1\n}"},{"range":{"start":{"line":5,"character":0},"end":{"line":6,"character":0}},"text":""}`)
	var edits []textEdit
	if err := json.Unmarshal(c.at("textDocument/formatting", "ambient.hcl", "|"), &edits); err != nil {
		t.Fatal(err)
	}
	want := "# é😀\r\nlocals {\r\n  a = 1\r\n}\r\nproject"
	if len(edits) != 1 || !strings.HasPrefix(edits[0].Text, want) || strings.Contains(edits[0].Text, "image") {
		t.Errorf("%+v; want %q", edits, want)
	}
}

func TestFailuresEndNothing(t *testing.T) {
	opts := options()
	check := opts.Check
	opts.Check = func(dir string, files map[string][]byte) config.Diagnostics {
		if strings.Contains(string(files["ambient.hcl"]), "panic") {
			panic("of a test")
		}
		return check(dir, files)
	}
	handlers["test/panic"] = func(*server, json.RawMessage) (any, error) { panic("of a test") }
	defer delete(handlers, "test/panic")
	c := start(t, opts, nil)
	c.open("ambient.hcl", "# panic")
	for _, test := range []struct {
		method, params string
		code           int
	}{
		{"test/panic", "{}", codeInternal},
		{"textDocument/hover", "[]", codeParams},
		{"textDocument/hover", `{"position":{"line":"x"}}`, codeParams},
		{"textDocument/rename", "{}", codeMethod},
	} {
		if m := c.request(test.method, test.params); m.Error == nil || m.Error.Code != test.code {
			t.Errorf("%s %s: %+v", test.method, test.params, m)
		}
	}
	for _, broken := range []string{"{", "[]", "null x", `"text"`} {
		c.frame(broken)
		if m := c.answer(); m.Error == nil || m.Error.Code != codeParse {
			t.Errorf("%s: %+v", broken, m)
		}
	}
	c.frame(`{"jsonrpc":"2.0","id":"x","result":null}`) // an answer to nothing
	c.tell("$/cancelRequest", `{"id":1}`)
	if got := c.at("textDocument/hover", "missing.hcl", "|"); string(got) != "null" {
		t.Errorf("of a file that is not open: %s", got)
	}
	c.change("ambient.hcl", 2, "x")
	if got := c.published("ambient.hcl", 2); len(got) == 0 {
		t.Error("after the failure nothing is found any more")
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
}

func TestLifeOfAServer(t *testing.T) {
	c := connect(t, options(), nil)
	if m := c.request("textDocument/hover", "{}"); m.Error == nil || m.Error.Code != codeUninitialized {
		t.Errorf("before initialize: %+v", m)
	}
	c.ask("initialize", "{}")
	c.ask("shutdown", "null")
	if m := c.request("textDocument/hover", "{}"); m.Error == nil || m.Error.Code != codeRequest {
		t.Errorf("after shutdown: %+v", m)
	}
	c.tell("exit", "null")
	if err := c.wait(); err != nil {
		t.Error(err)
	}

	c = start(t, options(), nil)
	c.tell("exit", "null")
	if err := c.wait(); !errors.Is(err, ErrExit) {
		t.Errorf("exit without shutdown: %v", err)
	}
	c = start(t, options(), nil)
	c.w.Close()
	if err := c.wait(); err != nil {
		t.Errorf("a client that is gone: %v", err)
	}
	for _, bad := range []string{
		"Content-Length: 99999999999\r\n\r\n", "Content-Length: -1\r\n\r\n", "Content-Length: x\r\n\r\n", "\r\n", "X: y\r\n\r\n",
		strings.Repeat("x", 2*maxHeader), strings.Repeat("X: y\r\n", maxHeader),
	} {
		c = start(t, options(), nil)
		_, _ = io.WriteString(c.w, bad) // the server may end before all is written
		if err := c.wait(); err == nil {
			t.Errorf("%.20q: no error", bad)
		}
	}
	c = start(t, options(), nil)
	c.raw("Content-Length: 10\r\n\r\n{")
	c.w.Close()
	if err := c.wait(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a message: %v", err)
	}
}

func TestPositions(t *testing.T) {
	x := newText("aé😀b\r\nc\rd\n")
	for _, test := range []struct {
		offset int
		pos    position
	}{{0, position{0, 0}}, {1, position{0, 1}}, {3, position{0, 2}}, {7, position{0, 4}}, {8, position{0, 5}}, {10, position{1, 0}}, {12, position{2, 0}}, {14, position{3, 0}}} {
		if got := x.position(test.offset); got != test.pos {
			t.Errorf("offset %d is %v, want %v", test.offset, got, test.pos)
		}
		if got := x.offset(test.pos); got != test.offset {
			t.Errorf("%v is offset %d, want %d", test.pos, got, test.offset)
		}
	}
	for pos, want := range map[position]int{{0, 3}: 3, {0, 99}: 8, {1, 99}: 11, {9, 0}: 14, {-1, 5}: 0, {0, -1}: 0, {2, -5}: 12} {
		if got := x.offset(pos); got != want {
			t.Errorf("%v is offset %d, want %d", pos, got, want)
		}
	}
	for uri, want := range map[string]string{
		"file:///a%20b/c": "/a b/c", "file://localhost/x": "/x", "untitled:1": "", "file://host/x": "", "": "", "file:///%00": "", "::": "", "file:///a/../b": "/b",
	} {
		if got := pathOf(uri); got != want {
			t.Errorf("%s is %q, want %q", uri, got, want)
		}
	}
	if got := uriOf("/a b/ü#?.hcl"); pathOf(got) != "/a b/ü#?.hcl" {
		t.Errorf("got %s", got)
	}
}

// FuzzServer shows that no text, no place and no message end the server.
func FuzzServer(f *testing.F) {
	f.Add(project, 1, 5, "{}")
	f.Add("a = \"${", 0, 7, `{"textDocument":{"uri":"file:///x"},"contentChanges":[{"range":{"start":{"line":-1},"end":{"line":9}},"text":"x"}]}`)
	opts := options()
	opts.Check = func(string, map[string][]byte) config.Diagnostics { return nil }
	f.Fuzz(func(t *testing.T, src string, line, character int, params string) {
		if len(src)+len(params) > 1<<12 {
			return
		}
		s := &server{opts: opts, out: &writer{w: io.Discard}, docs: map[string]*document{}, ready: true, tree: true}
		s.checker = newChecker(s)
		defer s.checker.stop()
		send := func(method, params string) {
			if _, err := s.call(message{Method: method, Params: json.RawMessage(params)}); err != nil && strings.Contains(err.Error(), "mistake in ambient") {
				t.Errorf("%s: %v", method, err)
			}
		}
		send("textDocument/didOpen", toJSON(map[string]any{"textDocument": textDocument{"untitled:x", 1, src}}))
		at := fmt.Sprintf(`{"textDocument":{"uri":"untitled:x"},"position":{"line":%d,"character":%d}}`, line, character)
		for method := range handlers {
			if strings.HasPrefix(method, "textDocument/") && !strings.HasPrefix(method, "textDocument/did") {
				send(method, at)
			}
			send(method, params)
		}
		repair([]byte(src))
	})
}

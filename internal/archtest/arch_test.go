package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ambient-ci/ambient"

// anything allows every package of the module.
const anything = "*"

// siblings says which packages of this module a package may import, beside those
// below its own directory. A package that is not listed is a part of the nearest
// one above it that is: it may import what that may, and the other parts of it.
// One that has none above it needs a decision.
var siblings = map[string]struct {
	allowed []string
	reason  string
}{
	"home":              {nil, "it is the ground that others stand on"},
	"guest":             {nil, "both halves of the protocol share it, and the guest program must stay small"},
	"guest/agent":       {[]string{"guest"}, "it is PID 1 of a machine: what it links runs in every stage"},
	"guest/program":     {[]string{"home", "guest", "guest/agent"}, "it hands out the guest program, or builds it from the source that those carry"},
	"cmd/ambient-guest": {[]string{"guest", "guest/agent"}, "it is PID 1 of a machine: what it links runs in every stage"},
	"config":            {nil, "the language knows neither machines nor actions, so that it can be checked anywhere"},
	"qemuvm":            {nil, "it runs one machine and must not know what for"},
	"blockdev":          {nil, "it reads what hostile guests wrote and must be judged alone"},
	"egress":            {nil, "it judges what hostile guests send and must be judged alone"},
	"secrets":           {nil, "what keeps secrets must be judged alone"},
	"secrets/sshagent":  {[]string{"secrets"}, "what signs for hostile guests must be judged alone"},
	"reports":           {nil, "it reads what hostile guests wrote and must be judged alone"},
	"source":            {[]string{"home"}, "it lists and fetches files"},
	"images":            {[]string{"home"}, "it fetches and builds images"},
	"lsp":               {[]string{"config", "config/outline"}, "an editor checks and writes; it starts nothing"},
	"ambientyaml":       {[]string{"config"}, "a converter writes text: it starts nothing and fetches nothing"},
	"templates":         {[]string{"home"}, "it keeps files and does not know what a machine is"},
	"inputs":            {[]string{"blockdev", "blockdev/erofs", "home", "source"}, "it keeps what stages read and does not know what a stage is"},
	"actions":           {[]string{"config", "guest"}, "an action declares; it runs nothing on the host"},
	"drawing":           {nil, "it draws any graph of that shape"},
	"planfile":          {nil, "it reads and writes one file, and what that means is for others"},
	"starter":           {nil, "it writes text from what lies in a directory"},
	"stages":            {[]string{"config", "actions", "guest", "reports"}, "the graph must be testable without machines"},
	"stages/fakerunner": {[]string{"config", "stages", "guest"}, "it stands for a runner without machines"},
	"stages/runnertest": {[]string{"config", "stages", "actions", "guest"}, "it is the suite that every runner passes"},
	"internal/vmtest":   {nil, "it runs the built program from outside"},
	"internal/sshdtest": {nil, "it runs a server for tests"},
	"runs":              {[]string{"config", "stages", "home"}, "the record is read without starting anything"},
	"results":           {[]string{"config", "stages", "home"}, "what can be used again is judged without machines"},
	"runner":            {[]string{"actions", "blockdev", "config", "egress", "guest", "guest/program", "home", "images", "images/apt", "inputs", "qemuvm", "reports", "secrets", "secrets/sshagent", "source", "stages", "templates"}, "it is the glue below the command line"},
	"cmd/ambient":       {[]string{anything}, "the command line joins everything"},
	"bench/figures":     {nil, "it measures the built program from outside"},
	"internal/docgen":   {[]string{"config", "actions"}, "the reference is made from the schema alone"},
	"internal/archtest": {nil, "it looks at sources"},
}

// foreign says who may import a package from elsewhere.
var foreign = []struct {
	prefix  string
	allowed []string
	reason  string
}{
	{"github.com/hashicorp/hcl/", []string{"config", "config/outline", "cmd/ambient"}, "the language can be exchanged or extended only while its library stays behind config and the renderer"},
	{"github.com/zclconf/go-cty", []string{"config", "cmd/ambient"}, "values leave config as plain Go values"},
	{"golang.org/x/crypto/ssh", []string{"secrets/sshagent"}, "who uses keys is decided in one place"},
	{"filippo.io/age", []string{"secrets"}, "what is encrypted is read in one place"},
	{"gvisor.dev/gvisor/", []string{"egress"}, "the network stack can be exchanged only while it stays behind the gateway"},
	{"mvdan.cc/sh/", []string{"config/shell"}, "what a shell takes is decided in one place"},
	{"github.com/mitchellh/cli", []string{"cmd/ambient"}, "the library is archived and must stay easy to replace"},
}

// stdOnly are the packages that import nothing from elsewhere.
var stdOnly = []string{"guest", "guest/agent", "cmd/ambient-guest"}

type goPackage struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
}

func (p goPackage) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// packages lists the module's packages with what they import, tests aside.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Imports,GoFiles", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			all = append(all, p)
		}
	}
	if len(all) < 5 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

func TestImportsOfSiblings(t *testing.T) {
	for _, p := range packages(t) {
		owner, ok := ownerOf(p.name())
		if !ok {
			t.Errorf("%s is a new package: say in internal/archtest what it may import, and why", p.name())
			continue
		}
		rule := siblings[owner]
		for _, imported := range p.Imports {
			name, ours := strings.CutPrefix(imported, module+"/")
			if !ours || isTestPackage(p.name()) || slices.Contains(rule.allowed, anything) || slices.Contains(rule.allowed, name) {
				continue
			}
			if part, _ := ownerOf(name); part != owner || name == owner {
				t.Errorf("%s imports %s; %s may import %v, because %s", p.name(), name, owner, rule.allowed, rule.reason)
			}
		}
	}
}

// ownerOf returns the listed package that a package is, or is a part of.
func ownerOf(name string) (string, bool) {
	for ; name != "."; name = path.Dir(name) {
		if _, listed := siblings[name]; listed {
			return name, true
		}
	}
	return "", false
}

// isTestPackage reports whether a package exists for tests alone.
func isTestPackage(name string) bool {
	return strings.HasSuffix(name, "test") || name == "stages/fakerunner"
}

func TestNoTestCodeInTheProgram(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			name, ours := strings.CutPrefix(imported, module+"/")
			if (imported == "testing" || ours && isTestPackage(name)) && !isTestPackage(p.name()) {
				t.Errorf("%s imports %s; only tests may, because test code in the program could be switched on", p.name(), imported)
			}
		}
	}
}

func TestForeignImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			for _, rule := range foreign {
				if matches(imported, rule.prefix) && !slices.Contains(rule.allowed, p.name()) {
					t.Errorf("%s imports %s; only %v may, because %s", p.name(), imported, rule.allowed, rule.reason)
				}
			}
			first, _, _ := strings.Cut(imported, "/")
			if slices.Contains(stdOnly, p.name()) && strings.Contains(first, ".") && !strings.HasPrefix(imported, module) {
				t.Errorf("%s imports %s; it may import the standard library only, because it runs as PID 1 in every machine", p.name(), imported)
			}
		}
	}
}

func matches(imported, prefix string) bool {
	return imported == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(imported, strings.TrimSuffix(prefix, "/")+"/")
}

// printing are the functions and variables that only a command may use.
var printing = map[string]string{
	"os.Exit":     "a deferred clean-up would not run: return an error and let main decide",
	"log.Fatal":   "it exits; return an error",
	"log.Fatalf":  "it exits; return an error",
	"log.Fatalln": "it exits; return an error",
	"log.Print":   "a library does not print: return it or report an event",
	"log.Printf":  "a library does not print: return it or report an event",
	"log.Println": "a library does not print: return it or report an event",
	"fmt.Print":   "a library does not print: return it or report an event",
	"fmt.Printf":  "a library does not print: return it or report an event",
	"fmt.Println": "a library does not print: return it or report an event",
	"os.Stdout":   "a library does not print: take an io.Writer",
	"os.Stderr":   "a library does not print: take an io.Writer",
}

func TestOnlyCommandsPrintAndExit(t *testing.T) {
	for _, p := range packages(t) {
		if p.name() == "guest/agent" {
			continue // it is PID 1: it has nobody to return to, and its errors go to the console
		}
		command := strings.HasPrefix(p.name(), "cmd/") || p.name() == "internal/docgen" || p.name() == "bench/figures"
		for _, file := range p.GoFiles {
			for _, use := range uses(t, filepath.Join(p.Dir, file)) {
				reason, bad := printing[use.name]
				if bad && !command {
					t.Errorf("%s:%d uses %s: %s", filepath.Join(p.name(), file), use.line, use.name, reason)
				}
				if use.name == "os.Exit" && command && file != "main.go" {
					t.Errorf("%s:%d uses os.Exit: only main.go of a command may, so that the exit status is decided in one place", filepath.Join(p.name(), file), use.line)
				}
			}
		}
	}
}

type use struct {
	name string
	line int
}

// uses returns every selector "package.Name" of a file, by the package's own
// name.
func uses(t *testing.T, path string) []use {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{} // local name -> import path
	for _, spec := range file.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		local := p[strings.LastIndex(p, "/")+1:]
		if spec.Name != nil {
			local = spec.Name.Name
		}
		names[local] = p
	}
	var all []use
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && names[id.Name] != "" {
			all = append(all, use{names[id.Name] + "." + sel.Sel.Name, fset.Position(sel.Pos()).Line})
		}
		return true
	})
	return all
}

const (
	mostLines     = 400
	mostMainLines = 60
)

func TestFilesAreShort(t *testing.T) {
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			data, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(p.name(), file)
			lines := bytes.Count(data, []byte("\n"))
			if lines > mostLines {
				t.Errorf("%s has %d lines; at most %d, because a file is one thought: split it by subject", name, lines, mostLines)
			}
			if name == "cmd/ambient/main.go" && lines > mostMainLines {
				t.Errorf("%s has %d lines; at most %d, because main only joins the process to the program", name, lines, mostMainLines)
			}
		}
	}
}

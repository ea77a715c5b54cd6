package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// digestOf makes a digest for a letter.
func digestOf(c string) string { return "sha256:" + strings.Repeat(c, 64) }

// shelf holds the content of modules by digest and by address.
type shelf struct {
	dirs    map[string]string // by digest
	fetched map[string]FetchedModule
	errs    map[string]error
	asked   []string
}

func (s *shelf) Find(digest string) (string, error) {
	if err := s.errs[digest]; err != nil {
		return "", err
	}
	if dir := s.dirs[digest]; dir != "" {
		return dir, nil
	}
	return "", ErrNoModule
}

func (s *shelf) Fetch(address, commit string) (FetchedModule, error) {
	s.asked = append(s.asked, strings.TrimSpace(address+" "+commit))
	if err := s.errs[address]; err != nil {
		return FetchedModule{}, err
	}
	m, ok := s.fetched[address]
	if !ok {
		return m, &ModuleError{Summary: "Module can not be fetched", Detail: "Nobody is there."}
	}
	return m, nil
}

// say is a module with one action.
const say = "action \"say\" {\n  param \"what\" {}\n  action \"shell\" { script = \"echo ${param.what}\" }\n}\n"

// using is a configuration that uses a module and its action.
func using(source string) string {
	return "use \"m\" {\n  source = \"" + source + "\"\n}\n" +
		"project \"p\" {\n  plan \"x\" {\n    action \"m.say\" { what = \"hello\" }\n  }\n}\n"
}

const remote = "git::https://example.org/m.git?ref=v1"

// lockText is a lock file that pins the remote address.
func lockText(digest string) string {
	return string((&Lock{Modules: []LockedModule{{Source: remote, Digest: digest}}}).Text())
}

func TestModules(t *testing.T) {
	content := t.TempDir()
	write(t, content, "module.ambient.hcl", say)
	outside := t.TempDir()
	write(t, outside, "module.ambient.hcl", say)
	s := &shelf{
		dirs: map[string]string{digestOf("a"): content, digestOf("d"): filepath.Join(content, "gone")},
		errs: map[string]error{digestOf("b"): ErrModuleChanged, digestOf("c"): errors.New("input/output error")},
	}
	tests := map[string]struct {
		files map[string]string
		make  func(dir string)
		want  string
	}{
		"local":         {map[string]string{"ambient.hcl": using("./m"), "m/module.ambient.hcl": say}, nil, ""},
		"two files":     {map[string]string{"ambient.hcl": using("./m"), "m/a.ambient.hcl": say, "m/b.ambient.hcl": "action \"other\" {\n  action \"say\" { what = 1 }\n}\n"}, nil, ""},
		"sibling":       {map[string]string{"ambient.hcl": using("./m"), "m/a.ambient.hcl": "use \"n\" {\n  source = \"../n\"\n}\naction \"say\" {\n  param \"what\" {}\n  action \"n.say\" { what = param.what }\n}\n", "n/a.ambient.hcl": say}, nil, ""},
		"remote":        {map[string]string{"ambient.hcl": using(remote), LockName: lockText(digestOf("a"))}, nil, ""},
		"no lock":       {map[string]string{"ambient.hcl": using(remote)}, nil, "ambient.hcl:2: Module not locked"},
		"other lock":    {map[string]string{"ambient.hcl": using(remote + "2"), LockName: lockText(digestOf("a"))}, nil, "ambient.hcl:2: Module not locked"},
		"not fetched":   {map[string]string{"ambient.hcl": using(remote), LockName: lockText(digestOf("e"))}, nil, "ambient.hcl:2: Module not fetched"},
		"changed":       {map[string]string{"ambient.hcl": using(remote), LockName: lockText(digestOf("b"))}, nil, "ambient.hcl:2: Module changed"},
		"broken disk":   {map[string]string{"ambient.hcl": using(remote), LockName: lockText(digestOf("c"))}, nil, "ambient.hcl:2: Unreadable module"},
		"gone":          {map[string]string{"ambient.hcl": using(remote), LockName: lockText(digestOf("d"))}, nil, "ambient.hcl:2: Unreadable module"},
		"lock unused":   {map[string]string{"ambient.hcl": minimal, LockName: "nonsense"}, nil, ""},
		"lock is a dir": {map[string]string{"ambient.hcl": using(remote), LockName + "/x": ""}, nil, "ambient.lock.hcl:1: Unreadable lock file"},
		"lock escapes":  {map[string]string{"ambient.hcl": using(remote)}, func(dir string) { _ = os.Symlink(outside+"/module.ambient.hcl", filepath.Join(dir, LockName)) }, "ambient.lock.hcl:1: Unreadable lock file"},
		"lock dangling": {map[string]string{"ambient.hcl": using(remote)}, func(dir string) { _ = os.Symlink("nowhere", filepath.Join(dir, LockName)) }, "ambient.lock.hcl:1: Unreadable lock file"},
		"missing":       {map[string]string{"ambient.hcl": using("./m")}, nil, "ambient.hcl:2: Unreadable module"},
		"file":          {map[string]string{"ambient.hcl": using("./m"), "m": say}, nil, "ambient.hcl:2: Unreadable module"},
		"bare name":     {map[string]string{"ambient.hcl": using("m"), "m/module.ambient.hcl": say}, nil, "ambient.hcl:2: Invalid source"},
		"empty":         {map[string]string{"ambient.hcl": using("./m"), "m/ambient.hcl": say}, nil, "ambient.hcl:2: Empty module"},
		"outside":       {map[string]string{"ambient.hcl": using("../m")}, nil, "ambient.hcl:2: Module outside its tree"},
		"link outside":  {map[string]string{"ambient.hcl": using("./m")}, func(dir string) { _ = os.Symlink(outside, filepath.Join(dir, "m")) }, "ambient.hcl:2: Unreadable module"},
		"file link": {map[string]string{"ambient.hcl": using("./m"), "m/x": ""}, func(dir string) {
			_ = os.Symlink(outside+"/module.ambient.hcl", filepath.Join(dir, "m/module.ambient.hcl"))
		}, "m/module.ambient.hcl:1: Unreadable file"},
		"link inside":    {map[string]string{"ambient.hcl": using("./m"), "n/module.ambient.hcl": say}, func(dir string) { _ = os.Symlink("n", filepath.Join(dir, "m")) }, ""},
		"pipe":           {map[string]string{"ambient.hcl": using("./m"), "m/x": ""}, func(dir string) { _ = syscall.Mkfifo(filepath.Join(dir, "m/x.ambient.hcl"), 0o600) }, "m/x.ambient.hcl:1: Unreadable file"},
		"huge":           {map[string]string{"ambient.hcl": using("./m"), "m/x.ambient.hcl": strings.Repeat("#", maxFile+1)}, nil, "m/x.ambient.hcl:1: Unreadable file"},
		"syntax":         {map[string]string{"ambient.hcl": using("./m"), "m/x.ambient.hcl": "action {{"}, nil, "m/x.ambient.hcl:1: Argument or block definition required"},
		"project":        {map[string]string{"ambient.hcl": using("./m"), "m/x.ambient.hcl": say + minimal + "image \"x\" {}\nlimits \"x\" {}\nsecret \"a\" \"b\" {}\nstage \"x\" {}\nx = 1\n"}, nil, "m/x.ambient.hcl:5: Block not allowed here\nm/x.ambient.hcl:10: Block not allowed here\nm/x.ambient.hcl:11: Block not allowed here\nm/x.ambient.hcl:12: Block not allowed here\nm/x.ambient.hcl:13: Unknown block\nm/x.ambient.hcl:14: Unknown argument"},
		"too old":        {map[string]string{"ambient.hcl": using("./m"), "m/x.ambient.hcl": say + "ambient {\n  required_version = \">= 99\"\n}\nbogus {}\n"}, nil, "m/x.ambient.hcl:6: Wrong version of ambient"},
		"itself":         {map[string]string{"ambient.hcl": using("./"), "m.ambient.hcl": say}, nil, "ambient.hcl:2: Circular modules"},
		"circle":         {map[string]string{"ambient.hcl": using("./m"), "m/m.ambient.hcl": say + "use \"n\" {\n  source = \"../n\"\n}\n", "n/n.ambient.hcl": say + "use \"m\" {\n  source = \"../m\"\n}\n"}, nil, "n/n.ambient.hcl:6: Circular modules"},
		"link circle":    {map[string]string{"ambient.hcl": using("./m"), "m/m.ambient.hcl": say + "use \"n\" {\n  source = \"./again\"\n}\n"}, func(dir string) { _ = os.Symlink(".", filepath.Join(dir, "m/again")) }, "m/m.ambient.hcl:6: Circular modules"},
		"unknown action": {map[string]string{"ambient.hcl": using("./m"), "m/m.ambient.hcl": "action \"sai\" {\n  action \"shell\" { script = \"true\" }\n}\n"}, nil, "ambient.hcl:6: Unknown action"},
		"not text":       {map[string]string{"ambient.hcl": "variable \"x\" { default = \"./m\" }\nuse \"m\" {\n  source = var.x\n}\nuse \"n\" {\n  source = 3\n}\nuse \"o\" {\n}\nuse \"p\" {\n  source = \"\"\n  inner {}\n}\nuse \"p\" { source = \"./x\" }\n" + minimal}, nil, "ambient.hcl:3: Invalid source\nambient.hcl:6: Invalid source\nambient.hcl:8: Missing argument\nambient.hcl:11: Invalid source\nambient.hcl:12: Unknown block\nambient.hcl:14: Duplicate module"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range tt.files {
				write(t, dir, file, text)
			}
			if tt.make != nil {
				tt.make(dir)
			}
			if got := summaries(dir, Options{Modules: s, Version: "0.1.0"}); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestModuleVariables shows what is told of the arguments of a use block.
func TestModuleVariables(t *testing.T) {
	module := say + `variable "need" { type = string }
variable "number" {
  type    = number
  default = 1
  validation {
    condition     = var.number < 10
    error_message = "at most 9"
  }
}
variable "secret" {
  default   = "none"
  sensitive = true
}
`
	for name, tt := range map[string]struct{ args, want string }{
		"right":     {"need = \"x\"\n  number = \"3\"\n  secret = local.word", ""},
		"missing":   {"number = 3", "ambient.hcl:1: Missing argument: The module \"m\" needs a value for its variable \"need\", declared at m/x.ambient.hcl:5,10: write need = … in this block."},
		"unknown":   {"need = 1\n  nmber = 3", "ambient.hcl:4: Unknown argument: The module \"m\" has no variable \"nmber\". Did you mean \"number\"?"},
		"type":      {"need = \"x\"\n  number = [\"x\"]", "ambient.hcl:4: Wrong value for a variable: The value of the variable \"number\" does not fit: a number is needed, and this is a list. It is declared at m/x.ambient.hcl:6,10."},
		"rule":      {"need = \"x\"\n  number = 10", "ambient.hcl:4: Invalid value for a variable: at most 9\nThe rule of \"number\" stands at m/x.ambient.hcl:10,21."},
		"reference": {"need = plan.x", "ambient.hcl:3: Reference to a stage not allowed here: Stages can be referred to in \"after\", in \"env\" of a stage and in the arguments of actions only."},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "m/x.ambient.hcl", module)
			write(t, dir, FileName, strings.Replace(using("./m"), "\"./m\"\n", "\"./m\"\n  "+tt.args+"\n", 1)+"locals {\n  word = \"open sesame\"\n}\n")
			c, diags := Load(dir, Options{Actions: testActions()})
			var out []string
			for _, d := range relative(dir, diags) {
				out = append(out, fmt.Sprintf("%s:%d: %s: %s", d.Subject.Filename, d.Subject.Start.Line, d.Summary, d.Detail))
			}
			if got := strings.Join(out, "\n"); strings.ReplaceAll(got, "DIR/", "") != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if name == "right" && !slices.Contains(c.Sensitive(), "open sesame") {
				t.Error("a sensitive variable of a module is not known as such")
			}
		})
	}
}

// TestModuleNames shows that the names of a remote module's files say nothing of
// the machine and that an error in a body says where it was used.
func TestModuleNames(t *testing.T) {
	content := t.TempDir()
	write(t, content, "module.ambient.hcl", "locals {\n  list = []\n}\naction \"say\" {\n  param \"what\" {}\n  action \"shell\" { script = local.list[length(param.what)] }\n}\n")
	dir := t.TempDir()
	write(t, dir, FileName, using(remote))
	write(t, dir, LockName, lockText(digestOf("a")))
	_, diags := Load(dir, Options{Actions: testActions(), Modules: &shelf{dirs: map[string]string{digestOf("a"): content}}})
	if len(diags) != 1 || diags[0].Subject.Filename != dir+"/use.m/module.ambient.hcl" ||
		!strings.HasSuffix(diags[0].Detail, "\nThis is in the action \"m.say\", used at "+dir+"/ambient.hcl:6,5.") {
		t.Fatalf("got %v", diags)
	}
}

// TestManyModules shows that modules can not grow without end.
func TestManyModules(t *testing.T) {
	t.Run("chain", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, FileName, using("./m0"))
		for i := range maxModuleDepth + 2 {
			write(t, dir, fmt.Sprintf("m%d/x.ambient.hcl", i), say+fmt.Sprintf("use \"m\" {\n  source = \"../m%d\"\n}\n", i+1))
		}
		if got := summaries(dir, Options{}); !strings.Contains(got, "Modules nested too deep") {
			t.Error(got)
		}
	})
	t.Run("tree", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, FileName, using("./m0"))
		for i := range 12 {
			text := say
			for j := range 3 {
				text += fmt.Sprintf("use \"m%d\" {\n  source = \"../m%d\"\n}\n", j, i+1)
			}
			write(t, dir, fmt.Sprintf("m%d/x.ambient.hcl", i), text)
		}
		write(t, dir, "m12/x.ambient.hcl", say)
		if got := summaries(dir, Options{}); !strings.Contains(got, "Too many modules") {
			t.Error(got)
		}
	})
	t.Run("text", func(t *testing.T) {
		dir := t.TempDir()
		uses := ""
		for i := range 10 {
			write(t, dir, fmt.Sprintf("m%d/x.ambient.hcl", i), say+strings.Repeat(" ", maxFile-len(say)))
			uses += fmt.Sprintf("use \"m%d\" {\n  source = \"./m%d\"\n}\n", i, i)
		}
		write(t, dir, FileName, minimal+uses)
		if got := summaries(dir, Options{}); !strings.Contains(got, "Too much configuration") {
			t.Error(got)
		}
	})
}

// TestGrowthOfActions shows that a few lines can not make actions without end.
func TestGrowthOfActions(t *testing.T) {
	chain := func(n, width int) string {
		text := "action \"a0\" {\n  action \"shell\" { script = \"true\" }\n}\n"
		for i := 1; i < n; i++ {
			text += fmt.Sprintf("action \"a%d\" {\n", i) + strings.Repeat(fmt.Sprintf("  action \"a%d\" {}\n", i-1), width) + "}\n"
		}
		return text
	}
	project := func(name string, n int) string {
		return fmt.Sprintf("project \"p\" {\n  plan \"x\" {\n    for_each = toset([for i in range(%d) : tostring(i)])\n    action %q {}\n  }\n}\n", n, name)
	}
	for name, tt := range map[string]struct{ src, want string }{
		"right":   {chain(10, 2) + project("a9", 2), ""},
		"wide":    {chain(40, 2) + project("a39", 1), "Too many actions"},
		"deep":    {chain(maxCalls+10, 1) + project("a0", 1), "Actions nested too deep"},
		"uses":    {chain(3, 25) + project("a2", 200), "Too many actions"},
		"dynamic": {"action \"d\" {\n  dynamic \"action\" {\n    for_each = range(1000)\n    labels = [\"shell\"]\n    content { script = \"true\" }\n  }\n}\n" + project("d", 1000), "Too many"},
	} {
		_, diags := loadText(t, tt.src, Options{})
		if tt.want == "" && len(diags) > 0 || tt.want != "" && (len(diags) == 0 || !strings.HasPrefix(diags[0].Summary, tt.want)) {
			t.Errorf("%s: got %v", name, diags[:min(3, len(diags))])
		}
	}
}

// FuzzModule shows that no module makes Load panic and that what is wrong is told
// in full.
func FuzzModule(f *testing.F) {
	for _, src := range []string{say, minimal, actionSpec.Example, useSpec.Example,
		"use \"x\" {\n  source = \"./\"\n}\n" + say,
		"action \"say\" {\n  param \"what\" {\n    type = list(any)\n    default = [null]\n    validation {\n      condition = param.what[0]\n      error_message = param.what\n    }\n  }\n" +
			"  dynamic \"action\" {\n    for_each = param.what\n    labels = [\"say\"]\n    content { what = action.value }\n  }\n}\n",
	} {
		f.Add(src, "what = \"x\"")
		f.Add(src, "what = [null, plan.x, [for a in [1] : a]]\n env = param.x")
	}
	dir := f.TempDir()
	actions := testActions()
	f.Fuzz(func(t *testing.T, src, args string) {
		if len(src)+len(args) > 1<<15 {
			return
		}
		write(t, dir, "m/x.ambient.hcl", src)
		write(t, dir, FileName, strings.Replace(using("./m"), "{ what = \"hello\" }", "{\n"+args+"\n}", 1))
		c, diags := Load(dir, Options{Actions: actions, Version: "0.1.0"})
		if c == nil || diags.HasErrors() != (len(c.Projects) == 0) {
			t.Fatalf("a configuration of %v with %v", c, diags)
		}
		for _, d := range diags {
			if d.Subject == nil || d.Summary == "" || d.Detail == "" {
				t.Fatalf("incomplete diagnostic %+v", d)
			}
		}
	})
}

func TestUseExample(t *testing.T) {
	content, dir := t.TempDir(), t.TempDir()
	write(t, content, "module.ambient.hcl", say)
	write(t, dir, FileName, useSpec.Example+"\n"+minimal)
	s := &shelf{fetched: map[string]FetchedModule{"git::https://example.org/ci-lib.git?ref=v1": {Dir: content, Digest: digestOf("a")}}, dirs: map[string]string{digestOf("a"): content}}
	lock(t, dir, s, false)
	if got := summaries(dir, Options{Modules: s}); got != "" {
		t.Error(got)
	}
}

package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFunctions(t *testing.T) {
	tests := []struct{ expr, want string }{
		{`upper("é")`, "É"},
		{`format("%s-%03d", "a", 7)`, "a-007"},
		{`join(",", sort(["b", "a"]))`, "a,b"},
		{`replace("a.b.c", ".", "-")`, "a-b-c"},
		{`replace("a1b2", "/[0-9]/", "#")`, "a#b#"},
		{`startswith("abc", "ab") && endswith("abc", "bc") && strcontains("abc", "b") ? "y" : "n"`, "y"},
		{`length("naïve")`, "5"},
		{`length({ a = 1, b = 2 })`, "2"},
		{`length([])`, "0"},
		{`one([]) == null ? "none" : "some"`, "none"},
		{`one(["x"])`, "x"},
		{`sum([1, "2", 3.5])`, "6.5"},
		{`alltrue([true, "true"])`, "true"},
		{`anytrue([false, false])`, "false"},
		{`base64decode(base64encode("x"))`, "x"},
		{`urlencode("a b&c")`, "a+b%26c"},
		{`sha256("")`, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{`md5("")`, "d41d8cd98f00b204e9800998ecf8427e"},
		{`sha1("")`, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{`substr(sha512(""), 0, 8)`, "cf83e135"},
		{`jsonencode({ b = [1, true, null], a = "x" })`, `{"a":"x","b":[1,true,null]}`},
		{`jsondecode("{\"a\": [1, 2]}").a[1]`, "2"},
		{`yamldecode("a: [1, 2]\nb: x").b`, "x"},
		{`yamlencode({ a = 1 })`, "\"a\": 1\n"},
		{`csvdecode("a,b\n1,2")[0].b`, "2"},
		{`try(jsondecode("["), "bad")`, "bad"},
		{`can(tonumber("x"))`, "false"},
		{`tostring(tonumber("1"))`, "1"},
		{`coalesce(null, 1, "x")`, "1"},
		{`coalesce("")`, "Error in function call: Call to function \"coalesce\" failed: every argument is null or empty."},
		{`basename("/a/b.c")`, "b.c"},
		{`dirname("/a/b.c")`, "/a"},
		{`join(",", keys(merge({ a = 1 }, { b = 2 })))`, "a,b"},
		{`lookup({ a = "x" }, "b", "default")`, "default"},
		{`coalesce("", "x")`, "x"},
		{`join(",", flatten([["a"], ["b"]]))`, "a,b"},
		{`join(",", tolist(setintersection(["a", "b"], ["b"])))`, "b"},
		{`element(["a", "b"], 3)`, "b"},
		{`pow(2, 10)`, "1024"},
		{`parseint("ff", 16)`, "255"},
		{`trimspace(chomp("  x\n"))`, "x"},
		{`regex("[a-z]+", "12ab")`, "ab"},
		{`"%{ for x in ["a", "b"] ~}${x}%{ endfor }"`, "ab"},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) { compare(t, "value", script(t, "", tt.expr, Options{}), tt.want) })
	}
}

// TestFunctionsArePure shows that nothing returns time, chance or environment.
func TestFunctionsArePure(t *testing.T) {
	all := FunctionNames()
	for _, name := range []string{"timestamp", "plantimestamp", "uuid", "bcrypt", "env", "pathexpand", "abspath"} {
		if slices.Contains(all, name) {
			t.Errorf("there is a function %s", name)
		}
	}
	if len(all) < 60 || !slices.IsSorted(all) {
		t.Errorf("%d functions: %v", len(all), all)
	}
}

func TestFileFunctions(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, "secret", "outside")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.txt": "text", "sub/b.txt": "b", "sub/deep/c.txt": "c", "sub/d.md": "d", "bin": "\xff\x00", ".git/config": "token",
		"sub/.git/config": "token", "t.tpl": "<${x}>", "bad.tpl": "line\n${y}", "deep.tpl": strings.Repeat("${\"", 2000),
		"self.tpl": "${templatefile(\"self.tpl\", {})}", "gitfile/.git": "gitdir: elsewhere",
	} {
		write(t, dir, name, text)
	}
	for name, to := range map[string]string{"out": outside, "link": "a.txt", "hidden": ".git", "loop": "loop", "outfile": outside + "/secret"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ expr, want string }{
		{`file("a.txt")`, "text"},
		{`file("./sub/../a.txt")`, "text"},
		{`file("link")`, "text"},
		{`filebase64("bin")`, "/wA="},
		{`filesha256("a.txt")`, "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"},
		{`fileexists("a.txt")`, "true"},
		{`fileexists("sub")`, "false"},
		{`fileexists("nope")`, "false"},
		{`fileexists(".git/config")`, "false"},
		{`fileexists("outfile")`, "false"},
		{`join(",", fileset(".", "*.txt"))`, "a.txt"},
		{`join(",", fileset(".", "**/*.txt"))`, "a.txt,sub/b.txt,sub/deep/c.txt"},
		{`join(",", fileset("sub", "**"))`, "b.txt,d.md,deep/c.txt"},
		{`join(",", fileset("sub", "*.{md,txt}"))`, "b.txt,d.md"},
		{`join(",", fileset(".", "**/config"))`, ""},
		{`join(",", fileset("sub", "?.md"))`, "d.md"},
		{`templatefile("t.tpl", { x = 1 })`, "<1>"},
		{`file("bin")`, "use filebase64"},
		{`file("nope")`, "no such file"},
		{`file("sub")`, "not a regular file"},
		{`file("../x")`, "must stay inside"},
		{`file("/etc/passwd")`, "must stay inside"},
		{`file("out/secret")`, "leads out of the directory"},
		{`file("outfile")`, "leads out of the directory"},
		{`file(".git/config")`, "in .git"},
		{`file("sub/.git/config")`, "in .git"},
		{`file("gitfile/.git")`, "in .git"},
		{`file("hidden/config")`, "in .git"},
		{`file("loop")`, "can not be read"},
		{`join("", fileset("hidden", "*"))`, "in .git"},
		{`join("", fileset("..", "*"))`, "must stay inside"},
		{`join("", fileset(".", "../*"))`, "must stay inside"},
		{`join("", fileset(".", "{a"))`, "not valid"},
		{`fileexists("../x")`, "must stay inside"},
		{`templatefile("bad.tpl", {})`, "bad.tpl:2,3"},
		{`templatefile("deep.tpl", {})`, "too complex"},
		{`templatefile("self.tpl", {})`, "no function named"},
		{`templatefile("t.tpl", "x")`, "a map is needed"},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			write(t, dir, FileName, "project \"p\" {\n  plan \"x\" {\n    action \"shell\" { script = "+tt.expr+" }\n  }\n}\n")
			c, diags := Load(dir, Options{Actions: testActions()})
			got := ""
			if diags.HasErrors() {
				got = diags[0].Detail
				if strings.Contains(got, tt.want) && !strings.Contains(got, "outside\n") && !strings.Contains(got, "token") {
					return
				}
			} else {
				got = c.Projects[0].Stages[0].Actions[0].Args.String("script")
			}
			compare(t, "value", got, tt.want)
		})
	}
}

// TestYAMLBomb shows that aliases can not make a small text large.
func TestYAMLBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 12 {
		p := string(rune('a' + i))
		q := string(rune('b' + i))
		if i == 0 {
			p = "a0"
		}
		b.WriteString(q + ": &" + q + " [*" + p + strings.Repeat(", *"+p, 9) + "]\n")
	}
	dir := t.TempDir()
	write(t, dir, "bomb.yaml", b.String())
	write(t, dir, "deep.yaml", strings.Repeat("- ", 5000)+"x")
	for _, name := range []string{"bomb.yaml", "deep.yaml"} {
		write(t, dir, FileName, "locals {\n  x = yamldecode(file(\""+name+"\"))\n}\n"+minimal)
		if _, diags := Load(dir, Options{Actions: testActions()}); !diags.HasErrors() {
			t.Errorf("%s was read", name)
		}
	}
}

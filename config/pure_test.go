package config

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// samples has an expression for every function, and what it is.
var samples = map[string][2]string{
	"abs": {`abs(-2)`, "2"}, "ceil": {`ceil(1.2)`, "2"}, "floor": {`floor(1.8)`, "1"}, "log": {`log(8, 2)`, "3"},
	"max": {`max(1, 3, 2)`, "3"}, "min": {`min(1, 3, 2)`, "1"}, "parseint": {`parseint("ff", 16)`, "255"},
	"pow": {`pow(2, 5)`, "32"}, "signum": {`signum(-7)`, "-1"},

	"chomp": {`chomp("a\n")`, "a"}, "endswith": {`endswith("abc", "bc")`, "true"}, "format": {`format("%05.1f|%s", 2.25, "x")`, "002.2|x"},
	"formatlist": {`join(",", formatlist("%s!", ["a", "b"]))`, "a!,b!"}, "indent": {`indent(2, "a\nb")`, "a\n  b"},
	"join": {`join("-", ["a", "b"])`, "a-b"}, "lower": {`lower("AB")`, "ab"}, "regex": {`regex("[0-9]+", "a12b")`, "12"},
	"regexall": {`join(",", regexall("[0-9]", "1a2"))`, "1,2"}, "replace": {`replace("a-b", "-", "+")`, "a+b"},
	"split": {`join("|", split(",", "a,b"))`, "a|b"}, "startswith": {`startswith("abc", "b")`, "false"},
	"strcontains": {`strcontains("abc", "b")`, "true"}, "strrev": {`strrev("abc")`, "cba"}, "substr": {`substr("abcdef", 1, 3)`, "bcd"},
	"title": {`title("ab cd")`, "Ab Cd"}, "trim": {`trim("xax", "x")`, "a"}, "trimprefix": {`trimprefix("abc", "a")`, "bc"},
	"trimsuffix": {`trimsuffix("abc", "c")`, "ab"}, "trimspace": {`trimspace(" a ")`, "a"}, "upper": {`upper("a")`, "A"},

	"alltrue": {`alltrue([])`, "true"}, "anytrue": {`anytrue([])`, "false"}, "chunklist": {`jsonencode(chunklist(["a", "b", "c"], 2))`, `[["a","b"],["c"]]`},
	"coalesce": {`coalesce("", "b")`, "b"}, "coalescelist": {`join("", coalescelist([], ["a"]))`, "a"}, "compact": {`join(",", compact(["a", "", "b"]))`, "a,b"},
	"concat": {`join("", concat(["a"], ["b"]))`, "ab"}, "contains": {`contains(["a"], "a")`, "true"}, "distinct": {`join("", distinct(["a", "b", "a"]))`, "ab"},
	"element": {`element(["a", "b"], 3)`, "b"}, "flatten": {`join("", flatten([["a"], ["b", ["c"]]]))`, "abc"}, "index": {`index(["a", "b"], "b")`, "1"},
	"keys": {`join("", keys({ b = 1, a = 2 }))`, "ab"}, "length": {`length("åb")`, "2"}, "lookup": {`lookup({ a = "x" }, "b", "d")`, "d"},
	"matchkeys": {`join("", matchkeys(["a", "b", "c"], ["1", "2", "1"], ["1"]))`, "ac"}, "merge": {`jsonencode(merge({ a = 1 }, { a = 2 }))`, `{"a":2}`},
	"one": {`one(["a"])`, "a"}, "range": {`jsonencode(range(1, 4))`, "[1,2,3]"}, "reverse": {`join("", reverse(["a", "b"]))`, "ba"},
	"setintersection": {`join("", setintersection(["a", "b"], ["b"]))`, "b"}, "setproduct": {`jsonencode(setproduct(["a"], ["b", "c"]))`, `[["a","b"],["a","c"]]`},
	"setsubtract": {`join("", setsubtract(["a", "b"], ["b"]))`, "a"}, "setunion": {`join("", setunion(["b"], ["a"]))`, "ab"},
	"slice": {`join("", slice(["a", "b", "c"], 1, 2))`, "b"}, "sort": {`join("", sort(["b", "a"]))`, "ab"}, "sum": {`sum([1, 2])`, "3"},
	"transpose": {`jsonencode(transpose({ a = ["1", "2"], b = ["2"] }))`, `{"1":["a"],"2":["a","b"]}`},
	"values":    {`jsonencode(values({ b = 1, a = 2 }))`, "[2,1]"}, "zipmap": {`jsonencode(zipmap(["a"], [1]))`, `{"a":1}`},

	"base64decode": {`base64decode("YQ==")`, "a"}, "base64encode": {`base64encode("a")`, "YQ=="}, "csvdecode": {`csvdecode("a,b\n1,2\n")[0].b`, "2"},
	"jsondecode": {`jsondecode("[1,2]")[1]`, "2"}, "jsonencode": {`jsonencode({ a = [true, null] })`, `{"a":[true,null]}`},
	"urldecode": {`urldecode("a%20b+c")`, "a b c"}, "urlencode": {`urlencode("a b")`, "a+b"},
	"yamldecode": {`yamldecode("a: 1").a`, "1"}, "yamlencode": {`yamlencode({ a = "x" })`, "\"a\": \"x\"\n"},

	"basename": {`basename("a/b")`, "b"}, "dirname": {`dirname("a/b")`, "a"}, "file": {`file("f")`, "text ${x}"}, "filebase64": {`filebase64("f")`, "dGV4dCAke3h9"},
	"fileexists": {`fileexists("f")`, "true"}, "fileset": {`join(",", fileset(".", "*"))`, "ambient.hcl,f"}, "templatefile": {`templatefile("f", { x = 1 })`, "text 1"},

	"formatdate": {`formatdate("YYYY-MM-DD", "2026-01-02T03:04:05Z")`, "2026-01-02"}, "timeadd": {`timeadd("2026-01-02T03:04:05Z", "1h")`, "2026-01-02T04:04:05Z"},
	"timecmp": {`timecmp("2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05Z")`, "0"},

	"base64sha256": {`base64sha256("")`, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}, "base64sha512": {`substr(base64sha512(""), 0, 8)`, "z4PhNX7v"},
	"filebase64sha256": {`filebase64sha256("f") == base64sha256(file("f"))`, "true"}, "filebase64sha512": {`filebase64sha512("f") == base64sha512(file("f"))`, "true"},
	"filemd5": {`filemd5("f") == md5(file("f"))`, "true"}, "filesha1": {`filesha1("f") == sha1(file("f"))`, "true"},
	"filesha256": {`filesha256("f") == sha256(file("f"))`, "true"}, "filesha512": {`filesha512("f") == sha512(file("f"))`, "true"},
	"md5": {`md5("")`, "d41d8cd98f00b204e9800998ecf8427e"}, "sha1": {`sha1("")`, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	"sha256": {`substr(sha256(""), 0, 8)`, "e3b0c442"}, "sha512": {`substr(sha512(""), 0, 8)`, "cf83e135"},
	"uuidv5": {`uuidv5("dns", "www.example.com")`, "2ed6657d-e927-568b-95e1-2665a8aea6a2"},

	"cidrhost": {`cidrhost("10.12.112.0/20", 268)`, "10.12.113.12"}, "cidrnetmask": {`cidrnetmask("172.16.0.0/12")`, "255.240.0.0"},
	"cidrsubnet": {`cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)`, "fd00:fd12:3456:7800:a200::/72"}, "cidrsubnets": {`join(",", cidrsubnets("10.1.0.0/16", 4, 4, 8, 4))`, "10.1.0.0/20,10.1.16.0/20,10.1.32.0/24,10.1.48.0/20"},

	"can": {`can(local.none.x)`, "false"}, "try": {`try(jsondecode("["), "bad")`, "bad"}, "tobool": {`tobool("true")`, "true"}, "tolist": {`join("", tolist(["a"]))`, "a"},
	"tomap": {`tomap({ a = "b" }).a`, "b"}, "tonumber": {`tonumber("1.50")`, "1.5"}, "toset": {`join("", toset(["b", "a", "b"]))`, "ab"}, "tostring": {`tostring(1)`, "1"},
}

// TestEveryFunction evaluates a sample of every function in two environments.
// A function that depends on one of them, on chance or on the order of a map
// has no fixed value to stand in the table.
func TestEveryFunction(t *testing.T) {
	if got, want := FunctionNames(), names(samples); !slices.Equal(got, want) {
		t.Errorf("the functions are\n%v\nand the samples are of\n%v", got, want)
	}
	var b strings.Builder
	for _, name := range names(samples) {
		fmt.Fprintf(&b, "    action \"shell\" { script = %s }\n", samples[name][0])
	}
	dir := t.TempDir()
	write(t, dir, "f", "text ${x}")
	write(t, dir, FileName, "locals {\n  none = {}\n}\nproject \"p\" {\n  plan \"x\" {\n"+b.String()+"  }\n}\n")
	for _, zone := range []string{"UTC", "Pacific/Kiritimati"} {
		for name, value := range map[string]string{"TZ": zone, "HOME": "/" + zone, "LANG": "tr_TR.UTF-8", "PATH": "/" + zone} {
			t.Setenv(name, value)
		}
		c, diags := Load(dir, Options{Actions: testActions()})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for i, name := range names(samples) {
			compare(t, samples[name][0], c.Projects[0].Stages[0].Actions[i].Args.String("script"), samples[name][1])
		}
	}
}

// TestLeftOut shows that what the language does not have of Terraform says why.
func TestLeftOut(t *testing.T) {
	for _, f := range LeftOutFunctions() {
		if slices.Contains(FunctionNames(), f.Name) {
			t.Errorf("%s is there", f.Name)
		}
		want := fmt.Sprintf("Call to unknown function: There is no function %q here. %s", f.Name, f.Reason)
		compare(t, f.Name, script(t, "", f.Name+"()", Options{}), want)
	}
}

// TestNothingImpureIsUsed looks at the source: nothing in this package asks for
// the time, for chance, or for what belongs to the machine or its user.
func TestNothingImpureIsUsed(t *testing.T) {
	never := map[string][]string{
		"time": {"Now", "Since", "Until", "Local"},
		"os":   {"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Hostname", "UserHomeDir", "UserConfigDir", "UserCacheDir", "TempDir", "Getpid", "Getuid"},
	}
	files, _ := filepath.Glob("*.go")
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range file.Imports {
			if path := strings.Trim(imp.Path.Value, `"`); slices.Contains([]string{"math/rand", "math/rand/v2", "crypto/rand", "os/exec", "os/user", "net", "net/http"}, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && slices.Contains(never[pkg.Name], sel.Sel.Name) {
				t.Errorf("%s uses %s.%s", name, pkg.Name, sel.Sel.Name)
			}
			return true
		})
	}
}

func TestFunctionErrors(t *testing.T) {
	tests := []struct{ expr, want string }{
		{`index(["a"], "b")`, "the list does not hold the value"},
		{`index([], "b")`, "the list is empty"},
		{`index({ a = 1 }, "b")`, "a list is needed"},
		{`lookup({ a = "x" }, "b")`, "no default is given"},
		{`lookup("x", "b")`, "a map is needed"},
		{`lookup({ a = "x" }, "b", "c", "d")`, "at most one default"},
		{`join("", matchkeys(["a"], [], ["1"]))`, "as many keys as values"},
		{`urldecode("%zz")`, "not a URL-encoded"},
		{`timecmp("yesterday", "2026-01-02T02:04:05Z")`, "a time is needed"},
		{`uuidv5("x", "y")`, "the namespace is a UUID"},
		{`cidrhost("10.0.0.0/8", 16777216)`, "not so many addresses"},
		{`cidrhost("10.0.0.1", 1)`, "an address block is needed"},
		{`cidrhost("10.0.0.0/24", 1.5)`, "a whole number"},
		{`cidrhost("10.0.0.0/24", 1e300)`, "a whole number"},
		{`cidrhost("10.0.0.0/24", -257)`, "not so many addresses"},
		{`cidrnetmask("fd00::/8")`, "only IPv4"},
		{`cidrsubnet("10.0.0.0/24", 9, 0)`, "0 to 8 bits"},
		{`cidrsubnet("10.0.0.0/24", 1e20, 0)`, "0 to 8 bits"},
		{`cidrsubnet("10.0.0.0/24", 2, 4)`, "no more than 4"},
		{`join("", cidrsubnets("10.0.0.0/24", 1, 1, 8))`, "not enough addresses"},
		{`join("", cidrsubnets("10.0.0.0/24", 0))`, "1 to 8 bits"},
		{`timestmp()`, "Did you mean"},
	}
	for _, tt := range tests {
		if got := script(t, "", tt.expr, Options{}); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s\nwant %s", tt.expr, got, tt.want)
		}
	}
	for expr, want := range map[string]string{
		`cidrhost("10.0.0.0/24", -1)`:                             "10.0.0.255",
		`cidrhost("fd00::/8", 4294967296)`:                        "fd00::1:0:0",
		`cidrsubnet("10.0.0.0/24", 0, 0)`:                         "10.0.0.0/24",
		`jsonencode(cidrsubnets("10.0.0.0/8"))`:                   "[]",
		`lookup({ a = 1 }, "a")`:                                  "1",
		`lookup(tomap({}), "a", "d")`:                             "d",
		`timecmp("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")`: "-1",
	} {
		compare(t, expr, script(t, "", expr, Options{}), want)
	}
}

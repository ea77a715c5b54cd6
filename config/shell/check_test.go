package shell

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// show writes the problems of a script: "E" or "W", what is marked, the text.
func show(text string, problems []Problem) string {
	var lines []string
	for _, p := range problems {
		kind := "E"
		if p.Warning {
			kind = "W"
		}
		lines = append(lines, fmt.Sprintf("%s %d:%s: %s", kind, p.Offset, text[p.Offset:p.End], p.Text))
	}
	return strings.Join(lines, "\n")
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"echo 'a":                       "E 5:': Reached the end without closing quote `'`.",
		"a \"b":                         "E 2:\": Reached the end without closing quote `\"`.",
		"a `b":                          "E 2:`: Reached the end without closing quote \"`\".",
		"if a; then b":                  "E 0:if: `if` statement must end with `fi`.",
		"x\nif a; then b; else\n":       "E 16:else: `else` must be followed by a statement list.",
		"while a; do b":                 "E 0:while: `while` statement must end with `done`.",
		"while a; b; done":              "E 12:done: `done` can only be used to end a loop.",
		"for a in b c; d":               "E 0:for: The words of a `for` must be followed by `do`.",
		"for; do a; done":               "E 0:for: `for` must be followed by a name.",
		"case a in b) c":                "E 0:case: `case` statement must end with `esac`.",
		"case a b) c;; esac":            "E 0:case: `case x` must be followed by `in`.",
		"case a in b c;; esac":          "E 12:c: Case patterns must be separated with `|`.",
		"fi":                            "E 0:fi: `fi` can only be used to end an `if`.",
		"a; }":                          "E 3:}: `}` can only be used to close a block.",
		"a )":                           "E 2:): A command can only contain words and redirects; encountered `)`.",
		"( a":                           "E 0:(: Reached the end without matching `(` with `)`.",
		"{ a":                           "E 0:{: Reached the end without matching `{` with `}`.",
		"a $(b":                         "E 2:$: Reached the end without matching `$(` with `)`.",
		"a <(b":                         "E 2:<: Reached the end without matching `<(` with `)`.",
		"a &&":                          "E 2:&&: `&&` must be followed by a statement.",
		"a | | b":                       "E 2:|: `|` must be followed by a statement.",
		"; a":                           "E 0:;: `;` can only immediately follow a statement.",
		"a;; b":                         "E 1:;;: `;;` can only be used in a case clause.",
		"a > ":                          "E 2:>: `>` must be followed by a word.",
		"(a) b":                         "E 4:b: Commands must be separated by ;, & or a new line.",
		"a (b)":                         "E 0:a: After a word, an opening bracket begins a function, and here the closing one does not follow.",
		"f() {\n":                       "E 4:{: `{` must be followed by a statement list.",
		"echo é; «":                     "",
		"echo é; fi":                    "E 9:fi: `fi` can only be used to end an `if`.",
		"exit 1; fi":                    "E 8:fi: `fi` can only be used to end an `if`.",
		"a || exit 1\nfi":               "E 12:fi: `fi` can only be used to end an `if`.",
		"exec >log\nfi":                 "E 10:fi: `fi` can only be used to end an `if`.",
		"#!/bin/sh -e\nfi":              "E 13:fi: `fi` can only be used to end an `if`.",
		"cat <<E\n\nE\nfi":              "E 11:fi: `fi` can only be used to end an `if`.",
		"#!/usr/bin/env -S perl -w\nmy": "W 0:#!/usr/bin/env -S perl -w: The first line names another program, but a shell runs the script.",
		"a\r\nb\r\nc":                   "W 0:a: The lines end with a carriage return, which the shell takes for a part of the last word.",
		"\r\n\r\n":                      "W 0:\r: The lines end with a carriage return, which the shell takes for a part of the last word.",
		"\n # a\n#b\n":                  "W 2:#: There are only comments in the script.",
		"cat <<E\nE x":                  "W 4:<<: Unclosed here-document `E`.",
		"echo ${a!}":                    "W 8:!: Not a valid parameter expansion operator: `!`.",
		"alias b={\nb x; }":             "W 15:}: `}` can only be used to close a block.",
		"a=`b'`\nc `":                   "W 4:': Reached the end without closing quote `'`.",
		"cat <<E\n$(a '\nE\n":           "W 12:': Reached the end without closing quote `'`.",
		"cat <<E\n$(a\nE\nf() { b; }":   "W 8:$: Reached the end without matching `$(` with `)`.",
		"cat <<E\n$(a\nE\nb; done":      "E 17:done: `done` can only be used to end a loop.",
		"case a { b) c;; }":             "W 0:case: The shell may not know this: `case i {`.",
	} {
		if got := show(text, Check(text, Bash)); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

// right are scripts that bash takes, or at which it fails only when it comes to
// the place.
var right = []string{
	"", "\n", "a", "a &", "time", "! a", "!", "! ! a", "a=(1 2)", "a[1]=2", "a=b c=(d) e", "declare -A a; a[b c]=1", "a+=(b)",
	"eval a=(b)", "export a=(1) b=2", "let 'M=1'   # (a)", "declare -f x 1>/dev/null 2&1; a", "x=${a[b c]}", "echo $((a); (b))", "((a) | (b))",
	"echo ${a b}", "echo $((1+))", "echo $((a b))", "for a in b; { c; }", "for ((;;)); do a; done", "[[ a =~ ^[a-z ]+$ ]]", "[[ a =~ (b|c) ]]",
	"function a-b { c; }", "a:b() { c; }", "select a in b; do c; done", "coproc a { b; }", "a |& b", "a &>> b", "a <<<b", "diff <(a) >(b)",
	"case a in b) c;;& (d) e;& f) esac", "echo ${ a;}", "exit\nfi", "exec make\n)", "cat <<E\nx", "cat <<\"$x\"\n$x\n", "a=$'b\\'c'", "echo \\",
	"echo \"$(cat <<'E'\n'\nE\n)\"", "shopt -s extglob\necho !(a)", "if a; then :; elif b; then :; else :; fi", "a() (b)", "a() if b; then c; fi", "x=`y '`",
	"echo \"${x:-'}'}\"", "# 'a\nb", "a#b 'c'", "{ a;}", "trap 'a \"b\"' EXIT", "until a\ndo b\ndone <c >d 2>&1", "[ a = b ] && [[ c ]] || { d; }", "\ufeffa",
}

func TestRightScriptsAreNotRefused(t *testing.T) {
	for _, text := range right {
		for _, p := range Check(text, Bash) {
			if !p.Warning {
				t.Errorf("%q: %s", text, p.Text)
			}
		}
	}
	for sh, texts := range map[Shell][]string{
		Ash:  {"((a) | (b))", "[[ a = b && c = d ]]", "function a { b; }", "a <(b)", "echo ${a/b/c} ${a:1} ${a[1]}", "a &>b", "[[ a ]]", "[[ a", "echo \"${a+'}\"", "let; declare a; select; coproc"},
		Dash: {"[[ a", "a &>b", "function a", "echo ${a^^}", "echo \"${a+'}\"", "let; declare a; select; coproc", "a() b", "((a) | (b))"},
	} {
		for _, text := range texts {
			for _, p := range Check(text, sh) {
				if !p.Warning {
					t.Errorf("shell %d: %q: %s", sh, text, p.Text)
				}
			}
		}
	}
}

func TestOtherShells(t *testing.T) {
	for text, want := range map[string][2]string{ // dash, ash
		"a=(1)":             {"W 2:(: This stage runs the script with sh, which does not know arrays.", "W 2:(: This stage runs the script with sh, which does not know arrays."},
		"a <<<b":            {"W 2:<<<: This stage runs the script with sh, which does not know herestrings.", "W 2:<<<: This stage runs the script with sh, which does not know herestrings."},
		"function a { b; }": {"W 11:{: This stage runs the script with sh, which does not know the \"function\" builtin.", ""},
		"a=(1)\nfi":         {"W 6:fi: `fi` can only be used to end an `if`.", "W 6:fi: `fi` can only be used to end an `if`."},
		"a; fi":             {"E 3:fi: `fi` can only be used to end an `if`.", "E 3:fi: `fi` can only be used to end an `if`."},
		"echo 'a":           {"E 5:': Reached the end without closing quote `'`.", "E 5:': Reached the end without closing quote `'`."},
	} {
		for i, sh := range []Shell{Dash, Ash} {
			if got := show(text, Check(text, sh)); got != want[i] {
				t.Errorf("shell %d, %q:\n got %s\nwant %s", sh, text, got, want[i])
			}
		}
	}
}

// TestHostileScripts gives the parser what could exhaust the stack or the time.
func TestHostileScripts(t *testing.T) {
	for _, part := range []string{"(", "{ ", "$(", "`", "\"$(", "if ", "! ", "$((", "$((-", "$((a=", "${a:-", "[[ ! ", "[[ (", "a=(", "<<a ", "<(", "f() ", "case a in b) ", "!(", "a && ", "((", "\\\"`", "time "} {
		for _, n := range []int{300, maxScript / 8 / len(part)} {
			text := strings.Repeat(part, n)
			for _, sh := range []Shell{Bash, Ash} {
				checkSound(t, text, Check(text, sh))
			}
		}
	}
	var starts strings.Builder
	for i := range maxScript / 16 {
		fmt.Fprintf(&starts, "<<a%d\n", i)
	}
	text := starts.String() + "fi"
	checkSound(t, text, Check(text, Bash))
	if got := Check(strings.Repeat("a\n", maxScript), Bash); len(got) != 1 || !got[0].Warning || got[0].Summary != "Script not checked" {
		t.Errorf("a long script: %+v", got)
	}
	if got := Check(strings.Repeat("(", 1<<19), Bash); len(got) != 1 || !got[0].Warning || got[0].Summary != "Script not checked" {
		t.Errorf("a deep script: %+v", got)
	}
}

// checkSound wants problems that can be shown.
func checkSound(t *testing.T, text string, problems []Problem) {
	t.Helper()
	for _, p := range problems {
		inside := p.Offset >= 0 && p.Offset <= p.End && p.End <= len(text)
		if !inside || p.Offset == p.End && text != "" || p.Summary == "" || p.Text == "" || p.Remedy == "" {
			t.Fatalf("%.200q: %+v", text, p)
		}
		if utf8.ValidString(text) && !utf8.ValidString(text[p.Offset:p.End]) {
			t.Fatalf("%.200q: %+v splits a character", text, p)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, text := range right {
		f.Add(text)
	}
	for _, text := range []string{"a 'é", "é(", "cat <<é\n", "世界) ", "if\n\xff", "a\x00b", "a\r\n\r\n", "#!\n", "#! é\nfi", " \n", "alias\n)", "`(`"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, sh := range []Shell{Bash, Dash, Ash} {
			checkSound(t, text, Check(text, sh))
		}
	})
}

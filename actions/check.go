package actions

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// checker collects the problems of one action.
type checker struct {
	block    string // the nested block in which the parameters stand; empty: the action itself
	index    int
	problems []config.Problem
}

func (c *checker) problem(param, summary, detail string) {
	c.problems = append(c.problems, config.Problem{
		Param: param, Block: c.block, Index: c.index, Summary: summary, Detail: detail,
	})
}

// text refuses what no program can be given: a NUL ends a string of C.
func (c *checker) text(param, s string) bool {
	if strings.ContainsRune(s, 0) {
		c.problem(param, "NUL character", "The text holds the character U+0000, which no program can be given.")
		return false
	}
	return true
}

// below checks a path that must stay below some directory.
func (c *checker) below(param, p, dir string) bool {
	if !localPath(p) {
		c.problem(param, "Path outside its directory",
			fmt.Sprintf("Write a path relative to %s, without \"..\" and control characters, that names something below it.", dir))
		return false
	}
	return true
}

// sourceDirs checks directories relative to the source tree; "." is the tree.
func (c *checker) sourceDirs(param string, dirs []string) {
	for _, d := range dirs {
		if path.Clean(d) != "." && !localPath(d) {
			c.problem(param, "Directory outside the source tree",
				"Write a directory relative to the top of the source tree, without \"..\".")
			return
		}
	}
}

// words checks a list whose members are arguments of a program and must not be
// taken for its options.
func (c *checker) words(param, what string, words []string) {
	for _, w := range words {
		if w == "" || strings.HasPrefix(w, "-") || strings.ContainsFunc(w, unicode.IsControl) {
			c.problem(param, "Not a "+what,
				fmt.Sprintf("A %s is not empty, does not begin with a hyphen and has no control characters.", what))
			return
		}
	}
}

// localPath reports whether p is relative, names something below its directory
// and is printable.
func localPath(p string) bool {
	return p != "" && !strings.HasPrefix(p, "/") && !strings.HasSuffix(p, "/") &&
		!strings.ContainsFunc(p, unicode.IsControl) && path.Clean(p) != "." && fs.ValidPath(path.Clean(p))
}

// blank reports whether s holds nothing but white space.
func blank(s string) bool { return strings.TrimSpace(s) == "" }

// workDir turns an argument into guest.Exec.Dir, where the source tree is the
// empty string.
func workDir(dir string) string {
	if dir == "" || path.Clean(dir) == "." {
		return ""
	}
	return path.Clean(dir)
}

// quote returns s as one word of a POSIX shell.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// quoteAll returns words as words of a POSIX shell.
func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

// script returns a step that runs shell text on any POSIX shell.
func script(text string, env map[string]string) guest.Step {
	return guest.Step{Exec: &guest.Exec{Script: text, Shell: "sh", Dir: guest.DirRoot, Env: env}}
}

// fetchScript returns a step that is repeated when it fails, and whose final
// failure is an outage. The script must exit with success, and leave a note for
// a later step, when the failure is the project's own.
func fetchScript(text string, env map[string]string, retries int64) guest.Step {
	s := script(text, env)
	s.Exec.Retries, s.Exec.Outage = int(retries), true
	return s
}

// retriesParam is the argument that all fetchers have.
var retriesParam = config.Param{
	Name: "retries", Type: config.TypeNumber, Default: int64(4),
	Doc: "How often a fetch that fails is tried again, from 0 to 20, with growing pauses in between.",
}

func (c *checker) retries(args config.Args) {
	if n := args.Int("retries"); n < 0 || n > 20 {
		c.problem("retries", "Retries out of range", "Write a number from 0 to 20.")
	}
}

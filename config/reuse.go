package config

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Reuse is what a stage says of using an earlier result instead of running. A
// plan stage that says nothing is reused as long as it would see the same; a pre
// stage that says nothing, as long as its actions declare.
type Reuse struct {
	Off    bool          // never
	Files  []string      // patterns: what a pre stage depends on in the source tree
	MaxAge time.Duration // of the result of a pre stage; 0: no limit
}

const reuseDoc = "Whether an earlier result of the stage is used instead of running it, when the stage would see the same. " +
	"Write `false` where the result depends on something else, such as the time or a random number."

var reuseArg = argSpec{Name: "reuse", Type: "bool", Default: "true", Doc: reuseDoc}

var reuseSpec = &blockSpec{
	Name: "reuse", Single: true,
	Doc: "Says what the result of a `pre` stage depends on beside its actions, image, environment and limits. It is used again until that changes or it is too old. " +
		"Without the block, actions that fetch say it themselves: by the lock files and manifests that they read, by checksums and commits, or for a day. A stage with any other action, " +
		"such as `shell`, or with a file without checksum or a branch that may move, runs each time.",
	Example: "reuse {\n  files   = [\"go.sum\", \"third_party\", \"**/*.lock\"]\n  max_age = \"24h\"\n}",
	Args: []argSpec{
		{Name: "files", Type: "list(string)", Default: "[]", Doc: "Paths in the source tree: files, directories with all below them, or patterns with `*` and `?`; `**/` at the beginning stands for any directory."},
		{Name: "max_age", Type: "duration", Default: "none", Doc: "How old the result may be, from 1s to 8760h."},
	},
}

// maxMaxAge bounds max_age.
const maxMaxAge = 365 * 24 * time.Hour

// withReuse adds to the table of a phase what it can say of reuse.
func withReuse(s *blockSpec, phase Phase) *blockSpec {
	if phase != Post {
		s.Args = append(s.Args, reuseArg)
	}
	if phase == Pre {
		s.Blocks = append(s.Blocks, reuseSpec)
	}
	return s
}

// reuse evaluates the argument and the block, nil when there is neither.
func (l *loader) reuse(in *instance, c content) *Reuse {
	var r *Reuse
	a := c.attrs[reuseArg.Name]
	if a != nil {
		v, ok := l.plainAs(a.Expr, cty.Bool, scope{in: in})
		if ok && v.False() {
			r = &Reuse{Off: true}
		}
	}
	for _, b := range c.of(reuseSpec.Name) {
		if a != nil {
			l.add(Errorf(b.DefRange(), "Reuse written twice", "The argument \"reuse\" stands at %s. Keep one of the two: the block says what the stage depends on, reuse = false that it always runs.", place(a.NameRange)))
			continue
		}
		return l.reuseBlock(in, b)
	}
	return r
}

func (l *loader) reuseBlock(in *instance, b *hclsyntax.Block) *Reuse {
	r := &Reuse{}
	c := l.read(reuseSpec, b.Body, b.DefRange())
	if a := c.attrs["files"]; a != nil {
		r.Files = l.reuseFiles(a, in)
	}
	if a := c.attrs["max_age"]; a != nil {
		r.MaxAge = l.maxAge(a, in)
	}
	if len(c.attrs) == 0 && len(b.Body.Attributes) == 0 {
		l.add(Errorf(b.DefRange(), "Empty block", "Say with files what the stage depends on, or with max_age how long its result is good."))
	}
	return r
}

func (l *loader) reuseFiles(a *hclsyntax.Attribute, in *instance) []string {
	v, ok := l.plainAs(a.Expr, cty.List(cty.String), scope{in: in})
	if !ok {
		return nil
	}
	files := stringList(v)
	for i, f := range files {
		if err := checkFilePattern(f); err != nil {
			l.add(Errorf(elementRange(a.Expr, i), "Invalid path", "It names nothing in the source tree: %s.", err))
		}
	}
	return sorted(files)
}

func checkFilePattern(pattern string) error {
	rest := strings.TrimPrefix(pattern, "**/")
	if _, err := path.Match(rest, ""); err != nil {
		return fmt.Errorf("a bracket or a backslash is not closed")
	}
	if !filepath.IsLocal(rest) || path.Clean(rest) != rest || strings.Contains(rest, "**") || strings.ContainsRune(rest, 0) {
		return fmt.Errorf("write a path relative to the top of the tree, without \"..\"; \"**/\" may stand at its beginning only")
	}
	return nil
}

func (l *loader) maxAge(a *hclsyntax.Attribute, in *instance) time.Duration {
	v, ok := l.plain(a.Expr, scope{in: in})
	if !ok || v.IsNull() {
		return 0
	}
	n, err := durationOf(v)
	if err == nil && (n < int64(time.Second) || n > int64(maxMaxAge)) {
		err = fmt.Errorf("it goes from 1s to %s", FormatDuration(maxMaxAge))
	}
	if err != nil {
		l.add(Errorf(exprRange(a), "Invalid duration", "The age is not right: %s.", err))
		return 0
	}
	return time.Duration(n)
}

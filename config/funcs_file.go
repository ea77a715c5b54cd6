package config

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Bounds of the functions that read files.
const (
	maxHashed = 1 << 30 // bytes of a file that is hashed
	maxWalked = 100_000 // entries that fileset looks at
)

// fileFunctions returns the functions that read files below the directory of
// the configuration. Templates can use the given functions and those of this
// list, but no templates.
func fileFunctions(root *os.Root, others map[string]function.Function) map[string]function.Function {
	t := tree{root}
	own := map[string]function.Function{
		"file":       textFunc("path", t.text),
		"filebase64": textFunc("path", t.base64),
		"fileexists": t.existsFunc(),
		"fileset":    t.setFunc(),
	}
	maps.Copy(own, t.hashFunctions())
	inTemplate := maps.Clone(others)
	maps.Copy(inTemplate, own)
	for name, f := range inTemplate {
		inTemplate[name] = bounded(name, f)
	}
	own["templatefile"] = t.templateFunc(inTemplate)
	return own
}

// tree is the directory of the configuration, as its functions see it: without
// .git, which may hold the user's credentials.
type tree struct{ root *os.Root }

// locate checks a path and makes it relative to the tree.
func (t tree) locate(name string) (string, error) {
	name = filepath.Clean(name)
	if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) {
		return "", errors.New("the path must stay inside the directory of the configuration: write it relative to that directory")
	}
	base, err := filepath.EvalSymlinks(t.root.Name())
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(filepath.Join(base, name))
	if err != nil {
		return "", fmt.Errorf("%q can not be read: %s", name, cause(err))
	}
	rel, err := filepath.Rel(base, real)
	if err != nil || !filepath.IsLocal(rel) {
		return "", errors.New("the path leads out of the directory of the configuration")
	}
	if slices.Contains(strings.Split(rel, string(filepath.Separator)), ".git") {
		return "", errors.New("what is in .git can not be read")
	}
	return rel, nil
}

func (t tree) read(name string) ([]byte, error) {
	rel, err := t.locate(name)
	if err != nil {
		return nil, err
	}
	data, err := readBounded(t.root, rel, maxData)
	if err != nil {
		return nil, fmt.Errorf("%q can not be read: %s", name, cause(err))
	}
	return data, nil
}

func (t tree) text(name string) (string, error) {
	data, err := t.read(name)
	if err == nil && !utf8.Valid(data) {
		err = fmt.Errorf("%q is not UTF-8 text: use filebase64", name)
	}
	return string(data), err
}

func (t tree) base64(name string) (string, error) {
	data, err := t.read(name)
	return base64.StdEncoding.EncodeToString(data), err
}

// hash returns the checksum of a file of any size up to maxHashed.
func (t tree) hash(name, kind string) ([]byte, error) {
	rel, err := t.locate(name)
	if err != nil {
		return nil, err
	}
	f, err := openRegular(t.root, rel)
	if err != nil {
		return nil, fmt.Errorf("%q can not be read: %s", name, cause(err))
	}
	defer f.Close()
	h := newHash(kind)
	n, err := io.Copy(h, io.LimitReader(f, maxHashed+1))
	if err == nil && n > maxHashed {
		err = fmt.Errorf("%q is larger than %s", name, FormatSize(maxHashed))
	}
	return h.Sum(nil), err
}

func (t tree) existsFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("path", cty.String)},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			if !filepath.IsLocal(name) {
				_, err := t.locate(name)
				return cty.DynamicVal, err
			}
			rel, err := t.locate(name)
			if err != nil {
				return cty.False, nil
			}
			info, err := t.root.Stat(rel)
			return cty.BoolVal(err == nil && info.Mode().IsRegular()), nil
		},
	})
}

// setFunc makes fileset(dir, pattern): the regular files below dir whose paths,
// relative to dir, match. "**" matches any number of directories.
func (t tree) setFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("dir", cty.String), param("pattern", cty.String)},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			found, err := t.match(args[0].AsString(), args[1].AsString())
			if err != nil {
				return cty.DynamicVal, err
			}
			if len(found) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			return cty.SetVal(found), nil
		},
	})
}

func (t tree) match(dir, pattern string) ([]cty.Value, error) {
	re, err := globPattern(pattern)
	if err != nil {
		return nil, err
	}
	rel, err := t.locate(dir)
	if err != nil {
		return nil, err
	}
	var found []cty.Value
	walked := 0
	err = fs.WalkDir(t.root.FS(), filepath.ToSlash(rel), func(p string, e fs.DirEntry, err error) error {
		walked++
		switch {
		case err != nil:
			return err
		case walked > maxWalked:
			return fmt.Errorf("%q holds more than %d files", dir, maxWalked)
		case e.Name() == ".git":
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		name := strings.TrimPrefix(p, strings.TrimPrefix(filepath.ToSlash(rel), ".")+"/")
		if e.Type().IsRegular() && re.MatchString(name) && utf8.ValidString(name) {
			found = append(found, cty.StringVal(name))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%q can not be read: %s", dir, cause(err))
	}
	return found, nil
}

// globPattern compiles a pattern with "*", "?", "**" and "{a,b}".
func globPattern(pattern string) (*regexp.Regexp, error) {
	if !filepath.IsLocal(strings.ReplaceAll(pattern, "*", "x")) {
		return nil, errors.New("the pattern must stay inside the directory")
	}
	var b strings.Builder
	b.WriteByte('^')
	braces := 0
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch {
		case strings.HasPrefix(rest, "**/"):
			b.WriteString(`(?:[^/]+/)*`)
			i += 2
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			i++
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
		case rest[0] == '?':
			b.WriteString(`[^/]`)
		case rest[0] == '{':
			b.WriteString(`(?:`)
			braces++
		case rest[0] == '}' && braces > 0:
			b.WriteByte(')')
			braces--
		case rest[0] == ',' && braces > 0:
			b.WriteByte('|')
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
		}
	}
	b.WriteByte('$')
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("the pattern %q is not valid", pattern)
	}
	return re, nil
}

// templateFunc makes templatefile(path, vars).
func (t tree) templateFunc(inside map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{param("path", cty.String), param("vars", cty.DynamicPseudoType)},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			vars := args[1]
			if !vars.Type().IsObjectType() && !vars.Type().IsMapType() {
				return cty.DynamicVal, function.NewArgErrorf(1, "a map is needed, such as { name = \"x\" }")
			}
			ctx := &hcl.EvalContext{Functions: inside, Variables: map[string]cty.Value{}}
			for k, v := range vars.Elements() {
				ctx.Variables[k.AsString()] = v
			}
			return t.render(args[0].AsString(), ctx)
		},
	})
}

func (t tree) render(name string, ctx *hcl.EvalContext) (cty.Value, error) {
	src, err := t.text(name)
	if err != nil {
		return cty.DynamicVal, err
	}
	data := bytes.ReplaceAll([]byte(src), []byte("\r\n"), []byte("\n"))
	tokens, diags := hclsyntax.LexTemplate(data, path.Clean(name), hcl.InitialPos)
	if d := checkNesting(tokens); d != nil {
		diags = append(diags, d)
	}
	if err := templateError(diags); err != nil {
		return cty.DynamicVal, err
	}
	e, diags := hclsyntax.ParseTemplate(data, path.Clean(name), hcl.InitialPos)
	if err := templateError(diags); err != nil {
		return cty.DynamicVal, err
	}
	v, diags := e.Value(ctx)
	if err := templateError(diags); err != nil {
		return cty.DynamicVal, err
	}
	v, err = convertTo(v, cty.String)
	if err == nil && (v.IsNull() || !v.IsKnown()) {
		err = errors.New("the template gives no text")
	}
	return v, err
}

// templateError puts the place of the first mistake in a template into an error.
func templateError(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError && d.Subject != nil {
			return fmt.Errorf("%s: %s; %s", place(*d.Subject), d.Summary, d.Detail)
		}
	}
	return nil
}

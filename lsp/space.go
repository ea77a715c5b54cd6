package lsp

import (
	"path/filepath"
	"slices"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/config/outline"
)

// space is all files of one directory, as they are now, and the place in one of
// them that a request is about.
type space struct {
	files   map[string]*file
	names   []string // of files, sorted
	here    *file
	actions map[string]*config.ActionSchema
}

// file is one file of a space.
type file struct {
	uri  string
	text *text
	*outline.Outline
}

// space reads the directory of a file.
func (s *server) space(d *document) *space {
	sp := &space{files: map[string]*file{}, actions: s.opts.Actions}
	sp.here = &file{d.uri, d.text, outline.Parse([]byte(d.text.src))}
	if d.path == "" {
		sp.files[""], sp.names = sp.here, []string{""}
		return sp
	}
	dir, name := filepath.Split(d.path)
	dir = filepath.Clean(dir)
	docs, texts := s.openIn(dir), map[string][]byte{}
	for other, doc := range docs {
		texts[other] = []byte(doc.text.src)
	}
	for other, src := range config.Sources(dir, texts) {
		f := &file{uriOf(filepath.Join(dir, other)), newText(string(src)), outline.Parse(src)}
		if doc := docs[other]; doc != nil {
			f.uri = doc.uri
		}
		sp.files[other] = f
	}
	sp.files[name] = sp.here
	for other := range sp.files {
		sp.names = append(sp.names, other)
	}
	slices.Sort(sp.names)
	return sp
}

// symbol is something that has a name and can be referred to.
type symbol struct {
	name  string
	file  *file
	span  outline.Span   // of the name
	block *outline.Block // that declares it
	attr  *outline.Attr  // in a locals block
}

// declared returns the blocks of a type at the top of all files, by their first
// label.
func (sp *space) declared(kind string) []symbol {
	var all []symbol
	for _, name := range sp.names {
		f := sp.files[name]
		for _, b := range f.Blocks(kind) {
			if len(b.Labels) > 0 {
				all = append(all, symbol{b.Labels[0].Text, f, b.Labels[0].Span, b, nil})
			}
		}
	}
	return all
}

// secrets returns the secrets of all files, by their second label.
func (sp *space) secrets() []symbol {
	var all []symbol
	for _, s := range sp.declared("secret") {
		if labels := s.block.Labels; len(labels) == 2 {
			s.name, s.span = labels[1].Text, labels[1].Span
			all = append(all, s)
		}
	}
	return all
}

// nextSecret returns what follows secret, secret.KIND or secret.KIND.NAME.
func (sp *space) nextSecret(path []string) []symbol {
	switch len(path) {
	case 1:
		return words("ssh", "token")
	case 2:
		return slices.DeleteFunc(sp.secrets(), func(s symbol) bool { return s.block.Label() != path[1] })
	case 3:
		return words("path")
	}
	return nil
}

// locals returns the local values of all files.
func (sp *space) locals() []symbol {
	var all []symbol
	for _, name := range sp.names {
		f := sp.files[name]
		for _, b := range f.Blocks("locals") {
			for _, a := range b.Attrs {
				all = append(all, symbol{a.Name.Text, f, a.Name.Span, b, a})
			}
		}
	}
	return all
}

// inside returns the blocks of a type that stand in another one.
func (sp *space) inside(f *file, b *outline.Block, kind string) []symbol {
	var all []symbol
	if b == nil {
		return nil
	}
	for _, inner := range b.Blocks {
		if inner.Type.Text == kind && len(inner.Labels) > 0 {
			all = append(all, symbol{inner.Labels[0].Text, f, inner.Labels[0].Span, inner, nil})
		}
	}
	return all
}

// attrs returns the arguments of a block, or the names in an argument that is
// a map.
func attrs(f *file, b *outline.Block) []symbol {
	var all []symbol
	if b == nil {
		return nil
	}
	for _, a := range b.Attrs {
		all = append(all, symbol{a.Name.Text, f, a.Name.Span, b, a})
	}
	return all
}

// phases are the types of stages.
var phases = []string{"pre", "plan", "post"}

// next returns what can follow the first names of a reference that stands in a
// block.
func (sp *space) next(path []string, at *outline.Block) []symbol {
	if len(path) == 0 {
		return nil
	}
	switch root := path[0]; {
	case slices.Contains(phases, root):
		return sp.stages(sp.here, at.Enclosing("project"), path)
	case root == "project":
		return sp.nextProject(path)
	case len(path) > 1 && root == "each" && path[1] == "value":
		return attrs(sp.here, matrixOf(at))
	case root == "secret":
		return sp.nextSecret(path)
	case len(path) > 1:
		return nil
	case root == "var":
		return sp.declared("variable")
	case root == "local":
		return sp.locals()
	case root == "image" || root == "limits":
		return sp.declared(root)
	case root == "each":
		return words("key", "value")
	case root == "param":
		return sp.inside(sp.here, sp.userAction(at), "param")
	}
	return nil
}

func (sp *space) nextProject(path []string) []symbol {
	if len(path) == 1 {
		return sp.declared("project")
	}
	for _, p := range sp.declared("project") {
		if p.name != path[1] {
			continue
		}
		if len(path) == 2 {
			return words(phases...)
		}
		return sp.stages(p.file, p.block, path[2:])
	}
	return nil
}

// stages returns what follows plan, or plan.NAME.
func (sp *space) stages(f *file, project *outline.Block, path []string) []symbol {
	switch len(path) {
	case 1:
		return sp.inside(f, project, path[0])
	case 2:
		return words("artifacts")
	}
	return nil
}

// matrixOf returns the matrix block of the stage around a block.
func matrixOf(at *outline.Block) *outline.Block {
	stage := at.Enclosing(phases...)
	if stage == nil {
		return nil
	}
	for _, b := range stage.Blocks {
		if b.Type.Text == "matrix" {
			return b
		}
	}
	return nil
}

// userAction returns the definition of an action around a block.
func (sp *space) userAction(at *outline.Block) *outline.Block {
	for b := at; b != nil && b.Parent != nil; b = b.Parent {
		if b.Parent.Parent == nil && b.Type.Text == "action" {
			return b
		}
	}
	return nil
}

// words are symbols that are declared nowhere.
func words(names ...string) []symbol {
	var all []symbol
	for _, n := range names {
		all = append(all, symbol{name: n})
	}
	return all
}

// find returns the symbol that part i of a reference names, nil if there is
// none.
func (sp *space) find(ref *outline.Ref, i int) *symbol {
	var path []string
	for _, p := range ref.Parts[:i] {
		path = append(path, p.Text)
	}
	for _, s := range sp.next(path, ref.Block) {
		if s.name == ref.Parts[i].Text {
			return &s
		}
	}
	return nil
}

// action returns the definition of a user's action, nil if there is none.
func (sp *space) action(name string) *symbol {
	for _, s := range sp.declared("action") {
		if s.name == name {
			return &s
		}
	}
	return nil
}

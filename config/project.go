package config

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Bounds of what for_each can make.
const (
	maxInstances = 1000  // of one stage
	maxStages    = 10000 // in all
	maxKey       = 128   // bytes of an instance's key
)

// projectDecl is a project block.
type projectDecl struct {
	name    string
	rng     Range // of the label
	block   *hclsyntax.Block
	content content
	stages  []*stageDecl
	byName  map[stageName]*stageDecl
	values  map[Phase]cty.Value // what pre, plan and post evaluate to

	siblings      []Sibling // valid once sourced
	sourced       bool
	brokenSources bool // sources is wrong, which has been reported
}

// find returns the stage of that phase and name, nil if there is none.
func (p *projectDecl) find(phase Phase, name string) *stageDecl {
	return p.byName[stageName{phase, name}]
}

// stageName names a stage in its project.
type stageName struct {
	phase Phase
	name  string
}

// stageDecl is a pre, plan or post block.
type stageDecl struct {
	project   *projectDecl
	phase     Phase
	name      string
	rng       Range // of the label
	block     *hclsyntax.Block
	content   content
	forEach   bool
	broken    bool // for_each is wrong, which has been reported
	instances []*instance
}

// instance is a stage to be evaluated.
type instance struct {
	decl  *stageDecl
	id    StageID
	key   string // empty without for_each
	value cty.Value
	frame *frame // the use of a user-defined action whose body is evaluated; nil: none

	secrets []*Secret // those that the stage names
}

// declareProject registers a project and its stages.
func (l *loader) declareProject(b *hclsyntax.Block) {
	p := &projectDecl{name: b.Labels[0], rng: b.LabelRanges[0], block: b, values: map[Phase]cty.Value{}, byName: map[stageName]*stageDecl{}}
	p.content = l.read(projectSpec, b.Body, b.DefRange())
	if old := l.project(p.name); old != nil {
		l.add(duplicate(p.rng, old.rng, "project", p.name))
		return
	}
	l.projects = append(l.projects, p)
	for _, phase := range Phases {
		for _, sb := range p.content.of(string(phase)) {
			l.declareStage(p, phase, sb)
		}
	}
	if len(p.stages) == 0 && countStages(b.Body) == 0 {
		l.add(Errorf(b.DefRange(), "Project without stages", "A project needs at least one stage, such as:\n  plan \"build\" {\n    action \"shell\" { script = \"make\" }\n  }"))
	}
}

func countStages(body *hclsyntax.Body) int {
	n := 0
	for _, b := range body.Blocks {
		if b.Type == string(Pre) || b.Type == string(Plan) || b.Type == string(Post) {
			n++
		}
	}
	return n
}

func (l *loader) project(name string) *projectDecl {
	for _, p := range l.projects {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (l *loader) declareStage(p *projectDecl, phase Phase, b *hclsyntax.Block) {
	s := &stageDecl{project: p, phase: phase, name: b.Labels[0], rng: b.LabelRanges[0], block: b}
	s.content = l.read(projectSpec.block(string(phase)), b.Body, b.DefRange())
	s.forEach = b.Body.Attributes["for_each"] != nil || len(s.content.of(matrixSpec.Name)) > 0
	if old := p.find(phase, s.name); old != nil {
		l.add(duplicate(s.rng, old.rng, string(phase)+" stage", s.name))
		return
	}
	p.stages = append(p.stages, s)
	p.byName[stageName{phase, s.name}] = s
}

// evaluateProjects expands for_each everywhere, then evaluates every stage.
func (l *loader) evaluateProjects() {
	total := 0
	for _, p := range l.projects {
		for _, s := range p.stages {
			l.expand(s)
			if total += len(s.instances); total > maxStages {
				l.add(Errorf(s.block.DefRange(), "Too many stages", "A configuration can have at most %d stages.", maxStages))
				return
			}
		}
	}
	for _, p := range l.projects {
		l.cfg.Projects = append(l.cfg.Projects, l.evaluateProject(p))
	}
}

// expand makes the instances of a stage.
func (l *loader) expand(s *stageDecl) {
	id := StageID{Project: s.project.name, Phase: s.phase, Name: s.name}
	if !s.forEach {
		s.instances = []*instance{{decl: s, id: id}}
		return
	}
	s.broken = true
	a := s.content.attrs["for_each"]
	if len(s.content.of(matrixSpec.Name)) > 0 {
		l.expandMatrix(s, id)
		return
	}
	v, ok := l.plain(a.Expr, scope{})
	if !ok || !l.checkForEach(v, exprRange(a)) {
		return
	}
	for k, e := range v.Elements() {
		key := k.AsString()
		if key == "" || len(key) > maxKey || printable(key) != key || strings.Contains(key, "\n") {
			l.add(Errorf(exprRange(a), "Invalid key in for_each", "A key has 1 to %d bytes of printable text.", maxKey))
			return
		}
		id.Key = key
		s.instances = append(s.instances, &instance{decl: s, id: id, key: key, value: e})
	}
	s.broken = false
}

func (l *loader) checkForEach(v cty.Value, at Range) bool {
	t := v.Type()
	switch {
	case v.IsNull():
		l.add(Errorf(at, "Missing value", "for_each is null. Give a set of strings or a map."))
	case t.IsListType() || t.IsTupleType():
		l.add(Errorf(at, "Wrong type", "for_each needs a set of strings or a map, and this is a list. Write toset(…) around it."))
	case !(t.IsMapType() || t.IsObjectType() || t.IsSetType() && t.ElementType() == cty.String):
		l.add(Errorf(at, "Wrong type", "for_each needs a set of strings or a map, and this is %s.", typeName(t)))
	case v.LengthInt() > maxInstances:
		l.add(Errorf(at, "Too many instances", "for_each can make at most %d stages.", maxInstances))
	case t.IsSetType() && noNulls(v) != nil:
		l.add(Errorf(at, "Missing value", "An element of for_each is null."))
	default:
		return true
	}
	return false
}

// evaluateProject evaluates a project and all its stages.
func (l *loader) evaluateProject(p *projectDecl) *Project {
	sc := scope{project: p}
	out := &Project{Name: p.name, Range: p.block.DefRange(), Source: l.source(p, scope{}), Sources: l.siblings(p), Timeout: l.projectTimeout(p)}
	out.Git = l.git(p, out.Source)
	base := stageBase{
		image:  l.stageImage(builtIn, p.content, sc),
		limits: l.stageLimits(DefaultLimits(), p.content, sc),
	}
	base.env, base.hidden = l.env(p.content.attrs["env"], sc)
	base.trust = l.trust(l.topTrust(), p.content.of(trustSpec.Name), sc)
	for _, s := range p.stages {
		for _, in := range s.instances {
			out.Stages = append(out.Stages, l.stage(in, base))
		}
	}
	return out
}

// source works out where the source of a project is.
func (l *loader) source(p *projectDecl, sc scope) Source {
	src := Source{Address: l.cfg.Dir, Local: true, Range: p.block.DefRange()}
	a := p.content.attrs["source"]
	if a == nil {
		return src
	}
	src.Range = exprRange(a)
	v, ok := l.plain(a.Expr, sc)
	if !ok || v.IsNull() {
		return src
	}
	if v, ok = l.as(v, cty.String, src.Range); !ok {
		return src
	}
	return l.sourceAt(src, v.AsString())
}

const gitDoc = "Whether the source comes with its git repository as `/ci/src/.git`: the commit that is checked out with all that leads to it, the branch's name and the tags on the way, " +
	"for `git describe`, `git log`, `git status`. It is a clean one: no other branches, remotes, hooks or settings of yours. Files that a sparse checkout leaves out, or a filter changes (LFS), show as changed there. The source is then the top of a git checkout on this machine. " +
	"A commit or tag is then a change that stages run again for. The stage's image needs the package `git`."

// git evaluates whether a project's source comes with its repository.
func (l *loader) git(p *projectDecl, src Source) bool {
	a := p.content.attrs["git"]
	if a == nil {
		return false
	}
	at := exprRange(a)
	v, ok := l.plain(a.Expr, scope{})
	if ok && !v.IsNull() {
		v, ok = l.as(v, cty.Bool, at)
	}
	if !ok || v.IsNull() || v.False() {
		return false
	}
	if !src.Local {
		l.add(Errorf(at, "No repository to hand over", "A source from elsewhere comes without its repository. Remove git = true, or fetch the repository in a pre stage with git_get and history = true."))
		return false
	}
	if l.opts.SkipSourceCheck {
		return true
	}
	_, missing := os.Stat(src.Address) // which is said already
	if _, err := os.Lstat(filepath.Join(src.Address, ".git")); err != nil && missing == nil {
		l.add(Errorf(at, "Not a git checkout", "The source is not the top of a git checkout, so there is no repository to hand over. Name the top in source, run git init there, or remove git = true."))
		return false
	}
	return true
}

// sourceAt makes a source of what a user wrote at src.Range.
func (l *loader) sourceAt(src Source, address string) Source {
	if address == "" || strings.ContainsRune(address, 0) {
		l.add(Errorf(src.Range, "Invalid source", "Write a directory, such as \".\" or \"../lib\", or a go-getter address."))
		return src
	}
	if path := l.localPath(address); path != "" {
		src.Address = path
		l.checkSource(src)
	} else {
		src.Address, src.Local = address, false
	}
	return src
}

// localPath returns the absolute path if the address is a directory's, else "".
// An address has a scheme ("https://", "git::"), a user ("git@"), or begins with
// a host name; a directory of that name wins.
func (l *loader) localPath(address string) string {
	path := address
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.cfg.Dir, path)
	}
	first, rest, _ := strings.Cut(address, "/")
	switch {
	case strings.Contains(address, "://"), strings.Contains(address, "::"):
		return ""
	case first == "" || first == "." || first == "..":
		return path
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	host := strings.Contains(first, ".") && rest != ""
	if host || strings.Contains(first, "@") {
		return ""
	}
	return path
}

func (l *loader) checkSource(src Source) {
	if l.opts.SkipSourceCheck {
		return
	}
	info, err := os.Stat(src.Address)
	switch {
	case err != nil:
		l.add(Errorf(src.Range, "Missing source directory", "The source directory %q can not be read: %s. The path is relative to the directory of this file.", src.Address, cause(err)))
	case !info.IsDir():
		l.add(Errorf(src.Range, "Source is not a directory", "%q is a file. Give the directory that holds the source tree.", src.Address))
	}
}

package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// stagePath is a reference to a stage as it is written.
type stagePath struct {
	decl *stageDecl
	key  string // of an instance; empty: all, or found out by evaluation
	rng  Range
}

// refSet collects the references of a stage, each stage once for each kind.
type refSet struct {
	refs []Ref
	seen map[Ref]bool
}

func (r *refSet) add(id StageID, kind RefKind, rng Range) {
	key := Ref{Stage: id, Kind: kind}
	if r.seen == nil {
		r.seen = map[Ref]bool{}
	}
	if !r.seen[key] {
		r.seen[key] = true
		r.refs = append(r.refs, Ref{Stage: id, Kind: kind, Range: rng})
	}
}

// resolveStage checks a reference to a stage, records it and gives the
// evaluator its value.
func (l *loader) resolveStage(tr hcl.Traversal, sc scope, ctx *hcl.EvalContext) bool {
	if sc.refs == nil {
		l.add(Errorf(tr.SourceRange(), "Reference to a stage not allowed here", "Stages can be referred to in \"after\", in \"env\" of a stage and in the arguments of actions only."))
		return false
	}
	path, d := l.parseStage(tr, sc.in.decl.project)
	if d != nil {
		l.add(d)
		return false
	}
	*sc.refs = append(*sc.refs, path)
	root := tr.RootName()
	if root == "project" {
		ctx.Variables[root] = l.projectsValue()
	} else {
		ctx.Variables[root] = l.phaseValue(sc.in.decl.project, Phase(root))
	}
	return true
}

// parseStage reads plan.build.artifacts, plan.test["short"].artifacts or
// project.lib.plan.build.artifacts; the last name and the key may be missing.
func (l *loader) parseStage(tr hcl.Traversal, p *projectDecl) (stagePath, *Diagnostic) {
	i, phase := 1, Phase(tr.RootName())
	if tr.RootName() == "project" {
		var d *Diagnostic
		if p, phase, d = l.parseProject(tr); d != nil {
			return stagePath{}, d
		}
		i = 3
	}
	name, rng, ok := step(tr, i)
	if !ok {
		return stagePath{}, Errorf(tr.SourceRange(), "Incomplete reference", "Write %s.NAME.artifacts, or %s.NAME in \"after\".", phase, phase)
	}
	s := p.find(phase, name)
	if s == nil {
		return stagePath{}, l.unknownStage(rng, p, phase, name)
	}
	return s.parseRest(tr, i+1)
}

func (l *loader) parseProject(tr hcl.Traversal) (*projectDecl, Phase, *Diagnostic) {
	name, rng, ok := step(tr, 1)
	if !ok {
		return nil, "", Errorf(tr.SourceRange(), "Incomplete reference", "Write project.NAME.plan.STAGE.artifacts.")
	}
	p := l.project(name)
	if p == nil {
		var projects []string
		for _, p := range l.projects {
			projects = append(projects, p.name)
		}
		return nil, "", Errorf(rng, "Unknown project", "There is no project %q. %s", name, orList(projects, name, "projects"))
	}
	phase, rng, ok := step(tr, 2)
	switch {
	case !ok:
		return nil, "", Errorf(tr.SourceRange(), "Incomplete reference", "Write project.%s.plan.STAGE.artifacts.", name)
	case !slices.Contains(Phases, Phase(phase)):
		return nil, "", Errorf(rng, "Unknown phase", "There is no phase %q. %s", phase, orList([]string{"pre", "plan", "post"}, phase, "phases"))
	}
	return p, Phase(phase), nil
}

func (l *loader) unknownStage(at Range, p *projectDecl, phase Phase, name string) *Diagnostic {
	var same []string
	hint := ""
	for _, s := range p.stages {
		if s.phase == phase {
			same = append(same, s.name)
		} else if s.name == name {
			hint = fmt.Sprintf("Did you mean %s.%s?", s.phase, name)
		}
	}
	for _, other := range l.projects {
		if hint == "" && other != p && other.find(phase, name) != nil {
			hint = fmt.Sprintf("Did you mean project.%s.%s.%s?", other.name, phase, name)
		}
	}
	if hint == "" || nearest(name, same) != "" {
		hint = orList(same, name, string(phase)+" stages")
	}
	return Errorf(at, "Unknown stage", "The project %q has no stage %s.%s. %s", p.name, phase, name, hint)
}

// parseRest reads what follows the name of a stage.
func (s *stageDecl) parseRest(tr hcl.Traversal, i int) (stagePath, *Diagnostic) {
	path := stagePath{decl: s, rng: tr.SourceRange()}
	short := string(s.phase) + "." + s.name
	if i < len(tr) && s.forEach {
		key, rng, ok := step(tr, i)
		_, index := tr[i].(hcl.TraverseIndex)
		switch {
		case !index || !ok:
			return path, Errorf(tr[i].SourceRange(), "Reference to a stage with for_each", "%s has instances. Write %s[\"KEY\"], or [for s in %s : s.artifacts] for all of them.", short, short, short)
		case s.broken:
		case !slices.Contains(s.keys(), key):
			return path, Errorf(rng, "Unknown instance", "%s has no instance %q. %s", short, key, orList(s.keys(), key, "instances"))
		}
		path.key = key
		i++
	}
	if i >= len(tr) {
		return path, nil
	}
	name, rng, ok := step(tr, i)
	_, index := tr[i].(hcl.TraverseIndex)
	switch {
	case index && !s.forEach:
		return path, Errorf(tr[i].SourceRange(), "Stage without instances", "%s has no for_each, and so no instances. Write %s.artifacts.", short, short)
	case !ok || name != "artifacts":
		return path, Errorf(rng, "Unknown attribute of a stage", "A stage has no attribute %q. %s", name, orList([]string{"artifacts"}, name, "attributes"))
	case len(tr) > i+1:
		return path, Errorf(tr[i+1].SourceRange(), "Reference too long", "%s.artifacts is the path of a directory. Write \"${%s.artifacts}/FILE\".", short, short)
	}
	return path, nil
}

func (s *stageDecl) keys() []string {
	var keys []string
	for _, in := range s.instances {
		keys = append(keys, in.key)
	}
	return keys
}

// phaseValue is what plan, pre or post evaluates to inside a project.
func (l *loader) phaseValue(p *projectDecl, phase Phase) cty.Value {
	if v, ok := p.values[phase]; ok {
		return v
	}
	attrs := map[string]cty.Value{}
	for _, s := range p.stages {
		if s.phase == phase {
			attrs[s.name] = s.reference()
		}
	}
	p.values[phase] = cty.ObjectVal(attrs)
	return p.values[phase]
}

func (l *loader) projectsValue() cty.Value {
	if l.allProjects != cty.NilVal {
		return l.allProjects
	}
	attrs := map[string]cty.Value{}
	for _, p := range l.projects {
		phases := map[string]cty.Value{}
		for _, phase := range Phases {
			phases[string(phase)] = l.phaseValue(p, phase)
		}
		attrs[p.name] = cty.ObjectVal(phases)
	}
	l.allProjects = cty.ObjectVal(attrs)
	return l.allProjects
}

// reference is what plan.NAME evaluates to. The mark travels with everything
// that is made from it, and so tells which instances an expression uses.
func (s *stageDecl) reference() cty.Value {
	if s.broken {
		return cty.DynamicVal
	}
	attrs := map[string]cty.Value{}
	for _, in := range s.instances {
		v := cty.ObjectVal(map[string]cty.Value{"artifacts": cty.StringVal(in.id.Inputs())}).Mark(stageMark{in.id})
		if !s.forEach {
			return v
		}
		attrs[in.key] = v
	}
	return cty.ObjectVal(attrs)
}

// evalRefs evaluates an expression in which the artifacts of stages may be
// referred to, and records these references. Marks of stages are gone from the
// value, those of sensitive variables are not.
func (l *loader) evalRefs(e hclsyntax.Expression, in *instance, refs *refSet) (cty.Value, bool) {
	var paths []stagePath
	v, ok := l.eval(e, scope{in: in, refs: &paths})
	v, used := stripStages(v)
	for _, path := range paths {
		if d := checkArtifacts(in, path); d != nil {
			l.add(d)
			ok = false
			continue
		}
		for _, target := range path.targets(used) {
			if target.id == in.id {
				l.add(Errorf(path.rng, "Stage refers to itself", "%s can not use its own artifacts: it is what makes them.", in.id.Short()))
				ok = false
				break
			}
			refs.add(target.id, RefArtifacts, path.rng)
		}
	}
	return v, ok
}

// stripStages removes the marks of stages and returns the stages.
func stripStages(v cty.Value) (cty.Value, map[StageID]bool) {
	used := map[StageID]bool{}
	v, marks := v.UnmarkDeepWithPaths()
	for i := range marks {
		keep := cty.ValueMarks{}
		for m := range marks[i].Marks {
			if s, ok := m.(stageMark); ok {
				used[s.id] = true
			} else {
				keep[m] = struct{}{}
			}
		}
		marks[i].Marks = keep
	}
	marks = slices.DeleteFunc(marks, func(m cty.PathValueMarks) bool { return len(m.Marks) == 0 })
	return v.MarkWithPaths(marks), used
}

// targets returns the instances that a reference means: the one it names, those
// that the evaluation used, or all.
func (p stagePath) targets(used map[StageID]bool) []*instance {
	var named, touched []*instance
	for _, in := range p.decl.instances {
		if p.key != "" && in.key == p.key {
			named = append(named, in)
		}
		if used[in.id] {
			touched = append(touched, in)
		}
	}
	switch {
	case p.key != "":
		return named
	case len(touched) > 0:
		return touched
	}
	return p.decl.instances
}

// checkArtifacts says which phases may use whose artifacts.
func checkArtifacts(in *instance, path stagePath) *Diagnostic {
	from, to := in.decl.phase, path.decl.phase
	switch {
	case to == Pre:
		return Errorf(path.rng, "Pre stages have no artifacts", "A pre stage fills /ci/deps, which every plan stage of its project reads. Refer to a plan stage, or read /ci/deps.")
	case from == Pre:
		return Errorf(path.rng, "Artifacts not allowed in a pre stage", "A pre stage has a network and must not depend on what the project's code made. Use the artifacts in a plan or post stage.")
	case from == Plan && to == Post:
		return Errorf(path.rng, "Later phase", "A plan stage can not use what a post stage makes, since post stages run later.")
	}
	return nil
}

// after evaluates the order that a stage asks for.
func (l *loader) after(in *instance, c content) []Ref {
	a := c.attrs["after"]
	if a == nil {
		return nil
	}
	tuple, ok := a.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		l.add(Errorf(exprRange(a), "Not a list of stages", "Write stages in square brackets, such as after = [plan.lint]."))
		return nil
	}
	refs := &refSet{}
	for _, e := range tuple.Exprs {
		l.afterOne(in, e, refs)
	}
	return refs.refs
}

func (l *loader) afterOne(in *instance, e hclsyntax.Expression, refs *refSet) {
	var paths []stagePath
	v, ok := l.eval(e, scope{in: in, refs: &paths})
	if !ok {
		return
	}
	plain, used := stripStages(v)
	if len(paths) == 0 || plain.IsKnown() && !plain.Type().IsObjectType() {
		l.add(Errorf(e.Range(), "Not a stage", "Write a stage without quotes, such as plan.lint or project.lib.plan.build."))
		return
	}
	for _, path := range paths {
		if slices.Index(Phases, path.decl.phase) > slices.Index(Phases, in.decl.phase) {
			l.add(Errorf(path.rng, "Later phase", "A %s stage can not run after a %s stage: phases run in the order pre, plan, post.", in.decl.phase, path.decl.phase))
			continue
		}
		for _, target := range path.targets(used) {
			if target.id == in.id {
				l.add(Errorf(path.rng, "Stage refers to itself", "%s can not run after itself.", in.id.Short()))
				return
			}
			refs.add(target.id, RefAfter, path.rng)
		}
	}
}

package config

import (
	"net/url"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// SourcesDir is the directory in the guest under which the further sources of a
// project appear.
const SourcesDir = "/ci/sources"

// maxSiblings is how many further sources a project can have.
const maxSiblings = 64

const sourcesDoc = "Further source trees by name, such as `{ lib = \"git::https://example.org/lib.git?ref=v1.2.0\", data = \"../data\" }`: directories, or go-getter addresses that are pinned by " +
	"`ref=` (a commit is the only one that can not move) or, for an archive, by `checksum=`. Every stage of the project finds them in `/ci/sources/NAME`, as `source.NAME` says, " +
	"with the same access as to `/ci/src`."

// Sibling is a source tree beside the main one of a project.
type Sibling struct {
	Name string
	Source
}

// Dir returns the directory of the tree in the guest.
func (s Sibling) Dir() string { return SourcesDir + "/" + s.Name }

// siblings evaluates the sources argument of a project, once.
func (l *loader) siblings(p *projectDecl) []Sibling {
	if !p.sourced {
		p.sourced = true
		p.siblings = l.readSiblings(p)
	}
	return p.siblings
}

func (l *loader) readSiblings(p *projectDecl) []Sibling {
	a := p.content.attrs["sources"]
	if a == nil {
		return nil
	}
	p.brokenSources = true
	v, ok := l.plain(a.Expr, scope{})
	if !ok || v.IsNull() {
		p.brokenSources = !ok
		return nil
	}
	if t := v.Type(); !t.IsMapType() && !t.IsObjectType() {
		l.add(Errorf(exprRange(a), "Wrong type", "The sources are a map, such as { lib = \"../lib\" }, and this is %s.", typeName(t)))
		return nil
	}
	if v.LengthInt() > maxSiblings {
		l.add(Errorf(exprRange(a), "Too many sources", "A project can have at most %d further sources.", maxSiblings))
		return nil
	}
	p.brokenSources = false
	var all []Sibling
	for k, e := range v.Elements() {
		name := k.AsString()
		at := itemRange(a.Expr, name)
		s, ok := l.sibling(name, e, at)
		p.brokenSources = p.brokenSources || !ok
		all = append(all, s)
	}
	return all
}

func (l *loader) sibling(name string, v cty.Value, at Range) (Sibling, bool) {
	s := Sibling{Name: name, Source: Source{Address: l.cfg.Dir, Local: true, Range: at}}
	if !validName(name) {
		l.add(Errorf(at, "Invalid name", "The name of a source begins with a letter, holds letters, digits, \"_\" and \"-\" only, and has at most %d characters.", maxName))
		return s, false
	}
	v, ok := l.as(v, cty.String, at)
	if !ok {
		return s, false
	}
	s.Source = l.sourceAt(s.Source, v.AsString())
	if !s.Local {
		if why := unpinned(s.Address); why != "" {
			l.add(Errorf(at, "Source is not pinned", "A source from elsewhere must be the same every time. %s", why))
			return s, false
		}
	}
	return s, true
}

// unpinned says how to pin an address that is not, "" if it is.
func unpinned(address string) string {
	path, query, _ := strings.Cut(address, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return "What follows the question mark can not be read: write ?NAME=VALUE."
	}
	git := strings.HasPrefix(path, "git::") || strings.Contains(path, "@") || strings.HasSuffix(path, ".git") || strings.Contains(path, ".git//")
	for _, host := range []string{"github.com/", "gitlab.com/", "bitbucket.org/"} {
		git = git || strings.HasPrefix(path, host)
	}
	switch {
	case git && params.Get("ref") == "":
		return "Add the commit or the tag to the address: ?ref=COMMIT."
	case !git && params.Get("checksum") == "":
		return "Add the checksum of the archive to the address: ?checksum=sha256:…; for a git repository write git:: before the address and ?ref=COMMIT behind it."
	}
	return ""
}

// resolveSource gives the evaluator the directory of a further source.
func (l *loader) resolveSource(tr hcl.Traversal, sc scope, vals map[string]map[string]cty.Value) bool {
	p := sc.project
	if sc.in != nil {
		p = sc.in.decl.project
	}
	if p == nil {
		l.add(Errorf(tr.SourceRange(), "Reference outside a project", "source.NAME is the directory of a further source of a project, and exists inside that project only."))
		return false
	}
	var names []string
	for _, s := range l.siblings(p) {
		names = append(names, s.Name)
	}
	name, rng, ok := step(tr, 1)
	switch {
	case p.brokenSources:
		return false // reported where the sources stand
	case !ok:
		l.add(Errorf(tr.SourceRange(), "Incomplete reference", "Write source.NAME. %s", orList(names, "", "sources")))
		return false
	}
	for _, s := range names {
		if s != name {
			continue
		}
		if vals["source"] == nil {
			vals["source"] = map[string]cty.Value{}
		}
		vals["source"][name] = cty.StringVal(SourcesDir + "/" + name)
		return true
	}
	l.add(Errorf(rng, "Unknown reference", "There is no source.%s. %s The main source is /ci/src.", name, orList(names, name, "further sources")))
	return false
}

package ambientyaml

import (
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/ambient-ci/ambient/config"
)

// project is one project as it will be written.
type project struct {
	name     string
	comments []string // above the block
	image    []string // comments above the image
	source   string
	limits   map[string]string
	inside   []string // comments in the block
	stages   []*stage
	packages map[string]bool
	rust     bool
	rustup   bool
	git      bool
	hosts    []string // to which it delivers by SSH
}

// settings are names in the Rust program's own settings, which hold no plans.
var settings = []string{"executor", "image_store", "tmpdir", "state", "rsync_target", "rsync_target_base", "rsync_target_map", "dput_target", "qemu"}

// file converts the top of a file.
func (c *converter) file(root *yaml.Node) {
	fields := c.fields(root)
	projects := take(fields, "projects")
	switch {
	case projects != nil && projects.value.Kind == mapping:
		c.projectsFile(projects, fields)
	case projects != nil || slices.ContainsFunc(fields, func(f *field) bool { return slices.Contains(settings, f.name) }):
		c.fail(root, "Not a plan", "These are the settings of the program, which hold no plans. Give the projects file or a repository's .radicle/ambient.yaml.")
	default:
		name := c.label(c.opts.Name)
		c.project(&project{name: name, source: c.opts.Source}, root, fields)
	}
	if !c.diags.HasErrors() && len(c.projects) == 0 {
		c.fail(root, "Nothing to convert", "The file has no project with an action that can be carried over.")
	}
}

// projectsFile converts every project of a projects file.
func (c *converter) projectsFile(projects *field, fields []*field) {
	for _, f := range c.fields(projects.value) {
		written := resolve(f.key).Value
		p := &project{name: c.label(written)}
		c.comments(&p.comments, f.key.HeadComment)
		if p.name != written {
			p.comments = append(p.comments, "Its name was "+config.Quote(written)+".")
		}
		if f.value.Kind != mapping {
			c.fail(f.value, "Not a project", "A project is a mapping with image, source and plan.")
			continue
		}
		c.project(p, f.key, c.fields(f.value))
	}
	for _, f := range fields {
		if !f.used {
			why := c.lost(f.key, "Unknown field", "a projects file has no field %q.%s", f.name, guess(f.name, []string{"projects"}))
			c.head = append(c.head, why+"\n"+original(f.key, f.value))
		}
	}
}

// planFields are the fields of a project, for suggestions.
var planFields = []string{"pre_plan", "plan", "post_plan", "image", "source", "artifacts_max_size", "cache_max_size"}

// project converts the fields of a project.
func (c *converter) project(p *project, at *yaml.Node, fields []*field) {
	p.packages, p.limits = map[string]bool{}, map[string]string{}
	for _, phase := range []struct {
		phase config.Phase
		name  string
	}{{config.Pre, "pre_plan"}, {config.Plan, "plan"}, {config.Post, "post_plan"}} {
		c.plan(p, phase.phase, take(fields, phase.name))
	}
	c.source(p, take(fields, "source"))
	c.image(p, take(fields, "image"))
	c.limit(p, "artifacts", take(fields, "artifacts_max_size", "artifact_max_size"))
	c.limit(p, "cache", take(fields, "cache_max_size"))
	for _, f := range fields {
		if !f.used {
			why := c.lost(f.key, "Unknown field", "there is no field %q.%s", f.name, guess(f.name, planFields))
			p.inside = append(p.inside, why+"\n"+original(f.key, f.value))
		}
	}
	actions := 0
	for _, s := range p.stages {
		actions += s.actions()
	}
	if actions == 0 {
		c.skip(p, at)
		return
	}
	p.git = p.packages["git"]
	c.projects = append(c.projects, p)
}

// skip leaves a project without actions out, but for a comment.
func (c *converter) skip(p *project, at *yaml.Node) {
	if c.diags.HasErrors() {
		return
	}
	why := c.lost(at, "Project left out", "the project %s has no action that could be carried over.", p.name)
	lines := []string{why}
	lines = append(lines, p.comments...)
	lines = append(lines, p.inside...)
	for _, s := range p.stages {
		for _, part := range s.parts {
			lines = append(lines, part.comments...)
		}
	}
	c.head = append(c.head, strings.Join(lines, "\n"))
}

// source converts the directory of a project, which is relative to the file.
func (c *converter) source(p *project, f *field) {
	if f == nil {
		return
	}
	text, ok := scalar(f.value)
	home, below := strings.CutPrefix(text, "~")
	switch {
	case !ok || text == "" || strings.ContainsRune(text, 0) || strings.Contains(text, "::"):
		why := c.lost(f.value, "Source not carried over", "this can not be the source of a project.")
		p.inside = append(p.inside, why+"\n"+original(f.key, f.value))
	case below && (c.opts.Home == "" || home != "" && home[0] != '/'):
		why := c.lost(f.value, "Source not carried over", "whose home directory this is, is not known. Set source to the directory.")
		p.inside = append(p.inside, why+"\n"+original(f.key, f.value))
	case below:
		p.source = filepath.Join(c.opts.Home, home)
	case filepath.IsAbs(text):
		p.source = filepath.Clean(text)
	default:
		p.source = Relative(c.opts.Dir, text)
	}
}

// Relative returns a path below dir, which is relative itself, as a source is
// written: beginning with ".", so that nothing takes it for an address.
func Relative(dir, path string) string {
	path = filepath.Join(dir, path)
	if !filepath.IsAbs(path) && path != "." && path != ".." && !strings.HasPrefix(path, "../") {
		path = "./" + path
	}
	return path
}

// image keeps the name of the image as a comment: what is in it is not known.
func (c *converter) image(p *project, f *field) {
	if f == nil || isNull(f.value) {
		return
	}
	why := c.lost(f.key, "Image not carried over", "what is in the image is not known. A Debian image stands in for it: add the packages that are missing.")
	p.image = append(p.image, why+"\n"+original(f.key, f.value))
}

// limit converts the size of an output.
func (c *converter) limit(p *project, name string, f *field) {
	if f == nil || isNull(f.value) {
		return
	}
	text, ok := scalar(f.value)
	bytes, right := size(text)
	if !ok || !right {
		why := c.lost(f.value, "Limit not carried over", "this is not a size, or more than is possible.")
		p.inside = append(p.inside, why+"\n"+original(f.key, f.value))
		return
	}
	p.limits[name] = config.FormatSize(bytes)
}

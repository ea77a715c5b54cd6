package ambientyaml

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/ambient-ci/ambient/config"
)

// render writes the whole configuration. Its spaces are put right later.
func (c *converter) render() string {
	w := &writer{}
	w.comment("", "Made by \"ambient import\" from "+config.Quote(c.opts.File)+".")
	if n := len(c.diags); n > 0 {
		w.comment("", fmt.Sprintf("Not carried over: %d. Look for the comments with a line number, which is that of the YAML.", n))
	}
	for _, text := range c.head {
		w.b.WriteString("\n")
		w.comment("", text)
	}
	for _, p := range c.projects {
		p.write(w)
	}
	return w.b.String()
}

// writer collects text. The first mistake stays.
type writer struct {
	b strings.Builder
}

func (w *writer) line(indent, format string, args ...any) {
	w.b.WriteString(indent)
	fmt.Fprintf(&w.b, format, args...)
	w.b.WriteByte('\n')
}

func (w *writer) comment(indent, text string) { w.b.WriteString(config.Comment(text, indent)) }

func (w *writer) comments(indent string, texts []string) {
	for _, text := range texts {
		w.comment(indent, text)
	}
}

// suite is the first Debian release whose rustup and cargo are of use.
const suite = "trixie"

func (p *project) write(w *writer) {
	w.b.WriteByte('\n')
	w.comments("", p.image)
	w.comment("", "The packages are guessed from the plans. Add what is missing.")
	w.line("", "image %q {", p.name)
	w.line("  ", "debian {")
	if p.rust {
		w.line("    ", "suite = %q", suite)
	}
	w.line("    ", "packages = %s", literal(p.debs()))
	w.line("  ", "}")
	w.line("", "}\n")
	p.writeSecret(w)
	w.comments("", p.comments)
	w.line("", "project %q {", p.name)
	if p.source != "" && p.source != "." {
		w.line("  ", "source = %s", config.Quote(p.source))
	}
	w.line("  ", "image = image.%s", p.name)
	p.writeGit(w)
	p.writeEnv(w)
	p.writeLimits(w)
	w.comments("  ", p.inside)
	for _, s := range p.stages {
		s.write(w)
	}
	w.line("", "}")
}

// debs returns the packages of the image.
func (p *project) debs() []string {
	if p.rustup { // it stands in for these, and can not be installed beside them
		for _, name := range []string{"cargo", "rustfmt", "rust-clippy"} {
			delete(p.packages, name)
		}
		p.packages["rustup"] = true
	}
	if p.rust || p.packages["gcc"] {
		p.packages["gcc"], p.packages["libc6-dev"] = true, true
	}
	return sortedKeys(p.packages)
}

// writeGit asks for the repository where scripts use git.
func (p *project) writeGit(w *writer) {
	if p.git {
		w.line("  ", "git = true")
	}
}

// writeEnv sets where the Rust program lets cargo compile: scripts can rely on it.
func (p *project) writeEnv(w *writer) {
	if !p.rust {
		return
	}
	w.line("  ", "env = {")
	w.line("    ", `CARGO_TARGET_DIR = "/ci/cache"`)
	w.line("  ", "}")
}

func (p *project) writeLimits(w *writer) {
	if len(p.limits) == 0 {
		return
	}
	w.line("  ", "limits {")
	for _, name := range sortedKeys(p.limits) {
		w.line("    ", "%s = %q", name, p.limits[name])
	}
	w.line("  ", "}")
}

// write writes the stage; without an action, its comments.
func (s *stage) write(w *writer) {
	if len(s.parts) == 0 {
		return
	}
	w.b.WriteByte('\n')
	if s.above != "" {
		w.comment("  ", s.above)
	}
	if s.actions() == 0 {
		for _, p := range s.parts {
			w.comments("  ", p.comments)
		}
		return
	}
	w.line("  ", "%s %q {", s.phase, stageNames[s.phase])
	if s.keys {
		w.line("    ", "secrets = [secret.ssh.%s]", s.project.name)
	}
	scripts := s.phase != config.Plan && slices.ContainsFunc(s.parts, func(p part) bool { return p.action != nil && p.action.name == "shell" })
	if scripts {
		w.comment("    ", "What a script reaches is not known beforehand: with mode = \"audit\" the run ends with the list of hosts to allow.")
		w.line("    ", `network { mode = "open" }`)
	}
	env := s.common()
	writeMap(w, "    ", env)
	for i, p := range s.parts {
		if i > 0 || len(env) > 0 || s.keys || scripts {
			w.b.WriteByte('\n')
		}
		w.comments("    ", p.comments)
		if p.action == nil {
			continue
		}
		if len(env) > 0 {
			p.action.env = nil
		}
		lines, _ := p.action.lines() // it was admitted, and so there is no error
		for _, line := range lines {
			w.line("", "%s", line)
		}
	}
	w.line("  ", "}")
}

func writeMap(w *writer, indent string, env map[string]string) {
	if len(env) > 0 {
		w.line(indent, "env = %s", literal(env))
	}
}

// literal writes a value that is known to be right.
func literal(v any) string {
	text, err := config.Literal(v)
	if err != nil {
		return "null"
	}
	return text
}

// lines writes an action block, indented by four spaces.
func (a *action) lines() ([]string, error) {
	const indent = "      "
	body, err := arguments(a.args, indent)
	if err != nil {
		return nil, err
	}
	if len(a.env) > 0 {
		body = append(body, indent+"env = "+literal(a.env))
	}
	if len(body) == 0 {
		return []string{fmt.Sprintf("    action %q {}", a.name)}, nil
	}
	lines := append([]string{fmt.Sprintf("    action %q {", a.name)}, body...)
	return append(lines, "    }"), nil
}

// order are arguments that stand before the others.
var order = map[string]int{"name": -2, "url": -1}

func arguments(args config.Args, indent string) ([]string, error) {
	names := sortedKeys(args.Values)
	sort.SliceStable(names, func(i, j int) bool { return order[names[i]] < order[names[j]] })
	var lines []string
	for _, name := range names {
		if script, ok := args.Values[name].(string); ok && name == "script" {
			lines = append(lines, indent+"script = "+writeScript(script, indent))
			continue
		}
		text, err := config.Literal(args.Values[name])
		if err != nil {
			return nil, err
		}
		lines = append(lines, indent+name+" = "+text)
	}
	for _, kind := range sortedKeys(args.Blocks) {
		for _, block := range args.Blocks[kind] {
			inner, err := arguments(block, indent+"  ")
			if err != nil {
				return nil, err
			}
			lines = append(append(append(lines, indent+kind+" {"), inner...), indent+"}")
		}
	}
	return lines, nil
}

// writeScript writes a script of one simple line as a string, others as a
// heredoc.
func writeScript(script, indent string) string {
	if line := strings.TrimSuffix(script, "\n"); !strings.ContainsAny(line, "\n\"\\$%") {
		return config.Quote(line)
	}
	return config.Script(script, indent)
}

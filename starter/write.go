package starter

import (
	"fmt"
	"slices"
	"strings"
)

// Write returns the text of an ambient.hcl for a project of that name with these
// parts; with none it is the smallest one. The same parts give the same bytes.
func Write(project string, parts []Part) []byte {
	w := &writer{}
	w.head(parts)
	for _, p := range parts {
		w.variable(p)
	}
	for _, p := range parts {
		w.image(p)
	}
	w.line("project %q {", Name(project))
	if len(parts) == 0 {
		w.nothing()
	}
	w.pres(parts)
	w.plans(parts)
	w.line("}")
	return []byte(w.b.String())
}

// Name makes a project's name of a directory's: letters, digits, "_" and "-",
// with a letter first.
func Name(dir string) string {
	var b strings.Builder
	for _, r := range dir {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', b.Len() > 0 && (r >= '0' && r <= '9' || r == '-'):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := b.String()
	name = strings.Trim(name[:min(len(name), 60)], "-_")
	if name == "" {
		return "project"
	}
	return name
}

type writer struct{ b strings.Builder }

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.b, format+"\n", args...) }

// lines writes lines that are no formats, indented.
func (w *writer) lines(indent string, lines []string) {
	for _, l := range lines {
		w.b.WriteString(strings.TrimRight(indent+l, " ") + "\n")
	}
}

func (w *writer) head(parts []Part) {
	found := "nothing that it knows, so this is the smallest one"
	if len(parts) > 0 {
		var whats []string
		for _, p := range parts {
			whats = append(whats, p.What)
		}
		found = strings.Join(whats, ", ")
	}
	w.line("# What is checked here, and how. `ambient init` wrote this; it found")
	w.line("# %s.", found)
	w.line("# From here on the file is yours.")
	w.line("#")
	w.line("#   ambient plan     shows what would run, in which order, and why")
	w.line("#   ambient apply    runs it, each stage in a virtual machine of its own")
	w.line("#   ambient fmt      brings this file into its canonical form")
	w.line("")
}

func (w *writer) variable(p Part) {
	if p.index == nil {
		return
	}
	w.line("# For networks with an index of their own; set it with -var %s=ADDRESS or", p.index.variable)
	w.line("# with the environment variable AMBIENT_VAR_%s.", p.index.variable)
	w.line("variable %q {", p.index.variable)
	w.line("  type        = string")
	w.line("  default     = \"\"")
	w.line("  description = %q", p.index.about)
	w.line("}\n")
}

func (w *writer) image(p Part) {
	packages := slices.Clone(p.packages)
	slices.Sort(packages)
	var quoted []string
	for _, name := range slices.Compact(packages) {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	w.line("# What the machines boot: Debian with these packages.")
	for _, n := range p.note {
		w.line("# %s", n)
	}
	if p.suite != stable {
		w.line("# Where this machine's apt does not know %s, name an archive that has it:", p.suite)
		w.line("# mirror = ADDRESS in this block, or the environment variable AMBIENT_DEBIAN_MIRROR.")
	}
	w.line("image %q {\n  debian {\n    suite    = %q", p.Name, p.suite)
	if list := strings.Join(quoted, ", "); len(list) < 80 {
		w.line("    packages = [%s]", list)
	} else {
		w.line("    packages = [\n      %s,\n    ]", strings.Join(quoted, ",\n      "))
	}
	w.line("  }\n}\n")
}

func (w *writer) nothing() {
	w.lines("  ", []string{
		`# A plan stage builds and tests: it gets the source tree and has no network.`,
		`# With no image it boots a tiny Linux with busybox. To have more:`,
		`#`,
		`#   image "tools" {             # outside of the project`,
		`#     debian {`,
		`#       packages = ["make"]`,
		`#     }`,
		`#   }`,
		`#`,
		`# and image = image.tools here.`,
		`plan "look" {`,
		`  action "shell" {`,
		`    script = <<-EOT`,
		`      echo "this is $(uname -srm)"`,
		`      ls -la`,
		`    EOT`,
		`  }`,
		`}`,
	})
}

// stageName is short when there is one part.
func stageName(parts []Part, p Part, alone, suffix string) string {
	if len(parts) == 1 {
		return alone
	}
	return p.Name + suffix
}

func (w *writer) pres(parts []Part) {
	first := true
	for _, p := range parts {
		if len(p.pre) == 0 {
			continue
		}
		if first {
			w.lines("  ", []string{
				`# A pre stage has a network and runs no code of the project: it fetches what`,
				`# the plan stages need into $AMBIENT_DEPS, which is /ci/deps.`,
			})
			first = false
		}
		body := p.pre
		if slices.ContainsFunc(body, func(line string) bool { return strings.Contains(line, `action "shell"`) }) {
			body = append([]string{
				`# What a script reaches is not known beforehand: with mode = "audit" the run`,
				`# ends with the list of hosts to allow.`,
				`network { mode = "open" }`, ``,
			}, body...)
		}
		w.stage("pre", stageName(parts, p, "deps", "-deps"), p, body)
		w.line("")
	}
}

func (w *writer) plans(parts []Part) {
	for i, p := range parts {
		if i == 0 {
			w.lines("  ", []string{
				`# A plan stage runs the project's code and has no network. $AMBIENT_CACHE`,
				`# survives from run to run; everything else is thrown away.`,
			})
		} else {
			w.line("")
		}
		w.stage("plan", stageName(parts, p, "build", ""), p, p.plan)
	}
}

func (w *writer) stage(phase, name string, p Part, body []string) {
	w.line("  %s %q {", phase, name)
	w.line("    image = image.%s", p.Name)
	if p.memory != "" && phase == "plan" {
		w.line("    limits { memory = %q }", p.memory)
	}
	w.line("")
	w.lines("    ", body)
	w.line("  }")
}

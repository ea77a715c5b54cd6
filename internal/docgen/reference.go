package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
)

const head = `# The language

<!-- Made by ` + "`make docs`" + ` from the schema; do not edit. -->

` + "`ambient`" + ` reads ` + "`ambient.hcl`" + ` and every ` + "`*.ambient.hcl`" + ` of its working directory as
one configuration. The syntax is HCL's: blocks, arguments, expressions. Blocks
may stand in any order and in any of the files. What is not described here is an
error that names the place and the nearest right name.

The smallest file:

` + "```hcl" + `
project "hello" {
  plan "greet" {
    action "shell" { script = "echo hello from $(uname -m)" }
  }
}
` + "```" + `

`

const references = `## References

| written | means |
|---|---|
| ` + "`var.NAME`, `local.NAME`" + ` | a variable, a local value |
| ` + "`image.NAME`, `limits.NAME`" + ` | a block at the top, for the arguments of these names |
| ` + "`plan.NAME`, `pre.NAME`, `post.NAME`" + ` | a stage of the same project, for ` + "`after`" + ` |
| ` + "`plan.NAME.artifacts`" + ` | the directory in the machine where the artifacts of that stage are; who names it waits for the stage |
| ` + "`plan.NAME[\"KEY\"]`" + ` | one instance of a stage with ` + "`for_each`" + `; without the key, all of them |
| ` + "`project.NAME.plan.NAME`" + ` | a stage of another project |
| ` + "`each.key`, `each.value`" + ` | the element of this instance; with a matrix ` + "`each.value.AXIS`" + ` |
| ` + "`param.NAME`" + ` | a parameter, in the body of a user-defined action |
| ` + "`secret.ssh.NAME`, `secret.token.NAME`" + ` | a secret, for ` + "`secrets`" + ` of a pre or post stage |
| ` + "`secret.token.NAME.path`" + ` | the file in the machine with a secret that the stage names, where it is a file |
| ` + "`source.NAME`" + ` | the directory in the machine of a further source of the project |

A stage starts when every stage it names has succeeded, and every stage of the
earlier phases of its project. The others run at the same time, as memory and
processors permit.

With ` + "`when`" + ` a plan or post stage can ask for something else:

| ` + "`when`" + ` | the stage runs, once all that it needs is over, if |
|---|---|
| ` + "`\"success\"`" + ` | all of it succeeded; otherwise it is skipped at once |
| ` + "`\"failure\"`" + ` | at least one stage of it failed, timed out, errored, or was skipped because of another that did |
| ` + "`\"always\"`" + ` | in any case |

What a stage needs is what it names, and every stage of every earlier phase of
its project: a ` + "`post`" + ` stage does not run on success when a ` + "`pre`" + ` stage failed,
whatever became of the ` + "`plan`" + ` stages between them. A stage that is skipped only
because its own ` + "`when`" + ` found nothing to do counts as succeeded for those after it
and for the run; but one that names its artifacts lacks them, and is skipped. A
stage that runs after a failure finds the artifacts that the others left, those
of a failed stage included; the directory of one that left none is not there.
When a run is cancelled, nothing starts any more.

Three limits of time can end a stage, and its result names the one that did:
` + "`action timeout`, `timeout`" + ` (of the stage, for each attempt) and ` + "`project timeout`" + `
(for all stages of the project and all their attempts together).

Environment variables are merged, later ones winning: ` + "`CI`, `HOME`, `LANG`, `PATH`" + `;
in a plan stage what the fetching actions of the pre stages add; ` + "`env`" + ` of the
project, of the stage, of the action. ` + "`AMBIENT_…`" + ` can not be changed.

`

func functions(b *strings.Builder) {
	b.WriteString("## Functions\n\nThey mean what they mean in Terraform. Those that read files read below the\ndirectory of the configuration only.\n\n")
	var names []string
	for _, n := range config.FunctionNames() {
		names = append(names, "`"+n+"`")
	}
	b.WriteString(strings.Join(names, ", ") + ".\n\n")
	b.WriteString("None of them depends on time, chance, the environment or the machine, so that a\nplan is the same for the same files and variables. For that reason and others\nthese functions of Terraform are missing:\n\n| function | why |\n|---|---|\n")
	for _, f := range config.LeftOutFunctions() {
		fmt.Fprintf(b, "| `%s` | %s |\n", f.Name, cell(f.Reason))
	}
	b.WriteString("\n")
}

// reference is the whole document.
func reference() string {
	var b strings.Builder
	b.WriteString(head)
	blocks := config.BlockDocs()
	contents(&b, blocks)
	b.WriteString(references)
	functions(&b)
	b.WriteString("## Blocks\n\n")
	for _, d := range blocks {
		block(&b, d)
	}
	b.WriteString("## Actions\n\nWhat a stage does, in order; the first action that fails ends its stage.\n\n")
	for _, a := range actions.All() {
		action(&b, a)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func contents(b *strings.Builder, blocks []config.BlockDoc) {
	var names, acts []string
	for _, d := range blocks {
		names = append(names, fmt.Sprintf("[`%s`](#%s)", strings.TrimSpace(d.Name+" "+d.Kind), anchor(header(d))))
	}
	for _, a := range actions.All() {
		acts = append(acts, fmt.Sprintf("[`%s`](#%s)", a.Name, anchor(actionHeader(a.Name))))
	}
	fmt.Fprintf(b, "Blocks: %s.\n\nActions: %s.\n\n", strings.Join(names, ", "), strings.Join(acts, ", "))
}

// header is how a block is written: `plan "NAME"`.
func header(d config.BlockDoc) string {
	h := d.Name
	if d.Kind != "" {
		h += fmt.Sprintf(" %q", d.Kind)
	}
	for _, l := range d.Labels {
		h += fmt.Sprintf(" %q", strings.ToUpper(l))
	}
	return h
}

func actionHeader(name string) string { return fmt.Sprintf("action %q", name) }

// anchor is the fragment that a Markdown renderer gives to a heading.
func anchor(heading string) string {
	heading = strings.ToLower(strings.NewReplacer("`", "", `"`, "").Replace(heading))
	return strings.ReplaceAll(heading, " ", "-")
}

// place is a block and the blocks in which it stands.
type place struct {
	doc config.BlockDoc
	in  []string
}

// block describes a top-level block and then, each with a heading of its own,
// those inside it. A block that stands in several places is described once.
func block(b *strings.Builder, d config.BlockDoc) {
	section(b, d, nil)
	var inner []*place
	collect(&inner, d, "")
	for _, p := range inner {
		if p.doc.Name == "limits" {
			p.doc.Arguments = nil // the same as those of the top-level block, as its text says
		}
		section(b, p.doc, p.in)
	}
}

// collect gathers the blocks below d, each kind once, in order.
func collect(all *[]*place, d config.BlockDoc, path string) {
	path += d.Name
	for _, child := range d.Blocks {
		i := slices.IndexFunc(*all, func(p *place) bool { return p.doc.Name == child.Name && p.doc.Doc == child.Doc })
		if i < 0 {
			i = len(*all)
			*all = append(*all, &place{doc: child})
		}
		(*all)[i].in = append((*all)[i].in, "`"+path+"`")
		collect(all, child, path+" > ")
	}
}

// section describes one block.
func section(b *strings.Builder, d config.BlockDoc, in []string) {
	level := "###"
	if len(in) > 0 {
		level = "####"
	}
	fmt.Fprintf(b, "%s `%s`\n\n", level, header(d))
	if len(in) > 0 {
		fmt.Fprintf(b, "In %s. ", join(in))
	}
	fmt.Fprintf(b, "%s%s\n\n", sentence(d.Doc), once(d))
	example(b, d.Example)
	arguments(b, d.Arguments)
	if len(d.Blocks) > 0 {
		var names []string
		for _, child := range d.Blocks {
			names = append(names, "`"+header(child)+"`")
		}
		fmt.Fprintf(b, "Blocks in it: %s.\n\n", strings.Join(names, ", "))
	}
}

func once(d config.BlockDoc) string {
	if d.Single {
		return " At most one."
	}
	return ""
}

func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s != "" && !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "`") {
		s += "."
	}
	return s
}

func example(b *strings.Builder, text string) {
	if text != "" {
		fmt.Fprintf(b, "```hcl\n%s\n```\n\n", strings.TrimSpace(text))
	}
}

func arguments(b *strings.Builder, args []config.ArgDoc) {
	if len(args) == 0 {
		return
	}
	b.WriteString("| argument | type | default | |\n|---|---|---|---|\n")
	for _, a := range args {
		value := "–"
		switch {
		case a.Required:
			value = "**required**"
		case a.Default != "":
			value = "`" + a.Default + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", a.Name, cell(a.Type), cell(value), cell(a.Doc))
	}
	b.WriteString("\n")
}

// cell makes text fit for a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n\n", "<br>", "\n", " ").Replace(strings.TrimSpace(s))
}

func action(b *strings.Builder, a *actions.Definition) {
	d := config.ActionDoc(&a.ActionSchema)
	fmt.Fprintf(b, "### `%s`\n\n", actionHeader(a.Name))
	fmt.Fprintf(b, "In %s stages.%s\n\n%s\n\n", phases(a.Phases), needs(a), sentence(d.Doc))
	example(b, d.Example)
	arguments(b, d.Arguments)
	for _, child := range d.Blocks {
		section(b, child, []string{"`" + a.Name + "`"})
	}
}

func needs(a *actions.Definition) string {
	if a.NeedsDebian {
		return " Needs an image with a `debian` block."
	}
	return ""
}

func phases(all []config.Phase) string {
	var names []string
	for _, p := range all {
		names = append(names, "`"+string(p)+"`")
	}
	return join(names)
}

// join makes a list for a sentence: "a, b and c".
func join(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

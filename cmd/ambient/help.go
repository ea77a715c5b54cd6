package main

import "strings"

// helpText is a command's help, in the order of a manual page.
type helpText struct {
	usage    string   // after "ambient "
	about    string   // paragraphs
	options  []string // pairs of option and meaning
	exits    []string // pairs of status and meaning
	examples []string
}

const globalOptions = `-chdir=DIR
  work in DIR: every relative path is below it
-no-color
  no colours; so does the variable NO_COLOR
-help
  show this text`

// Options that several commands share.
var (
	variableOptions = []string{
		"-var NAME=VALUE", "set a variable; may be repeated",
		"-var-file=FILE", "set variables from a file; may be repeated",
	}
	usageExit  = []string{"2", "the command line is wrong"}
	configExit = []string{"2", "the configuration or the command line is wrong"}
	otherExit  = []string{"3", "the machine's failure, or ambient's own"}
)

func (h helpText) String() string {
	var b strings.Builder
	b.WriteString("USAGE\n  ambient " + h.usage + "\n\n" + indent(strings.TrimSpace(h.about)) + "\n")
	global := strings.Split(globalOptions, "\n")
	for i := range global {
		global[i] = strings.TrimSpace(global[i])
	}
	writePairs(&b, "OPTIONS", append(append([]string{}, h.options...), global...))
	writePairs(&b, "EXIT STATUS", h.exits)
	b.WriteString("\nEXAMPLES\n")
	for _, e := range h.examples {
		b.WriteString("  " + e + "\n")
	}
	return b.String()
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.ReplaceAll(s, "\n", "\n  "), "\n  \n", "\n\n")
}

// writePairs writes a section with a table of two columns.
func writePairs(b *strings.Builder, title string, pairs []string) {
	b.WriteString("\n" + title + "\n")
	var rows [][]string
	for i := 0; i+1 < len(pairs); i += 2 {
		rows = append(rows, []string{pairs[i], pairs[i+1]})
	}
	for line := range strings.Lines(columns(rows)) {
		b.WriteString("  " + line)
	}
}

// help is the text of `ambient -help`.
func (a *app) help() string {
	var b strings.Builder
	b.WriteString("USAGE\n  ambient [-chdir=DIR] COMMAND [OPTIONS] [OPERANDS]\n\n" +
		indent("Ambient runs a project's checks, every stage in its own virtual machine.\n"+
			"It reads ambient.hcl and every *.ambient.hcl of the working directory.") + "\n")
	var pairs []string
	for _, c := range a.commands() {
		pairs = append(pairs, c.name, c.Synopsis())
	}
	writePairs(&b, "COMMANDS", pairs)
	var global []string
	for _, line := range strings.Split(globalOptions, "\n") {
		global = append(global, strings.TrimSpace(line))
	}
	global = append(global, "-version", "show the version")
	writePairs(&b, "OPTIONS", global)
	writePairs(&b, "EXIT STATUS", []string{
		"0", "done; every stage succeeded",
		"1", "a stage failed or timed out",
		"2", "the configuration or the command line is wrong",
		"3", "the machine's failure, or ambient's own",
		"4", "with plan -detailed-exitcode: there are stages to run",
		"130", "interrupted",
	})
	b.WriteString("\nEXAMPLES\n  ambient plan\n  ambient apply\n  ambient logs latest\n  ambient apply -help\n" +
		"  source <(ambient completion bash)\n")
	return b.String()
}

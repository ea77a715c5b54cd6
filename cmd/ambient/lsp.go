package main

import (
	"os"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/lsp"
	"github.com/ambient-ci/ambient/stages"
)

type lspCommand struct{ *app }

func (lspCommand) Synopsis() string { return "serve an editor" }

func (lspCommand) Help() string {
	return helpText{
		usage: "lsp",
		about: "Speaks the Language Server Protocol on standard input and output, for an editor:\n" +
			"mistakes as you type, completion, explanations, definitions, formatting. Editors\n" +
			"start it by themselves; docs/editors.md has their settings.",
		options:  []string{"-stdio", "accepted for clients that give it; it is always so"},
		exits:    []string{"0", "the editor ended it", usageExit[0], usageExit[1], otherExit[0], otherExit[1]},
		examples: []string{"ambient lsp    # as the command of a language server in the settings of an editor"},
	}.String()
}

func (c lspCommand) Run(args []string) int {
	fs := newFlags("lsp")
	fs.Bool("stdio", true, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 0, "")
	}
	if err == nil {
		err = lsp.Serve(c.ctx, os.Stdin, c.out, lsp.Options{Version: programVersion(), Actions: actions.Schemas(), Check: c.checkOpen})
	}
	return c.finish("lsp", err)
}

// checkOpen checks a directory with what an editor has in place of its files.
func (c lspCommand) checkOpen(dir string, files map[string][]byte) config.Diagnostics {
	opts := c.configOptions(variables{})
	opts.Files, opts.UnsetVars = files, true
	cfg, diags := config.Load(dir, opts)
	if diags.HasErrors() {
		return diags
	}
	_, more := stages.Build(cfg)
	return append(diags, more...)
}

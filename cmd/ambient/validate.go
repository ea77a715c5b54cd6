package main

import "encoding/json"

type validateCommand struct{ *app }

type validateOptions struct {
	json bool
	vars variables
}

func (validateCommand) Synopsis() string { return "check the configuration" }

func (validateCommand) Help() string {
	return helpText{
		usage: "validate [-json] [-var NAME=VALUE] [-var-file=FILE]",
		about: "Checks the configuration and shows everything that is wrong with it. It looks at the\n" +
			"files alone, not at this machine, and starts nothing. Warnings do not make it fail.",
		options: append([]string{"-json", "one JSON object with every diagnostic"}, variableOptions...),
		exits: []string{
			"0", "the configuration is right; there may be warnings",
			"2", "the configuration has errors, or the command line is wrong",
			otherExit[0], otherExit[1],
		},
		examples: []string{"ambient validate", "ambient validate -json | jq '.diagnostics[].summary'"},
	}.String()
}

func (c validateCommand) Run(args []string) int {
	opts, err := c.parseValidate(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("validate", err)
}

func (c validateCommand) parseValidate(args []string) (opts validateOptions, err error) {
	fs := newFlags("validate")
	fs.BoolVar(&opts.json, "json", false, "")
	opts.vars.register(fs)
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 0, "")
	}
	return opts, err
}

func (c validateCommand) run(opts validateOptions) error {
	if !opts.json {
		l, err := c.load(opts.vars)
		if err != nil {
			return err
		}
		c.out.printf("The configuration is right: %s, %s.\n",
			count(len(l.cfg.Projects), "project"), count(l.graph.Len(), "stage"))
		return nil
	}
	_, d, err := c.check(opts.vars)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(c.out).Encode(d.json()); err != nil {
		return err
	}
	if d.diags.HasErrors() {
		return errConfiguration
	}
	return nil
}

package main

import "encoding/json"

type planCommand struct{ *app }

type planOptions struct {
	json bool
	vars variables
}

func (planCommand) Synopsis() string { return "show what apply would do, and why" }

func (planCommand) Help() string {
	return helpText{
		usage: "plan [-json] [-var NAME=VALUE] [-var-file=FILE]",
		about: "Shows every stage in the order in which stages start, with its image, limits,\n" +
			"network, secrets and actions, and why it waits for others.\n" +
			"It starts nothing and changes nothing.",
		options: append([]string{"-json", "one JSON object"}, variableOptions...),
		exits:   []string{"0", "the configuration is right", configExit[0], configExit[1]},
		examples: []string{
			"ambient plan",
			"ambient plan -var channel=edge",
			"ambient plan -json | jq '.stages[].stage'",
		},
	}.String()
}

func (c planCommand) Run(args []string) int {
	opts, err := c.parsePlan(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("plan", err)
}

func (c planCommand) parsePlan(args []string) (opts planOptions, err error) {
	fs := newFlags("plan")
	fs.BoolVar(&opts.json, "json", false, "")
	opts.vars.register(fs)
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 0, "")
	}
	return opts, err
}

func (c planCommand) run(opts planOptions) error {
	l, err := c.load(opts.vars)
	if err != nil {
		return err
	}
	if opts.json {
		enc := json.NewEncoder(c.out)
		enc.SetIndent("", "  ")
		return enc.Encode(planToJSON(l))
	}
	c.out.printf("%s", planText(c.out, l))
	return nil
}

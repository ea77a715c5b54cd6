package main

import (
	"encoding/json"
	"errors"
	"strings"
)

// exitToRun is the status of `plan -detailed-exitcode` when there is something
// to run. Terraform's 2 means here that the configuration is wrong, and 1 and 3
// that something failed: a script must be able to tell them apart.
const exitToRun = 4

// errToRun says that a plan has stages to run; -detailed-exitcode asked.
var errToRun = errors.New("there are stages to run")

type planCommand struct{ *app }

type planOptions struct {
	json, detail, exitcode bool
	out                    string
	targets                []string
	vars                   variables
}

func (planCommand) Synopsis() string { return "show what apply would do, and why" }

func (planCommand) Help() string {
	return helpText{
		usage: "plan [-detail] [-json] [-target=STAGE] [-out=FILE] [-detailed-exitcode]\n" +
			"               [-var NAME=VALUE] [-var-file=FILE]",
		about: "Shows every stage in the order in which stages start: whether it runs, and what it\n" +
			"waits for; or that an earlier result is reused; or that this depends on what other\n" +
			"stages make. It starts nothing and changes nothing.\n\n" +
			"With -out it keeps the plan in a file: apply FILE runs exactly that, or nothing when\n" +
			"the configuration or the source changed meanwhile. The values of sensitive\n" +
			"variables are not kept: give them again to apply.",
		options: append([]string{
			"-detail", "image, limits, network, secrets, actions and needs of each stage",
			"-json", "one JSON object",
			"-target=STAGE", "run only this stage and what it needs; may be repeated",
			"-out=FILE", "keep the plan in FILE, for apply and show",
			"-detailed-exitcode", "exit with 4 when there are stages to run",
		}, variableOptions...),
		exits: []string{
			"0", "the configuration is right; with -detailed-exitcode: and there is nothing to run",
			configExit[0], configExit[1],
			otherExit[0], otherExit[1],
			"4", "with -detailed-exitcode: there are stages to run",
		},
		examples: []string{
			"ambient plan",
			"ambient plan -detail -target=plan.test",
			"ambient plan -out=p.plan && ambient apply p.plan",
			"ambient plan -json | jq '.stages[] | .action, .stage'",
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
	fs.BoolVar(&opts.detail, "detail", false, "")
	fs.BoolVar(&opts.exitcode, "detailed-exitcode", false, "")
	fs.StringVar(&opts.out, "out", "", "")
	fs.Func("target", "", func(s string) error { opts.targets = append(opts.targets, s); return nil })
	opts.vars.register(fs)
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 0, "")
	}
	if err == nil && opts.out == "" && given(fs, "out") {
		err = usagef("-out: name a file.")
	}
	return opts, err
}

func (c planCommand) run(opts planOptions) error {
	l, err := c.load(opts.vars)
	if err != nil {
		return err
	}
	if l, err = l.targets(opts.targets); err != nil {
		return err
	}
	if opts.out != "" { // without earlier results, which may be others when it is applied
		if err := c.savePlan(l, planToJSON(l, true), opts); err != nil {
			return err
		}
	}
	if err := c.predict(l); err != nil {
		return err
	}
	p := planToJSON(l, opts.json || opts.detail)
	if opts.json {
		err = c.printJSON(p)
	} else {
		c.printPlan(p, opts.detail, "To run: "+applyWords(opts))
	}
	if err == nil && opts.exitcode && p.running() > 0 {
		return errToRun
	}
	return err
}

// applyWords is the command line that runs the plan.
func applyWords(opts planOptions) string {
	words := []string{"ambient apply"}
	if opts.out != "" {
		return words[0] + " " + quote(opts.out)
	}
	for _, t := range opts.targets {
		words = append(words, "-target="+quote(t))
	}
	return strings.Join(words, " ")
}

// printPlan shows a plan to people; next is what they can do.
func (a *app) printPlan(p planJSON, detail bool, next string) {
	if detail {
		a.out.printf("%s", planDetails(a.out, p))
	} else {
		a.out.printf("%s", planBrief(a.out, p))
	}
	if p.running() == 0 {
		next = ""
	}
	a.out.printf("%s\n", strings.TrimSpace(planCount(p)+". "+next))
}

// printJSON prints one indented object.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

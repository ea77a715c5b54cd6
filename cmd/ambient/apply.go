package main

import (
	"context"
	"os"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/runner"
	"github.com/ambient-ci/ambient/runs"
	"github.com/ambient-ci/ambient/source"
	"github.com/ambient-ci/ambient/stages"
)

type applyCommand struct{ *app }

type applyOptions struct {
	json        bool
	parallelism int
	requireKVM  bool
	targets     []string
	vars        variables
	force       forceFlag
	plan        string // a file; empty: what the files say now
}

func (applyCommand) Synopsis() string { return "run the stages" }

func (applyCommand) Help() string {
	return helpText{
		usage: "apply [-parallelism=N] [-target=STAGE] [-force[=STAGE]] [-json] [-require-kvm]\n" +
			"                [-var NAME=VALUE] [-var-file=FILE] [PLAN]",
		about: "Runs every stage in a virtual machine of its own, as many at a time as memory and\n" +
			"processors permit, and keeps a record of the run. A stage that would see what it saw\n" +
			"in an earlier run that succeeded is not run: that result is reused.\n\n" +
			"With PLAN, a file of plan -out, it runs exactly what was shown then, and nothing at\n" +
			"all when the configuration or the source is another by now. Its targets and\n" +
			"variables are part of it; the values of sensitive ones must be given again.\n\n" +
			"The first interrupt asks what runs to stop, saves what is whole and ends within ten\n" +
			"seconds; a second one kills what runs.\n\n" +
			"A machine of a kind that has run before goes on from its memory and does not boot.\n" +
			"With AMBIENT_TEMPLATES=off in the environment every machine boots.",
		options: append([]string{
			"-parallelism=N", "run N stages at the same time, as memory permits, however many processors there are",
			"-force", "run every stage, whatever earlier results there are",
			"-force=STAGE", "run this stage in any case; may be repeated",
			"-target=STAGE", "run only this stage and what it needs; may be repeated",
			"-json", "one event a line; the last is run_finished",
			"-require-kvm", "refuse to emulate the processor, which is slow and no security boundary",
		}, variableOptions...),
		exits: []string{
			"0", "every stage succeeded, now or in an earlier run",
			"1", "a stage failed or timed out",
			configExit[0], configExit[1],
			otherExit[0], otherExit[1],
			"130", "interrupted",
		},
		examples: []string{
			"ambient apply",
			"ambient apply -target=plan.test",
			"ambient plan -out=p.plan && ambient apply p.plan",
			"ambient apply -json | jq 'select(.type == \"stage_finished\")'",
		},
	}.String()
}

func (c applyCommand) Run(args []string) int {
	opts, err := c.parseApply(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("apply", err)
}

func (c applyCommand) parseApply(args []string) (opts applyOptions, err error) {
	fs := newFlags("apply")
	fs.BoolVar(&opts.json, "json", false, "")
	fs.IntVar(&opts.parallelism, "parallelism", 0, "")
	fs.BoolVar(&opts.requireKVM, "require-kvm", false, "")
	fs.Func("target", "", func(s string) error { opts.targets = append(opts.targets, s); return nil })
	fs.Var(&opts.force, "force", "")
	opts.vars.register(fs)
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 1, "PLAN")
	}
	if err == nil && len(operands) == 1 {
		opts.plan = operands[0]
	}
	if err == nil && opts.plan != "" && len(opts.targets) > 0 {
		err = usagef("The targets are part of the plan: -target can not be given.")
	}
	if err == nil && (opts.parallelism < 0 || opts.parallelism == 0 && given(fs, "parallelism")) {
		err = usagef("-parallelism=%d: at least one stage must be able to run.", opts.parallelism)
	}
	return opts, err
}

func (c applyCommand) run(opts applyOptions) error {
	l, checkSource, err := c.loadWanted(opts)
	if err != nil {
		return err
	}
	v := c.newView(opts.json)
	ctx, kill, stop := c.interruptible(v.Note)
	defer stop()
	r := &applyRun{applyCommand: c, opts: opts, loaded: l, view: v, kill: kill, redact: newRedactor(l.cfg.Sensitive()), checkSource: checkSource}
	err = r.run(ctx)
	v.Close()
	if r.done && !opts.json {
		c.out.printf("%s", r.summary().text(c.out))
	}
	return err
}

// loadWanted loads what is to run, and what checks source trees before they
// reach a guest; nil: nothing.
func (c applyCommand) loadWanted(opts applyOptions) (*loaded, func(config.Source, *source.Tree) error, error) {
	if opts.plan == "" {
		l, err := c.load(opts.vars)
		if err != nil {
			return nil, nil, err
		}
		l, err = l.targets(opts.targets)
		return l, nil, err
	}
	l, p, err := c.loadSaved(opts.plan, opts.vars)
	if err != nil {
		return nil, nil, err
	}
	return l, c.checkSource(opts.plan, p, l.cfg), nil
}

// templatesVariable is the environment variable that turns memory templates
// off.
const templatesVariable = "AMBIENT_TEMPLATES"

func templatesOff(value string) (bool, error) {
	switch value {
	case "", "on":
		return false, nil
	case "off":
		return true, nil
	}
	return false, usagef("%s=%q: want on or off.", templatesVariable, value)
}

// applyRun is one run of a configuration.
type applyRun struct {
	applyCommand
	*loaded
	opts   applyOptions
	view   view
	kill   <-chan struct{}
	record *runs.Writer
	redact redactor
	tails  tails
	result stages.RunResult
	done   bool // result is there
	made   bool // there are artifacts

	checkSource func(config.Source, *source.Tree) error
}

// run runs the stages and closes the record. The error is the run's outcome, or
// ours when there is none or the record is not whole.
func (r *applyRun) run(ctx context.Context) (err error) {
	h, err := r.home()
	if err != nil {
		return err
	}
	id := r.parts.identifier(h)
	reuser, err := r.reuser(h, id)
	if err != nil {
		return err
	}
	noTemplates, err := templatesOff(os.Getenv(templatesVariable))
	if err != nil {
		return err
	}
	engine, closeEngine, err := r.parts.newRunner(runner.Options{
		Home: h, Note: r.view.Note, RequireKVM: r.opts.requireKVM, CheckSource: r.checkSource, Identifier: id,
		NoTemplates: noTemplates, Sensitive: r.cfg.Sensitive(), Dir: r.cfg.Dir,
	})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := closeEngine(); err == nil {
			err = cerr
		}
	}()
	if r.record, err = runs.NewStore(h).Create(r.info()); err != nil {
		return err
	}
	defer r.record.Close()
	if err := writePlan(r.record.Dir(), r.loaded); err != nil {
		return r.record.Fail(err)
	}
	r.result = r.graph.Run(ctx, stages.RunOptions{
		Runner:      engine,
		Observer:    stages.ObserverFunc(r.event),
		RunID:       r.record.ID(),
		Reuser:      reuser,
		Duration:    reuser.Store.Durations(r.cfg.Projects),
		Capacity:    r.capacity(),
		Parallelism: r.opts.parallelism,
		Dir:         r.record.StageDir,
		Kill:        r.kill,
	})
	r.done = true
	defer r.look(h)
	if err := r.record.Finish(r.result); err != nil {
		r.view.Note("Warning: " + err.Error())
		if r.result.Outcome == stages.Succeeded {
			return err
		}
	}
	return r.outcome()
}

// capacity is what there is for stages. Who says how many run at the same time
// knows better than the number of processors.
func (r *applyRun) capacity() stages.Capacity {
	c := r.parts.capacity()
	if r.opts.parallelism > 0 {
		c.CPUs = 0
	}
	return c
}

// look finds out whether there are artifacts.
func (r *applyRun) look(h *home.Home) {
	if run, err := runs.NewStore(h).Open(r.record.ID()); err == nil {
		r.made = hasArtifacts(run)
	}
}

func (r *applyRun) outcome() error {
	if r.result.Outcome == stages.Succeeded {
		return nil
	}
	return &outcomeError{r.result.Outcome}
}

// event passes an event on, first to the record, without values that must not
// be shown.
func (r *applyRun) event(e stages.Event) {
	e = r.redact.event(e)
	r.record.Event(e)
	r.tails.Event(e)
	r.view.Event(e)
}

func (r *applyRun) info() runs.Info {
	var ids []config.StageID
	for _, s := range r.graph.Order() {
		ids = append(ids, s.ID)
	}
	return runs.Info{Directory: r.cfg.Dir, Stages: ids}
}

func (r *applyRun) summary() summary {
	s := summary{
		run: r.record.ID(), outcome: r.result.Outcome, duration: r.result.Duration.Seconds(),
		dir: r.record.Dir(), made: r.made, tail: r.tails.of,
	}
	for _, st := range r.result.Stages {
		s.stages = append(s.stages, r.redact.stage(st.Record()))
	}
	return s
}

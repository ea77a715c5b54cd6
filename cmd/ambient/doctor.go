package main

import (
	"encoding/json"
	"strings"

	"github.com/ambient-ci/ambient/runner"
)

// checkJSON is the form of a check in `doctor -json`.
type checkJSON struct {
	Name   string             `json:"name"`
	Status runner.CheckStatus `json:"status"` // "ok", "warn" or "fail"
	Detail string             `json:"detail"`
	Remedy string             `json:"remedy,omitempty"`
}

// doctorVersion is the version of `doctor -json`.
const doctorVersion = 1

type doctorCommand struct{ *app }

func (doctorCommand) Synopsis() string { return "check whether stages can run on this machine" }

func (doctorCommand) Help() string {
	return helpText{
		usage: "doctor [-json]",
		about: "Looks at QEMU, the accelerators, memory, disk and tools of this machine, boots a\n" +
			"probe, and says for all that is missing what to do.",
		options:  []string{"-json", "one JSON object"},
		exits:    []string{"0", "a stage could run", usageExit[0], usageExit[1], "3", "no stage could run"},
		examples: []string{"ambient doctor"},
	}.String()
}

func (c doctorCommand) Run(args []string) int {
	asJSON, err := c.parseDoctor(args)
	if err == nil {
		err = c.run(asJSON)
	}
	return c.finish("doctor", err)
}

func (c doctorCommand) parseDoctor(args []string) (asJSON bool, err error) {
	fs := newFlags("doctor")
	fs.BoolVar(&asJSON, "json", false, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 0, "")
	}
	return asJSON, err
}

func (c doctorCommand) run(asJSON bool) error {
	h, err := c.home()
	if err != nil {
		return err
	}
	ctx, _, stop := c.interruptible(func(string) {})
	defer stop()
	checks := c.parts.diagnose(ctx, h, c.parts.capacity().Memory)
	if err := ctx.Err(); err != nil {
		return err
	}
	fit := canRun(checks)
	if asJSON {
		err = json.NewEncoder(c.out).Encode(doctorToJSON(checks, fit))
	} else {
		c.out.printf("%s", checksText(c.out, checks, fit))
	}
	if err == nil && !fit {
		err = errUnfit
	}
	return err
}

func doctorToJSON(checks []runner.Check, fit bool) any {
	list := []checkJSON{}
	for _, k := range checks {
		list = append(list, checkJSON(k))
	}
	return map[string]any{"v": doctorVersion, "ok": fit, "checks": list}
}

// canRun reports whether no check failed; without any check nothing is known.
func canRun(checks []runner.Check) bool {
	for _, k := range checks {
		if k.Status != runner.CheckOK && k.Status != runner.CheckWarn {
			return false
		}
	}
	return len(checks) > 0
}

func checksText(c *console, checks []runner.Check, fit bool) string {
	inks := map[runner.CheckStatus]ink{runner.CheckOK: green, runner.CheckWarn: yellow, runner.CheckFail: red}
	var rows [][]string
	for _, k := range checks {
		status := c.paint(inks[k.Status], string(k.Status))
		lines := strings.Split(safeLines(strings.TrimSpace(k.Detail)), "\n")
		if k.Remedy != "" && k.Status != runner.CheckOK {
			for i, line := range strings.Split(safeLines(strings.TrimSpace(k.Remedy)), "\n") {
				lines = append(lines, []string{"-> ", "   "}[min(i, 1)]+line)
			}
		}
		for i, line := range lines {
			rows = append(rows, []string{unless(i > 0, status), unless(i > 0, safe(k.Name)), line})
		}
	}
	last := "No stage could run here.\n"
	if fit {
		last = "Stages can run here.\n"
	}
	return columns(rows) + "\n" + last
}

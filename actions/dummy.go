package actions

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

var _ = register(Definition{
	ActionSchema: config.ActionSchema{
		Name:    "dummy",
		Doc:     "Does nothing, and succeeds. It stands in for an action that is still to be written.",
		Phases:  []config.Phase{config.Pre, config.Plan, config.Post},
		Example: "action \"dummy\" {}",
	},
	Steps:   func(config.Args, Host) ([]guest.Step, error) { return nil, nil },
	Depends: nothingDepends,
})

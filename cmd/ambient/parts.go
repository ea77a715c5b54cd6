package main

import (
	"context"

	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/runner"
	"github.com/ambient-ci/ambient/stages"
)

// parts are what the commands need of the machine. Tests put others in.
type parts struct {
	// newRunner makes what runs stages. Call close when every execution is closed.
	newRunner func(opts runner.Options) (r stages.Runner, close func() error, err error)
	// identifier works out what stages see, for one run.
	identifier func(h *home.Home) *runner.Identifier
	// diagnose looks at the machine and boots a probe. Memory is what stages can
	// have, in bytes; 0: not known.
	diagnose func(ctx context.Context, h *home.Home, memory int64) []runner.Check
	// capacity is what this machine can give to stages now.
	capacity func() stages.Capacity
}

// realParts run stages in QEMU.
func realParts() parts {
	return parts{
		newRunner: func(opts runner.Options) (stages.Runner, func() error, error) {
			r, err := runner.New(opts)
			if err != nil {
				return nil, nil, err
			}
			return r, r.Close, nil
		},
		identifier: runner.NewIdentifier,
		diagnose:   runner.Diagnose,
		capacity:   machineCapacity,
	}
}

package runner

import (
	"encoding/json"
	"maps"
	"path"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/stages"
)

// guestNetwork has the addresses that package egress gives every guest.
var guestNetwork = guest.Network{
	Address: "10.0.2.15/24",
	Gateway: "10.0.2.2",
	DNS:     []string{"10.0.2.3"},
}

// guestPlan turns a job into what the guest program is to do. It is pure.
func guestPlan(job *stages.Job, host actions.Host) (*guest.Plan, error) {
	stage := job.Stage
	plan := &guest.Plan{
		Version:       guest.ProtocolVersion,
		Project:       stage.ID.Project,
		Stage:         stage.ID.Short(),
		Env:           maps.Clone(job.Env),
		Inputs:        planInputs(stage.ID.Phase),
		Outputs:       planOutputs(stage),
		MemoryReserve: memoryReserve(stage.Limits.Memory),
		PIDs:          stage.Limits.Processes,
	}
	if networked(stage) {
		network := guestNetwork
		plan.Network = &network
		plan.Trust = true
	}
	var err error
	plan.Actions, err = actions.Build(stage, plan.Env, host)
	if err != nil {
		return nil, err
	}
	return plan, nil
}

func networked(stage *config.Stage) bool {
	return stage.ID.Phase != config.Plan && stage.Network != config.NetworkNone
}

// memoryReserve is what the guest program and the kernel keep for themselves.
func memoryReserve(memory int64) int64 { return max(32<<20, memory/16) }

// planInputs is the table of the design: what each phase reads, and how.
func planInputs(phase config.Phase) []guest.Input {
	inputs := []guest.Input{
		{Serial: guest.SerialSource, Dir: guest.DirSource, Image: true, ReadOnly: phase != config.Plan},
		{Serial: guest.SerialSources, Dir: guest.DirSources, Image: true, ReadOnly: phase != config.Plan},
		{Serial: guest.SerialInputs, Dir: guest.DirInputs, Image: true, ReadOnly: phase != config.Plan},
		{Serial: guest.SerialSecrets, Dir: guest.DirSecrets},
	}
	if phase == config.Plan {
		inputs = append(inputs,
			guest.Input{Serial: guest.SerialDeps, Dir: guest.DirDeps, Image: true},
			guest.Input{Serial: guest.SerialCache, Dir: guest.DirCache, Optional: true})
	}
	if phase == config.Post {
		// The union of what the plan stages made.
		inputs = append(inputs, guest.Input{Serial: guest.SerialDeps, Dir: guest.DirArtifacts, Image: true, ReadOnly: true})
	}
	return inputs
}

func planOutputs(stage *config.Stage) []guest.Output {
	cache := guest.Output{Name: guest.LimitCache, Dir: guest.DirCache, Serial: guest.SerialCacheOut, Limit: stage.Limits.Cache}
	artifacts := guest.Output{Name: guest.LimitArtifacts, Dir: guest.DirArtifacts, Serial: guest.SerialArtifacts, Limit: stage.Limits.Artifacts}
	switch stage.ID.Phase {
	case config.Pre:
		return []guest.Output{{Name: guest.LimitDeps, Dir: guest.DirDeps, Serial: guest.SerialArtifacts, Limit: stage.Limits.Deps}}
	case config.Plan:
		return []guest.Output{artifacts, cache}
	}
	artifacts.Dir = guest.DirReceipts
	return []guest.Output{artifacts}
}

// execFiles is the content of the exec device.
func execFiles(plan *guest.Plan, ca []byte) (map[string][]byte, error) {
	data, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{guest.PlanFile: data}
	if plan.Trust && len(ca) > 0 {
		files[guest.CAFile] = ca
	}
	return files, nil
}

// inputPrefix is where a stage's artifacts stand below DirInputs.
func inputPrefix(id config.StageID) string { return path.Join(id.Project, id.Dir()) }

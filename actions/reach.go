package actions

import (
	"fmt"

	"github.com/ambient-ci/ambient/config"
)

// StageReach returns what the actions of a stage must reach, without what is the
// same twice. The error is the first action's; what the others need comes with
// it.
func StageReach(stage *config.Stage, host Host, tree Tree) (all []config.Allow, err error) {
	host = stageHost{host, stage.Image}
	seen := map[string]bool{}
	for _, a := range stage.Actions {
		d := Lookup(a.Name)
		if d == nil || d.Reach == nil {
			continue
		}
		list, failed := d.Reach(a.Args, host, tree)
		if failed != nil && err == nil {
			err = fmt.Errorf("action %s: %w", a.Name, failed)
		}
		for _, entry := range list {
			if key := entry.String(); !seen[key] {
				seen[key] = true
				entry.By = a.Name
				all = append(all, entry)
			}
		}
	}
	return all, err
}

package results

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/stages"
)

// last is what a stage saw when it last ran.
type last struct {
	Version int            `json:"v"`
	Project string         `json:"project"`
	Source  string         `json:"source"` // of the project: two checkouts have two
	Stage   string         `json:"stage"`
	Run     string         `json:"run"`
	Outcome stages.Outcome `json:"outcome"`
	Key     string         `json:"key,omitempty"`
	Parts   []stages.Part  `json:"parts,omitempty"`
	Took    time.Duration  `json:"took,omitempty"` // the last time it succeeded
}

func (s *Store) lastFile(p *config.Project, id config.StageID) string {
	return filepath.Join(s.dir, lastDir, hashOf(p.Name, p.Source.Address, id.String())[:32]+".json")
}

// last returns nil when the stage never ran here, as far as can be known.
func (s *Store) last(p *config.Project, id config.StageID) *last {
	dir, err := os.OpenRoot(filepath.Join(s.dir, lastDir))
	if err != nil {
		return nil
	}
	defer dir.Close()
	data, _, err := readBounded(dir, filepath.Base(s.lastFile(p, id)))
	if err != nil {
		return nil
	}
	l := &last{}
	if json.Unmarshal(data, l) != nil || l.Version != entryVersion || l.Stage != id.String() {
		return nil
	}
	return l
}

func (s *Store) saveLast(p *config.Project, id config.StageID, l *last) error {
	l.Version, l.Project, l.Source, l.Stage = entryVersion, p.Name, p.Source.Address, id.String()
	if l.Outcome != stages.Succeeded {
		if before := s.last(p, id); before != nil {
			l.Took = before.Took
		}
	}
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	path := s.lastFile(p, id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return home.WriteFile(path, append(data, '\n'), 0o600)
}

// Durations returns how long each stage of the projects took the last time it
// succeeded, 0 for those that never did.
func (s *Store) Durations(projects []*config.Project) func(config.StageID) time.Duration {
	took := map[config.StageID]time.Duration{}
	for _, p := range projects {
		for _, stage := range p.Stages {
			if l := s.last(p, stage.ID); l != nil {
				took[stage.ID] = l.Took
			}
		}
	}
	return func(id config.StageID) time.Duration { return took[id] }
}

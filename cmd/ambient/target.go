package main

import (
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// all is the configuration with the stages that the targets left out.
func (l *loaded) all() *loaded {
	if l.whole != nil {
		return l.whole
	}
	return l
}

// targets returns the configuration with only the named stages and all that
// they need; with no name it is l itself.
func (l *loaded) targets(names []string) (*loaded, error) {
	if len(names) == 0 {
		return l, nil
	}
	keep := map[config.StageID]string{}
	for _, name := range names {
		found, err := l.cfg.FindStages(name)
		if err != nil {
			return nil, usagef("-target: %v", err)
		}
		for _, s := range found {
			l.keepNeeds(s.ID, "a target", keep)
		}
	}
	cfg := *l.cfg
	cfg.Projects = nil
	for _, p := range l.cfg.Projects {
		kept := *p
		kept.Stages = nil
		for _, s := range p.Stages {
			if keep[s.ID] != "" {
				kept.Stages = append(kept.Stages, s)
			}
		}
		if len(kept.Stages) > 0 {
			cfg.Projects = append(cfg.Projects, &kept)
		}
	}
	graph, diags := stages.Build(&cfg)
	if diags.HasErrors() {
		return nil, diags // part of a graph that was right is right: our fault
	}
	return &loaded{cfg: &cfg, graph: graph, whole: l, reasons: keep}, nil
}

// keepNeeds adds a stage, and why, and all it needs to keep.
func (l *loaded) keepNeeds(id config.StageID, why string, keep map[config.StageID]string) {
	if keep[id] != "" {
		return
	}
	keep[id] = why
	for _, e := range l.graph.Edges(id) {
		l.keepNeeds(e.Needs, "needed by "+id.String(), keep)
	}
}

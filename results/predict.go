package results

import (
	"context"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
)

// Forecast is what will be done with a stage.
type Forecast string

// The forecasts.
const (
	Runs   Forecast = "run"
	Reuses Forecast = "reuse"
	Maybe  Forecast = "maybe" // that depends on what stages before it make
)

// Prediction says what would happen to a stage if its graph ran now and nothing
// failed.
type Prediction struct {
	Forecast Forecast
	Reason   string // for the user
	From     string // the run whose result is reused
}

// Predict looks for the results that a run of the graph would use. It changes
// nothing.
func (u *Reuser) Predict(ctx context.Context, g *stages.Graph) map[config.StageID]Prediction {
	all := map[config.StageID]Prediction{}
	outputs := map[config.StageID]*stages.Data{}
	for _, s := range g.Order() {
		if ctx.Err() != nil {
			break
		}
		p, out := u.predict(ctx, g, s.ID, all, outputs)
		all[s.ID] = p
		if out != nil {
			outputs[s.ID] = out
		}
	}
	return all
}

func (u *Reuser) predict(ctx context.Context, g *stages.Graph, id config.StageID, all map[config.StageID]Prediction, outputs map[config.StageID]*stages.Data) (Prediction, *stages.Data) {
	job := g.Foresee(id, outputs)
	e, found := u.use(ctx, job, func(k *kept) error { return k.look(ctx) })
	if t, ok := found.Token.(token); ok && t.known && t.id.Never != "" {
		return Prediction{Forecast: Runs, Reason: found.Reason}, nil
	}
	for _, r := range g.Reads(id) {
		if all[r].Forecast != Reuses {
			return Prediction{Forecast: Maybe, Reason: "depends on " + near(r, id) + ", which " + does(all[r].Forecast)}, nil
		}
	}
	if t, _ := found.Token.(token); !t.known {
		return Prediction{Forecast: Maybe, Reason: found.Reason}, nil
	}
	if e == nil {
		return Prediction{Forecast: Runs, Reason: found.Reason}, nil
	}
	p := Prediction{Forecast: Reuses, Reason: reusedReason(e), From: e.Run}
	if e.Output == nil {
		return p, nil
	}
	return p, &stages.Data{From: id, Size: e.Output.Size, Digest: e.Output.Digest}
}

// near is a stage's name as seen from another one.
func near(id, from config.StageID) string {
	if id.Project == from.Project {
		return id.Short()
	}
	return id.String()
}

func does(f Forecast) string {
	if f == Maybe {
		return "may run"
	}
	return "runs"
}

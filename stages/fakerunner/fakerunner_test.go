package fakerunner_test

import (
	"testing"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/stages"
	"github.com/ambient-ci/ambient/stages/fakerunner"
	"github.com/ambient-ci/ambient/stages/runnertest"
)

func TestSuite(t *testing.T) {
	runnertest.Suite(t, runnertest.Harness{
		New:     func(t *testing.T) stages.Runner { return fakerunner.New(t) },
		Unknown: &config.Image{Name: "unknown", Debian: true, Suite: fakerunner.UnknownSuite},
		Boot:    300 * time.Millisecond,
	})
}

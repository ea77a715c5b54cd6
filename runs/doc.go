// Package runs keeps the record: one directory for each run, with what was run,
// what happened and what came out.
//
//	<id>/run.json       the Record; appears and changes by rename
//	<id>/events.jsonl   one stages.Event a line, without the output of actions
//	<id>/held           locked by the process that runs, as long as it lives
//	<id>/stages/<project>/<stage>/build.log      the output of actions (Line)
//	<id>/stages/<project>/<stage>/console.log    the kernel's console
//	<id>/stages/<project>/<stage>/artifacts.tar  artifacts, or deps of a pre stage
//
// Everything is readable at any time, also while the run goes on and after a
// power cut: readers skip a line that was cut short. A run whose process ended
// without finishing it is found by its lock; whoever reads it next corrects its
// record, and only that. The package bounds no sizes but those of lines, and
// removes nothing.
package runs

// Names of files inside a run's directory, and inside a stage's.
const (
	recordFile    = "run.json"
	eventsFile    = "events.jsonl"
	heldFile      = "held"
	stagesDir     = "stages"
	buildLogFile  = "build.log"
	consoleFile   = "console.log"
	artifactsFile = "artifacts.tar"
)

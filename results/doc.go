// Package results keeps what stages made, so that a stage that would see the
// same again need not run.
//
//	keys/<key>/result.json   the Entry; the directory appears by rename
//	keys/<key>/files/        everything the run kept of the stage: log, artifacts
//	last/<stage>.json        what a stage saw when it last ran, and how long it took
//
// A key is a hash of everything that a stage can see. Files are hard links to
// those in the record of their run, where that can be: neither takes room twice,
// and either may be removed without the other. Whatever is damaged, gone or not
// understood is no result: the stage runs. Several processes may use one store.
package results

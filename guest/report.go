package guest

// Bounds on the test reports that a guest sends. The guest keeps to them with a
// warning; a guest that does not breaks the protocol.
const (
	MaxReportData  = 512 << 10 // bytes in one message
	MaxReportBytes = 8 << 20   // bytes of one report
	MaxReports     = 1000      // of one stage
	MaxReportTotal = 32 << 20  // bytes of all reports of a stage
	maxReportName  = 4096      // bytes
)

// Reports are the test reports of a stage that an action names. The guest sends
// them after the last action, also when one failed.
type Reports struct {
	// Files are patterns of absolute paths: "*" and its kin do not match a slash,
	// "**" as a whole name matches any number of directories.
	Files    []string `json:"files"`
	Required bool     `json:"required,omitempty"` // for the host: a stage without one fails
	Fail     bool     `json:"fail,omitempty"`     // for the host: a stage whose tests failed fails
}

// Report is a piece of a test report. The pieces of a report follow each other;
// reports come after the last Finished and before Done.
type Report struct {
	Action int    `json:"action"` // index in Plan.Actions of the action that names it
	File   string `json:"file"`   // its path, as messages show it
	Data   []byte `json:"data"`
	More   bool   `json:"more,omitempty"` // another piece follows
}

func (r *Report) check() error {
	switch {
	case r.Action < 0:
		return broken("report of action %d", r.Action)
	case len(r.File) > maxReportName:
		return broken("report with a name of %d bytes", len(r.File))
	case len(r.Data) > MaxReportData:
		return broken("%d bytes of a report at once", len(r.Data))
	}
	return nil
}

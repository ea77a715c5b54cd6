// Package reports makes a bounded summary of test reports in JUnit's XML format,
// as most test tools write it. There is no standard; what counts here is what
// the tools have in common: testcase elements, in any number of nested testsuite
// elements, that hold failure, error or skipped elements.
//
// Reports come from guests and are hostile: their size, depth and number are
// bounded, documents have no entities but XML's own five, and nothing is
// fetched.
package reports

// Bounds on what is read and kept.
const (
	MaxBytes   = 8 << 20 // of one report
	MaxDepth   = 100     // of elements
	MaxCases   = 1 << 20 // in one summary
	MaxFailing = 20      // Summary.Failing
	MaxName    = 200     // bytes of Case.Name, Suite and Report
	MaxMessage = 500     // bytes of Case.Message
)

// Summary is what a number of reports say together. The zero value is empty.
type Summary struct {
	Reports int     `json:"reports"` // that could be read, if only in part
	Total   int     `json:"total"`   // cases, the skipped ones too
	Failed  int     `json:"failed"`  // by an assertion
	Errors  int     `json:"errors"`  // for another reason
	Skipped int     `json:"skipped"`
	Time    float64 `json:"time"` // seconds that the cases say they took
	// Failing are the first cases that failed or had errors.
	Failing []Case `json:"failing,omitempty"`
}

// Case is a test that did not pass.
type Case struct {
	Name    string `json:"name"`
	Suite   string `json:"suite,omitempty"` // its class, package or suite
	Kind    string `json:"kind"`            // KindFailed or KindError
	Message string `json:"message,omitempty"`
	Report  string `json:"report,omitempty"` // the file that says so
}

// The kinds of Case.
const (
	KindFailed = "failed"
	KindError  = "error"
)

// Bad returns the number of cases that did not pass.
func (s *Summary) Bad() int { return s.Failed + s.Errors }

// Join adds what another summary says.
func (s *Summary) Join(o *Summary) {
	s.Reports += o.Reports
	s.Total += o.Total
	s.Failed += o.Failed
	s.Errors += o.Errors
	s.Skipped += o.Skipped
	s.Time += o.Time
	s.Failing = append(s.Failing, o.Failing[:min(len(o.Failing), MaxFailing-len(s.Failing))]...)
}

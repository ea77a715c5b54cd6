package config

// DiagnosticJSON is a diagnostic for machines: `-json`.
type DiagnosticJSON struct {
	Severity string    `json:"severity"` // "error" or "warning"
	Summary  string    `json:"summary"`
	Detail   string    `json:"detail,omitempty"`
	File     string    `json:"file,omitempty"` // or a directory, without start and end
	Start    *Position `json:"start,omitempty"`
	End      *Position `json:"end,omitempty"` // the first position after the range
}

// Position is a place in a file. Line and Column count from 1, columns in
// grapheme clusters; Byte counts from 0.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// DiagnosticsJSON returns diagnostics in a form to be encoded as JSON; never
// nil.
func DiagnosticsJSON(diags Diagnostics) []DiagnosticJSON {
	out := make([]DiagnosticJSON, 0, len(diags))
	for _, d := range diags {
		j := DiagnosticJSON{Severity: severity(d), Summary: d.Summary, Detail: d.Detail}
		if s := d.Subject; s != nil {
			j.File = s.Filename
		}
		if s := d.Subject; s != nil && s.Start.Line > 0 {
			j.Start = &Position{s.Start.Line, s.Start.Column, s.Start.Byte}
			j.End = &Position{s.End.Line, s.End.Column, s.End.Byte}
		}
		out = append(out, j)
	}
	return out
}

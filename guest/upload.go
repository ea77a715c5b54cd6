package guest

// Upload sends files over HTTP or HTTPS, one request for each.
type Upload struct {
	Dir   string   `json:"dir"`   // absolute; no file outside it is sent, whatever links there are
	Files []string `json:"files"` // patterns relative to Dir, as in Reports
	// URL is where to; with a final slash, each file's path in Dir follows.
	URL    string            `json:"url"`
	Method string            `json:"method"`
	Header map[string]string `json:"header,omitempty"`
	// TokenFile, unless empty, is a file whose content TokenFormat (with one %s)
	// turns into the header line TokenHeader.
	TokenFile   string `json:"token_file,omitempty"`
	TokenHeader string `json:"token_header,omitempty"`
	TokenFormat string `json:"token_format,omitempty"`
	Retries     int    `json:"retries"` // further tries after the first, for each file
}

package config

import "github.com/hashicorp/hcl/v2"

// Texts returns a configuration without projects that holds these texts, by the
// names that ranges have, so that WriteDiagnostics can show their lines.
func Texts(texts map[string][]byte) *Config {
	c := &Config{files: map[string]*hcl.File{}}
	for name, text := range texts {
		c.files[name] = &hcl.File{Bytes: text}
	}
	return c
}

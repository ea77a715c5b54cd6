package config

import (
	"maps"
	"slices"
	"strings"
)

// Variable is a variable block, as those who give values need to know it.
type Variable struct {
	Name      string
	Sensitive bool
}

// Variables returns the declared variables, sorted by name.
func (c *Config) Variables() []Variable {
	vars := slices.Clone(c.variables)
	slices.SortFunc(vars, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	return vars
}

// Texts returns the text of every configuration file and every file of
// variables that was read, by the name that ranges have, with asterisks in place
// of sensitive values and line ends of "\n". The texts are not to be changed.
func (c *Config) Texts() map[string][]byte {
	texts := map[string][]byte{}
	for name, f := range maps.All(c.files) {
		texts[name] = f.Bytes
	}
	return texts
}

package config

// ActionSchema describes the arguments of an action, whoever provides it. The
// configuration is checked, and the language reference written, from it.
type ActionSchema struct {
	Name    string
	Doc     string  // one sentence, then details; Markdown
	Phases  []Phase // where it may stand
	Params  []Param
	Blocks  []BlockSchema
	Example string // an action block, for the reference
	// Check finds what types can not say. It gets arguments that match the
	// schema and returns problems by parameter name; nil when there is none.
	Check func(Args) []Problem
	// NeedsDebian says that the action runs tools of a Debian image (apt), so
	// that the built-in image can not run it.
	NeedsDebian bool
}

// BlockSchema is a block inside an action, which may be repeated.
type BlockSchema struct {
	Name   string
	Doc    string
	Params []Param
}

// Param is one argument.
type Param struct {
	Name     string
	Type     ParamType
	Required bool
	Default  any // shown in the reference and given when the argument is missing; nil: none
	Doc      string
	// Script says that the argument, a string, holds a shell script, which is
	// checked when the configuration is loaded. An argument "shell" beside it
	// says which shell runs it: "bash" or "sh".
	Script bool
}

// ParamType is the type of an argument.
type ParamType string

// The types of arguments and the Go types that Args holds for them.
const (
	TypeString  ParamType = "string"       // string
	TypeNumber  ParamType = "number"       // int64
	TypeBool    ParamType = "bool"         // bool
	TypeStrings ParamType = "list(string)" // []string
	TypeMap     ParamType = "map(string)"  // map[string]string
	TypeAny     ParamType = "any"          // nil, bool, int64, float64, string, []any, map[string]any
)

// Problem is a fault that ActionSchema.Check found.
type Problem struct {
	Param   string // the argument; empty: the block itself
	Block   string // with Index: the nested block that holds Param
	Index   int
	Summary string // without values
	Detail  string // what to do
}

// Args are the checked arguments of one action. The zero value is empty.
type Args struct {
	Values map[string]any    // by parameter; absent when missing without default
	Blocks map[string][]Args // by block name, in file order
}

// Has reports whether the argument is given or has a default.
func (a Args) Has(name string) bool { _, ok := a.Values[name]; return ok }

// String returns a TypeString argument, "" when absent.
func (a Args) String(name string) string { s, _ := a.Values[name].(string); return s }

// Int returns a TypeNumber argument, 0 when absent.
func (a Args) Int(name string) int64 { n, _ := a.Values[name].(int64); return n }

// Bool returns a TypeBool argument, false when absent.
func (a Args) Bool(name string) bool { b, _ := a.Values[name].(bool); return b }

// Strings returns a TypeStrings argument, nil when absent.
func (a Args) Strings(name string) []string { s, _ := a.Values[name].([]string); return s }

// Map returns a TypeMap argument, nil when absent.
func (a Args) Map(name string) map[string]string {
	m, _ := a.Values[name].(map[string]string)
	return m
}

// Any returns an argument of any type, nil when absent.
func (a Args) Any(name string) any { return a.Values[name] }

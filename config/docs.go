package config

import (
	"encoding/json"
	"fmt"
)

// BlockDoc describes one kind of block for the reference of the language. It is
// made from the tables that Load checks files against.
type BlockDoc struct {
	Name      string
	Kind      string   // the block's first label, where that is a keyword: "ssh"; else empty
	Labels    []string // what each label is, beside Kind: "name"
	Doc       string   // Markdown
	Example   string   // HCL; empty: none
	Single    bool     // at most once in its parent
	Arguments []ArgDoc
	Blocks    []BlockDoc
	// Open says that the arguments depend on the label or are free: the
	// arguments of an action are those of its schema, beside the ones here.
	Open bool
}

// ArgDoc describes one argument.
type ArgDoc struct {
	Name     string
	Type     string
	Required bool
	Default  string // empty: none
	Doc      string // Markdown
}

// BlockDocs describes every block that may stand in a file. What this version
// does not support is left out.
func BlockDocs() []BlockDoc { return describe(top).Blocks }

// ActionDoc describes an action as a block, from its schema.
func ActionDoc(s *ActionSchema) BlockDoc {
	d := describe(s.spec())
	d.Doc, d.Example, d.Labels = s.Doc, s.Example, nil
	return d
}

func describe(s *blockSpec) BlockDoc {
	d := BlockDoc{Name: s.Name, Labels: s.Labels, Doc: s.Doc, Example: s.Example, Single: s.Single, Open: s.Open}
	for _, a := range s.Args {
		if a.Later+a.Never == "" {
			d.Arguments = append(d.Arguments, ArgDoc{a.Name, a.Type, a.Required, a.Default, a.Doc})
		}
	}
	for _, b := range s.Blocks {
		switch {
		case b.Later != "" || b.Never != "":
		case len(b.Kinds) > 0:
			for _, k := range b.Kinds {
				kind := describe(k)
				kind.Kind, kind.Labels = k.Kind, kind.Labels[1:]
				d.Blocks = append(d.Blocks, kind)
			}
		default:
			d.Blocks = append(d.Blocks, describe(b))
		}
	}
	return d
}

// showDefault writes a default as it would stand in a file.
func showDefault(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

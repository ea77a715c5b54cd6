package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns the text of a configuration file with canonical spaces and
// indentation. Text with errors is returned as it is, with the errors, whose
// ranges have no file name. Line ends stay as they are.
func Format(src []byte) ([]byte, Diagnostics) {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	if d := checkNesting(tokens); d != nil {
		return src, Diagnostics{d}
	}
	if _, diags := hclsyntax.ParseConfig(src, "", hcl.InitialPos); diags.HasErrors() {
		return src, syntaxErrors(diags)
	}
	return hclwrite.Format(src), nil
}

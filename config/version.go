package config

import (
	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// tooOld checks required_version. When this program may not read the files, the
// diagnostics of everything else are dropped: they would be misleading.
func (l *loader) tooOld() bool {
	var first *hclsyntax.Block
	for _, body := range l.bodies {
		for _, b := range body.Blocks {
			if b.Type != ambientSpec.Name {
				continue
			}
			if first != nil && first.TypeRange.Filename == b.TypeRange.Filename {
				continue // reported with the other blocks of this file
			}
			if first != nil {
				l.add(Errorf(b.DefRange(), "Duplicate block", "One \"ambient\" block stands already at %s. Merge the two.", place(first.DefRange())))
				continue
			}
			first = b
			if d := l.checkVersion(b); d != nil {
				l.diags = Diagnostics{d}
				return true
			}
		}
	}
	return false
}

// checkVersion returns a diagnostic if this program is too old for the files.
// Other mistakes are added to the list.
func (l *loader) checkVersion(b *hclsyntax.Block) *Diagnostic {
	a := b.Body.Attributes["required_version"]
	if a == nil {
		return nil
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
		l.add(Errorf(exprRange(a), "Invalid version constraint", "required_version must be a string without references, such as \">= 0.1\"."))
		return nil
	}
	want, err := version.NewConstraint(v.AsString())
	if err != nil {
		l.add(Errorf(exprRange(a), "Invalid version constraint", "Write an operator and a version, such as \">= 0.1\" or \">= 0.1, < 2\"."))
		return nil
	}
	have, err := version.NewVersion(l.opts.Version)
	if err != nil || want.Check(have.Core()) {
		return nil
	}
	return Errorf(exprRange(a), "Wrong version of ambient", "This is ambient %s, and these files need %s. Install a version that fits, or change required_version.", l.opts.Version, v.AsString())
}

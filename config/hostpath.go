package config

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// hostPath evaluates an argument that is the path of a file on this machine,
// absolute afterwards; "" when it is missing or wrong. The file is not looked at.
func (l *loader) hostPath(c content, name string) string {
	a := c.attrs[name]
	if a == nil {
		return ""
	}
	path, _ := l.absolute(l.textArg(c, name), exprRange(a))
	return path
}

// absolute makes a path that a user wrote absolute.
func (l *loader) absolute(path string, at Range) (string, bool) {
	first, rest, _ := strings.Cut(path, "/")
	switch {
	case path == "":
		return "", false
	case strings.Contains(path, "-----BEGIN") || strings.HasPrefix(path, "AGE-SECRET-KEY-"):
		l.hidden = append(l.hidden, at)
		l.add(Errorf(at, "Key instead of a path", "This is the text of a key, which does not belong in this file. Put it in a file of its own that only you can read, and write that file's path."))
	case strings.ContainsAny(path, "\x00\n\r"):
		l.add(Errorf(at, "Invalid path", "Write the path of a file in one line."))
	case strings.Contains(path, "://"):
		l.add(Errorf(at, "Invalid path", "This is an address. Write the path of a file on this machine."))
	case first == "~" && l.opts.Home == "":
		l.add(Errorf(at, "Unknown home directory", "The environment does not say where your home is. Write the path without \"~\"."))
	case first == "~":
		return filepath.Join(l.opts.Home, rest), true
	case strings.HasPrefix(first, "~"):
		l.add(Errorf(at, "Invalid path", "Only your own home can be written as \"~/\". Write the whole path."))
	case filepath.IsAbs(path):
		return filepath.Clean(path), true
	default:
		return filepath.Join(l.cfg.Dir, path), true
	}
	return "", false
}

// trustSpec says which further certificate authorities stages trust.
var trustSpec = &blockSpec{
	Name: "trust",
	Doc: "Certificate authorities that `pre` and `post` stages trust beside those that this machine trusts, such as a company's own. Of the files only certificates are used. " +
		"At the top of a file for all of them, in a project for its own, in a stage for that one; all add up. " +
		"They are in the machine's `/etc/ssl/certs/ca-certificates.crt`, which the usual variables name. A `plan` stage has no network, and gets none.",
	Example: "trust {\n  ca_file = \"ci/company-ca.pem\"\n}",
	Args: []argSpec{
		{Name: "ca_file", Type: "string", Doc: "A file with certificates in PEM: a path on this machine, relative to the directory of the files; `~/` is your home."},
		{Name: "ca_files", Type: "list(string)", Default: "[]", Doc: "Several of them."},
	},
}

var noTrustInPlan = &blockSpec{Name: trustSpec.Name, Never: "A plan stage has no network, and so nobody to trust. Write the block in a pre or post stage, in the project, or at the top."}

// trust returns the files with authorities that the blocks among others name,
// after those that are inherited.
func (l *loader) trust(inherited []string, blocks []*hclsyntax.Block, sc scope) []string {
	all := slices.Clone(inherited)
	for _, b := range blocks {
		c := l.read(trustSpec, b.Body, b.DefRange())
		if len(b.Body.Attributes) == 0 {
			l.add(Errorf(b.DefRange(), "Empty block", "Say whom to trust:\n  ca_file = \"company-ca.pem\""))
		}
		for _, path := range l.trustFiles(c, sc) {
			if !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	return all
}

func (l *loader) trustFiles(c content, sc scope) []string {
	var all []string
	if a := c.attrs["ca_file"]; a != nil {
		if v, ok := l.plainAs(a.Expr, cty.String, sc); ok {
			all = l.trustFile(all, v.AsString(), exprRange(a))
		}
	}
	if a := c.attrs["ca_files"]; a != nil {
		if v, ok := l.plainAs(a.Expr, cty.List(cty.String), sc); ok {
			for i, text := range stringList(v) {
				all = l.trustFile(all, text, elementRange(a.Expr, i))
			}
		}
	}
	return all
}

// trustFile adds one file to those of a block.
func (l *loader) trustFile(all []string, text string, at Range) []string {
	if text == "" {
		l.add(Errorf(at, "Empty text", "Write the path of a file with certificates."))
		return all
	}
	path, ok := l.absolute(text, at)
	switch {
	case !ok:
		return all
	case slices.Contains(all, path):
		l.add(Errorf(at, "Duplicate entry", "The same file stands in the block already."))
		return all
	}
	return append(all, path)
}

// topTrust returns the files that the blocks at the top name.
func (l *loader) topTrust() []string {
	if l.trusted == nil {
		all := l.trust(nil, l.trustBlocks, scope{})
		l.trusted = &all
	}
	return *l.trusted
}

package config

import (
	"net/url"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// declareImage registers an image block.
func (l *loader) declareImage(b *hclsyntax.Block) {
	n := l.declare(l.images, "image", b)
	c := l.read(imageSpec, b.Body, b.DefRange())
	if n == nil {
		return
	}
	n.eval = func() cty.Value {
		img, ok := l.image(b, c)
		l.imagesByName[img.Name] = img
		if !ok {
			return cty.DynamicVal
		}
		return imageValue(img)
	}
}

// image evaluates an image block and reports whether all of it was right.
func (l *loader) image(b *hclsyntax.Block, c content) (*Image, bool) {
	img := &Image{Name: b.Labels[0], Debian: true, Range: b.DefRange()}
	debian := c.of("debian")
	if len(debian) == 0 {
		if len(b.Body.Attributes)+len(b.Body.Blocks) == 0 {
			l.add(Errorf(b.DefRange(), "Image without content", "Say what the image is made of:\n  image %q {\n    debian { suite = \"bookworm\" }\n  }", img.Name))
		}
		return img, false
	}
	d := l.read(imageSpec.block("debian"), debian[0].Body, debian[0].DefRange())
	ok := len(d.attrs) == len(debian[0].Body.Attributes)
	for _, field := range []func(*Image, content) bool{l.imageSuite, l.imagePackages, l.imageMirror} {
		ok = field(img, d) && ok
	}
	return img, ok
}

var (
	suitePattern   = regexp.MustCompile(`^[a-z][a-z0-9.-]{0,40}$`)
	packagePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`) // Debian policy 5.6.1
)

func (l *loader) imageSuite(img *Image, c content) bool {
	a := c.attrs["suite"]
	if a == nil {
		return true
	}
	v, ok := l.plainAs(a.Expr, cty.String, scope{})
	if !ok {
		return false
	}
	img.Suite = v.AsString()
	if !suitePattern.MatchString(img.Suite) {
		l.add(Errorf(exprRange(a), "Invalid suite", "Write the name of a Debian release in lower case, such as \"bookworm\"."))
		return false
	}
	return true
}

func (l *loader) imagePackages(img *Image, c content) bool {
	a := c.attrs["packages"]
	if a == nil {
		return true
	}
	v, ok := l.plainAs(a.Expr, cty.List(cty.String), scope{})
	if !ok {
		return false
	}
	for i, p := range stringList(v) {
		if !packagePattern.MatchString(p) {
			l.add(Errorf(elementRange(a.Expr, i), "Invalid package name", "A Debian package's name has lower-case letters, digits, \"+\", \"-\" and \".\" only, and at least two of them."))
			ok = false
		}
		img.Packages = append(img.Packages, p)
	}
	slices.Sort(img.Packages)
	img.Packages = slices.Compact(img.Packages)
	return ok
}

func (l *loader) imageMirror(img *Image, c content) bool {
	a := c.attrs["mirror"]
	if a == nil {
		return true
	}
	v, ok := l.plain(a.Expr, scope{})
	if !ok || v.IsNull() {
		return ok
	}
	if v, ok = l.as(v, cty.String, exprRange(a)); !ok {
		return false
	}
	img.Mirror = v.AsString()
	u, err := url.Parse(img.Mirror)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		l.add(Errorf(exprRange(a), "Invalid address", "Write the address of a Debian archive, such as \"https://mirror.example.org/debian\"."))
		return false
	}
	return true
}

// elementRange returns the place of one element of a list, or that of the whole
// expression if it is not written as a list.
func elementRange(e hclsyntax.Expression, i int) Range {
	if t, ok := bare(e).(*hclsyntax.TupleConsExpr); ok && i < len(t.Exprs) {
		return t.Exprs[i].Range()
	}
	return e.Range()
}

// imageValue is what image.NAME evaluates to.
func imageValue(img *Image) cty.Value {
	packages := cty.ListValEmpty(cty.String)
	if len(img.Packages) > 0 {
		var vals []cty.Value
		for _, p := range img.Packages {
			vals = append(vals, cty.StringVal(p))
		}
		packages = cty.ListVal(vals)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal(img.Name), "suite": cty.StringVal(img.Suite), "packages": packages,
	})
}

// builtIn is the image of stages that name none.
var builtIn = &Image{}

// stageImage returns the image an argument names, else the inherited one.
func (l *loader) stageImage(inherited *Image, c content, sc scope) *Image {
	a := c.attrs["image"]
	if a == nil {
		return inherited
	}
	v, ok := l.plain(a.Expr, sc)
	switch {
	case !ok:
		return &Image{Debian: true} // reported; nothing else is to be said about it
	case v.IsNull():
		return inherited
	}
	img := l.imagesByName[nameIn(v)]
	if img == nil || !imageValue(img).RawEquals(v) {
		l.add(Errorf(exprRange(a), "Not an image", "Refer to an image block: image.NAME. %s", orList(names(l.images), "", "images")))
		return inherited
	}
	return img
}

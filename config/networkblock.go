package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// defaultNetwork is the mode of pre and post stages that name none.
const defaultNetwork = NetworkAllow

// maxAllow bounds the entries of one allow-list.
const maxAllow = 1000

var networkModes = []string{string(NetworkAllow), string(NetworkAudit), string(NetworkNone), string(NetworkOpen)}

// networkSpec is the network block of pre and post stages.
var networkSpec = &blockSpec{
	Name: "network", Single: true,
	Doc:     "What the stage may reach. Only in `pre` and `post`. Actions that fetch, and secrets that are injected, add the hosts that they need.",
	Example: "network {\n  allow = [\"files.example.org:22\", \"*.example.net:443\", \"10.0.0.0/8:5432\", \"ntp.example.org:123/udp\"]\n}",
	Args: []argSpec{
		{Name: "mode", Type: "string", Default: `"` + string(defaultNetwork) + `"`, Doc: "With a list `allow` it is `allow`. `allow`: what `allow` lists and the stage's actions need, and nothing else. " +
			"`audit`: everything, and the run ends with the block that would allow it. `open`: everything that the host can reach. `none`: no network device."},
		{Name: "allow", Type: "list(string)", Default: "[]", Doc: "Hosts with a port: `NAME:PORT`; `*.NAME:PORT` for all names below that; `ADDRESS:PORT`; `PREFIX/BITS:PORT`; those of IPv6 in brackets. " +
			"A port of `*` is all of them. UDP is written `NAME:PORT/udp`."},
	},
}

// network works out what a stage can reach.
func (l *loader) network(phase Phase, c content, sc scope) (NetworkMode, []Allow) {
	if phase == Plan {
		return NetworkNone, nil
	}
	blocks := c.of(networkSpec.Name)
	if len(blocks) == 0 {
		return defaultNetwork, nil
	}
	b := blocks[0] // that there is one only is checked
	nc := l.read(networkSpec, b.Body, b.DefRange())
	a := nc.attrs["allow"]
	mode := defaultNetwork
	if a != nil {
		mode = NetworkAllow
	}
	if m := nc.attrs["mode"]; m != nil {
		mode = l.networkMode(m, sc, mode)
	}
	if a == nil {
		return mode, nil
	}
	if mode == NetworkOpen || mode == NetworkNone {
		l.add(Errorf(a.NameRange, "Argument without effect", "With mode = %q no list counts. Remove one of the two.", mode))
	}
	return mode, l.allow(a, sc)
}

func (l *loader) networkMode(a *hclsyntax.Attribute, sc scope, fallback NetworkMode) NetworkMode {
	v, ok := l.plainAs(a.Expr, cty.String, sc)
	if !ok {
		return fallback
	}
	if !slices.Contains(networkModes, v.AsString()) {
		l.add(Errorf(exprRange(a), "Unknown network mode", "There is no such mode. %s", orList(networkModes, v.AsString(), "modes")))
		return fallback
	}
	return NetworkMode(v.AsString())
}

// allow evaluates an allow-list.
func (l *loader) allow(a *hclsyntax.Attribute, sc scope) []Allow {
	v, ok := l.plainAs(a.Expr, cty.List(cty.String), sc)
	if !ok {
		return nil
	}
	list := stringList(v)
	if len(list) > maxAllow {
		l.add(Errorf(exprRange(a), "Too many entries", "An allow-list has at most %d entries. Use *.NAME or prefixes.", maxAllow))
		return nil
	}
	var out []Allow
	for i, text := range list {
		at := elementRange(a.Expr, i)
		entry, err := ParseAllow(text)
		if err != nil {
			l.add(hostDiagnostic(at, err))
			continue
		}
		if same := slices.IndexFunc(out, func(o Allow) bool { return o.String() == entry.String() }); same >= 0 {
			l.add(Errorf(at, "Duplicate entry", "%q stands in the list already, at %s. Remove one of the two.", entry, place(out[same].Range)))
			continue
		}
		entry.Range = at
		out = append(out, entry)
	}
	return out
}

package planfile

import (
	"bytes"
	"encoding/json"
	"path/filepath"
)

// Canonical returns v as JSON that says what would run and nothing else: places
// in files are left out, and addresses of directories below dir are relative, so
// that neither the place of the checkout nor a comment changes it. Text goes
// through hide. The same value gives the same bytes.
func Canonical(v any, dir string, hide func(string) string) (json.RawMessage, error) {
	data, err := marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	return marshal(canonical(tree, dir, hide))
}

// marshal is json.Marshal without HTML's escapes and the final newline.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func canonical(v any, dir string, hide func(string) string) any {
	switch v := v.(type) {
	case string:
		return hide(v)
	case []any:
		for i := range v {
			v[i] = canonical(v[i], dir, hide)
		}
	case map[string]any:
		for name, inner := range v {
			address, isText := inner.(string)
			switch {
			case isPlace(inner):
				delete(v, name)
			case name == "Address" && isText:
				v[name] = hide(relative(address, dir))
			default:
				v[name] = canonical(inner, dir, hide)
			}
		}
	}
	return v
}

// isPlace reports whether v is a place in a file (hcl.Range).
func isPlace(v any) bool {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 3 {
		return false
	}
	for _, name := range []string{"Filename", "Start", "End"} {
		if _, ok := m[name]; !ok {
			return false
		}
	}
	return true
}

func relative(address, dir string) string {
	if !filepath.IsAbs(address) {
		return address
	}
	rel, err := filepath.Rel(dir, address)
	if err != nil {
		return address
	}
	return rel
}

package planfile

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// MaxSize is the size of the largest plan file that is read or written, in
// bytes. It has room for a tree of a million files.
const MaxSize = 256 << 20

// Name is a path of any bytes. In JSON it is the path itself or, where that can
// not be said so, the path as a quoted Go string.
type Name string

// MarshalText writes the name.
func (n Name) MarshalText() ([]byte, error) {
	if s := string(n); utf8.ValidString(s) && (s == "" || s[0] != '"') {
		return []byte(s), nil
	}
	return []byte(strconv.QuoteToASCII(string(n))), nil
}

// UnmarshalText reads what MarshalText wrote.
func (n *Name) UnmarshalText(text []byte) error {
	*n = Name(text)
	if len(text) == 0 || text[0] != '"' {
		return nil
	}
	s, err := strconv.Unquote(string(text))
	if err != nil {
		return formatErrorf("it has the path %q, which makes no sense", text)
	}
	*n = Name(s)
	return nil
}

// Encode returns the text of a plan file. The same plan gives the same bytes.
func Encode(p *Plan) ([]byte, error) {
	p.Format, p.Version = Format, Version
	if err := p.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return nil, err
	}
	if b.Len() > MaxSize {
		return nil, formatErrorf("the source has too many files for a plan file")
	}
	return b.Bytes(), nil
}

// Decode reads a plan file, which may hold anything. Program is the version of
// this program. An error is a *FormatError, unless it is r's.
func Decode(r io.Reader, program string) (*Plan, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxSize {
		return nil, formatErrorf("it is too large")
	}
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"v"`
		Program string `json:"program"`
	}
	if json.Unmarshal(data, &head) != nil || head.Format != Format {
		return nil, formatErrorf("it is not a plan file, or a damaged one")
	}
	if head.Version != Version {
		return nil, formatErrorf("it is a plan file of version %d, and this program knows version %d: make the plan again", head.Version, Version)
	}
	if head.Program != program {
		return nil, formatErrorf("it was made by ambient %s, and this is ambient %s, which may understand the configuration differently: make the plan again", head.Program, program)
	}
	return decode(data)
}

func decode(data []byte) (*Plan, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	p := &Plan{}
	if err := dec.Decode(p); err != nil {
		return nil, formatErrorf("it is damaged: %v", err)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// check holds what the other functions rely on.
func (p *Plan) check() error {
	lists := [][]Entry{p.Files}
	for i, t := range p.Trees {
		lists = append(lists, t.Entries)
		if slices.ContainsFunc(p.Trees[:i], func(other Tree) bool { return other.Source == t.Source }) {
			return formatErrorf("it is damaged: the source %q stands in it twice", t.Source)
		}
	}
	for _, l := range lists {
		if err := checkEntries(l); err != nil {
			return err
		}
	}
	if p.Seal != nil {
		return p.Seal.check()
	}
	return nil
}

func checkEntries(entries []Entry) error {
	for i, e := range entries {
		if i > 0 && entries[i-1].Path >= e.Path {
			return formatErrorf("it is damaged: %q is not in order", string(e.Path))
		}
		sum, err := hex.DecodeString(e.SHA256)
		switch {
		case e.Kind == Directory && e.SHA256 == "":
		case slices.Contains([]Kind{File, Program, Link}, e.Kind) && err == nil && len(sum) == 32:
		default:
			return formatErrorf("it is damaged: what it says of %q makes no sense", string(e.Path))
		}
	}
	return nil
}

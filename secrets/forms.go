package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"unicode/utf16"
)

// Shortest is the shortest value that is looked for, in bytes: a shorter one
// would garble ordinary words and is easily guessed.
const Shortest = 5

// shortestLine is the shortest line of a value of several lines that is looked
// for by itself, in bytes.
const shortestLine = 8

// forms lists what a value looks like in the output of programs: as it is, its
// longer lines, in base64 at any place of a longer text, and quoted for an
// address, JSON, HTML or a shell.
func forms(value string) []string {
	value = core(value)
	if len(value) < Shortest {
		return nil
	}
	all := []string{value}
	if strings.ContainsAny(value, "\r\n") {
		all = append(all, lines(value)...)
		all = append(all, strings.Join(strings.Fields(value), " ")) // echo $VALUE
	}
	all = append(all, base64Forms(value)...)
	all = append(all, urlForms(value)...)
	all = append(all, jsonForms(value)...)
	all = append(all, html.EscapeString(value), shellForm(value))
	return all
}

// core is the value without the space around it, as programs cut that away, and
// without the short lines that it begins with, unless nothing of use is left.
func core(value string) string {
	if trimmed := strings.TrimSpace(value); len(trimmed) >= Shortest {
		value = trimmed
	}
	for rest := value; ; {
		line, after, more := strings.Cut(rest, "\n")
		if len(strings.TrimSpace(line)) >= Shortest {
			return rest
		}
		if !more {
			return value
		}
		rest = after
	}
}

func lines(value string) []string {
	var all []string
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= shortestLine && !armour(line) {
			all = append(all, line)
		}
	}
	return all
}

// armour reports whether a line stands around every key (RFC 7468).
func armour(line string) bool {
	return strings.HasPrefix(line, "-----") && strings.HasSuffix(line, "-----")
}

// base64Forms are the characters that a value alone decides, for each of the
// three places it can have in a group of three bytes.
func base64Forms(value string) []string {
	var all []string
	for shift := range 3 {
		padded := append(make([]byte, shift), value...)
		from, to := (8*shift+5)/6, 8*len(padded)/6
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, encoding.EncodeToString(padded)[from:to])
		}
	}
	return all
}

// What programs leave as it is in an address, beside letters and digits.
var unreserved = []string{"-._~", "-._~/", "-._~!'()*", "*-._", ""}

func urlForms(value string) []string {
	all := []string{url.QueryEscape(value), url.PathEscape(value)}
	for _, keep := range unreserved {
		upper := percent(value, keep, "0123456789ABCDEF")
		all = append(all, upper, strings.ReplaceAll(upper, "%20", "+"))
	}
	for _, upper := range all[:len(all):len(all)] {
		all = append(all, lowerHex(upper))
	}
	return all
}

func percent(value, keep, hex string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

// lowerHex turns %2F into %2f.
func lowerHex(escaped string) string {
	b := []byte(escaped)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// jsonForms are the value inside a JSON string, as the usual writers have it:
// with or without < > & as numbers, slashes behind a backslash, and all but
// ASCII as numbers.
func jsonForms(value string) []string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return nil
	}
	plain := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
	safe, _ := json.Marshal(value)
	all := []string{plain, string(safe[1 : len(safe)-1]), strings.ReplaceAll(plain, "/", `\/`)}
	ascii := asciiOnly(plain)
	return append(all, ascii, strings.ReplaceAll(ascii, "/", `\/`))
}

func asciiOnly(s string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			b.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				b.WriteByte(hex[u>>shift&15])
			}
		}
	}
	return b.String()
}

// shellForm is the value between single quotes, as `set -x` prints it.
func shellForm(value string) string { return strings.ReplaceAll(value, `'`, `'\''`) }

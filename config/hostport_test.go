package config

import (
	"errors"
	"strings"
	"testing"
)

func TestParseAllow(t *testing.T) {
	for _, c := range []struct {
		text string
		want Allow
	}{
		{"files.example.org:22", Allow{Host: "files.example.org", Port: 22}},
		{"*.example.net:443", Allow{Host: "*.example.net", Port: 443}},
		{"10.0.0.0/8:5432", Allow{Host: "10.0.0.0/8", Port: 5432}},
		{"10.1.2.3:1", Allow{Host: "10.1.2.3", Port: 1}},
		{"ntp.example.org:123/udp", Allow{Host: "ntp.example.org", Port: 123, UDP: true}},
		{"h:*", Allow{Host: "h"}},
		{"h:*/udp", Allow{Host: "h", UDP: true}},
		{"[2001:db8::1]:65535", Allow{Host: "2001:db8::1", Port: 65535}},
		{"[2001:DB8:0::1]:443", Allow{Host: "2001:db8::1", Port: 443}},
		{"[2001:db8::/32]:443", Allow{Host: "2001:db8::/32", Port: 443}},
		{"a_b.example.org:80", Allow{Host: "a_b.example.org", Port: 80}},
		{"127.0.0.1:8080", Allow{Host: "127.0.0.1", Port: 8080}},
	} {
		got, err := ParseAllow(c.text)
		if err != nil || got != c.want {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
		again, err := ParseAllow(got.String())
		if err != nil || again != got {
			t.Errorf("%q: written as %q, which is %+v, %v", c.text, got, again, err)
		}
	}
}

// TestParseAllowRemedies shows that the remedy is what was meant.
func TestParseAllowRemedies(t *testing.T) {
	for text, want := range map[string]string{
		"files.example.org":               `"files.example.org:443"`,
		"Files.example.org":               `"files.example.org:443"`,
		"Files.Example.org:22":            `"files.example.org:22"`,
		"https://files.example.org/a?b":   `"files.example.org:443"`,
		"http://files.example.org":        `"files.example.org:80"`,
		"HTTPS://Files.example.org:8443/": `"files.example.org:8443"`,
		"ssh://git@files.example.org/x":   `"files.example.org:22"`,
		"git@files.example.org:a/b.git":   `"files.example.org:22"`,
		"git@files.example.org:2222":      `"files.example.org:2222"`,
		"https://[2001:db8::1]/":          `"[2001:db8::1]:443"`,
		"files.example.org/path:443":      `"files.example.org:443"`,
		"files.example.org:443/path":      `"files.example.org:443"`,
		"files.example.org:https":         `"files.example.org:443"`,
		"files.example.org:ssh":           `"files.example.org:22"`,
		"files.example.org:":              `"files.example.org:443"`,
		"files.example.org:443/tcp":       `"files.example.org:443"`,
		"files.example.org:123/UDP":       `"files.example.org:123/udp"`,
		"files.example.org:0443":          `"files.example.org:443"`,
		"files.example.org:8000-8010":     `"files.example.org:*"`,
		"files.example.org.:443":          `"files.example.org:443"`,
		" files.example.org:443":          `"files.example.org:443"`,
		"a.*.example.org:443":             `"*.example.org:443"`,
		"*a.example.org:443":              `"*.example.org:443"`,
		"10.0.0.1/8:5432":                 `"10.0.0.0/8:5432"`,
		"10.0.0.0/8":                      `"10.0.0.0/8:443"`,
		"2001:db8::1":                     `"[2001:db8::1]:443"`,
		"2001:db8::/32:443":               `"[2001:db8::/32]:443"`,
		"[2001:db8::]/32:443":             `"[2001:db8::/32]:443"`,
		"[2001:db8::1]":                   `"[2001:db8::1]:443"`,
		"[2001:db8::1/32]:443":            `"[2001:db8::/32]:443"`,
		"[10.0.0.1]:443":                  `"10.0.0.1:443"`,
		"[::ffff:10.0.0.1]:443":           `"10.0.0.1:443"`,
		"[fe80::1%eth0]:443":              `"[fe80::1]:443"`,
		"a..example.org:443":              `"a.example.org:443"`,
	} {
		_, err := ParseAllow(text)
		if err == nil || !strings.HasSuffix(err.Error(), "Write "+want+".") {
			t.Errorf("%q: %v; it should say %s", text, err, want)
		}
	}
}

func TestParseAllowRefuses(t *testing.T) {
	for _, text := range []string{
		"", "*:443", "h:0", "h:65536", "h:99999999999999999999", "h:-1", "h:+1", "h:1e2", "h:abc", "h:**", "10.0.0.256:1", "10.1:1", "1:1", "0x7f.0x1:1", "0x7f000001:1",
		"*.10:1", "*.0.0.1:1", "-a.example.org:1", "a-.example.org:1", strings.Repeat("a", 64) + ":1", strings.Repeat("a.", 127) + "aa:1",
		"a b:1", "a\x00b:1", "a\nb:1", "bücher.example.org:443", "0.0.0.0:1", "[::]:1", "[::1:1", "[a]:1", "10.0.0.0/33:1", "10.0.0.0/:1", "[10.0.0.0/8]:1",
		"::ffff:10.0.0.0/104:1", "h:1:2", "h:443/sctp", "%:1", strings.Repeat("x", 1<<16), ":443", "/:1", "h:/udp", "*.*.example.org:443", "a,b:443",
	} {
		got, err := ParseAllow(text)
		var wrong *HostError
		if !errors.As(err, &wrong) || wrong.Summary == "" || !strings.Contains(wrong.Detail, " Write ") {
			t.Errorf("%.40q: %+v, %v", text, got, err)
		}
	}
}

// FuzzParseAllow shows that no text makes the parser panic, that what it accepts
// comes back from its own text, and that what its remedies show is accepted.
func FuzzParseAllow(f *testing.F) {
	for _, s := range []string{"a.example.org:22", "*.example.org:*", "[2001:db8::/32]:1/udp", "https://x@y:1/", "10.0.0.1/8:443", "A:B", "[", "*a:1", "x@[y]:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAllow(text)
		if err != nil {
			if _, quoted, ok := strings.Cut(err.Error(), " Write \""); ok {
				shown, _, _ := strings.Cut(quoted, `"`)
				if _, err := ParseAllow(shown); err != nil {
					t.Fatalf("%q: the remedy %q is wrong: %v", text, shown, err)
				}
			}
			return
		}
		again, err := ParseAllow(a.String())
		if err != nil || again != a {
			t.Fatalf("%q: %+v is written as %q, which is %+v, %v", text, a, a, again, err)
		}
		if a.Host != strings.ToLower(a.Host) || strings.ContainsAny(a.Host, " @[]\x00") {
			t.Fatalf("%q: host %q", text, a.Host)
		}
	})
}

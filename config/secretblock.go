package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// declareSecret registers a secret block.
func (l *loader) declareSecret(b *hclsyntax.Block) {
	kind, name := b.Labels[0], b.Labels[1]
	n := l.declareName(l.secrets, "secret", kind+"."+name, b.LabelRanges[1])
	spec := secretSpec.kind(kind)
	c := l.read(spec, b.Body, b.DefRange())
	if name == knownHosts {
		l.add(Errorf(b.LabelRanges[1], "Reserved name", "/ci/secrets/%s is the file with the keys of hosts. Choose another name.", name))
	}
	if n == nil {
		return
	}
	n.eval = func() cty.Value {
		before := len(l.diags)
		s := &Secret{Name: name, Range: b.DefRange()}
		if kind == sshSpec.Kind {
			s.SSH = l.sshSecret(b, c)
		} else {
			s.Token = l.tokenSecret(b, c)
		}
		l.secretsByName[n.name] = s
		if l.diags[before:].HasErrors() || len(c.attrs) != len(b.Body.Attributes) || len(c.blocks) != len(b.Body.Blocks) {
			return cty.DynamicVal
		}
		return secretValue(s)
	}
}

// textArg evaluates an argument that is a string, "" when it is missing or wrong.
func (l *loader) textArg(c content, name string) string {
	a := c.attrs[name]
	if a == nil {
		return ""
	}
	v, ok := l.plainAs(a.Expr, cty.String, scope{})
	if !ok {
		return ""
	}
	if v.AsString() == "" {
		l.add(Errorf(exprRange(a), "Empty text", "The argument %q is empty. Give a value, or leave the argument out.", name))
	}
	return v.AsString()
}

// textOr is textArg with a default.
func (l *loader) textOr(c content, name, fallback string) string {
	if c.attrs[name] == nil {
		return fallback
	}
	return l.textArg(c, name)
}

// textList evaluates an argument that is a list of strings, nil when it is missing
// or wrong.
func (l *loader) textList(c content, name string) []string {
	a := c.attrs[name]
	if a == nil {
		return nil
	}
	v, ok := l.plainAs(a.Expr, cty.List(cty.String), scope{})
	if !ok {
		return nil
	}
	list := stringList(v)
	for i, s := range list {
		if strings.ContainsRune(s, 0) {
			l.add(Errorf(elementRange(a.Expr, i), "Invalid text", "It holds a NUL character."))
		}
		if slices.Contains(list[:i], s) && name != "command" && name != "certificate_command" {
			l.add(Errorf(elementRange(a.Expr, i), "Duplicate entry", "The same stands in the list already."))
		}
	}
	return list
}

// command evaluates an argument that is a command line.
func (l *loader) command(c content, name string) []string {
	words := l.textList(c, name)
	if a := c.attrs[name]; a != nil && words != nil && (len(words) == 0 || words[0] == "") {
		l.add(Errorf(exprRange(a), "Empty command", "Write the program and its arguments, such as [\"pass\", \"show\", \"example\"]."))
	}
	return words
}

// sshSecret evaluates a secret "ssh" block.
func (l *loader) sshSecret(b *hclsyntax.Block, c content) *SSHSecret {
	s := &SSHSecret{
		PrivateKey: l.hostPath(c, "private_key"), Use: SecretUse(l.textOr(c, "use", string(UseAgent))),
		Hosts: l.sshHosts(c), KnownHosts: l.textArg(c, "known_hosts"), KnownHostsFile: l.hostPath(c, "known_hosts_file"),
		Certificate: l.hostPath(c, "certificate"), CertificateCommand: l.command(c, "certificate_command"),
	}
	uses := []string{string(UseAgent), string(UseFile)}
	if a := c.attrs["use"]; a != nil && s.Use != "" && !slices.Contains(uses, string(s.Use)) {
		l.add(Errorf(exprRange(a), "Unknown use", "A key can not be used so. %s", orList(uses, string(s.Use), "uses")))
	}
	if a := c.attrs["hosts"]; s.Use == UseAgent && (a == nil || s.Hosts != nil && len(s.Hosts) == 0) {
		at := b.DefRange()
		if a != nil {
			at = exprRange(a)
		}
		l.add(Errorf(at, "Missing hosts", "The agent signs for named hosts only. Say for which:\n  hosts = [\"files.example.org\"]"))
	}
	for _, sb := range c.of("sign") {
		s.Sign = l.sshSign(sb)
	}
	l.atMostOne(b, c, []string{"known_hosts", "known_hosts_file"}, "the keys of the hosts")
	l.atMostOne(b, c, []string{"certificate", "certificate_command", "sign"}, "the certificate")
	return s
}

// atMostOne reports the second of several arguments and blocks that say the same.
func (l *loader) atMostOne(b *hclsyntax.Block, c content, names []string, what string) (found int) {
	first := ""
	for _, name := range names {
		at := Range{}
		if a := c.attrs[name]; a != nil {
			at = a.NameRange
		} else if blocks := c.of(name); len(blocks) > 0 {
			at = blocks[0].TypeRange
		} else {
			continue
		}
		if found++; found > 1 {
			l.add(Errorf(at, "Said twice", "Both %q and %q give %s. Keep one of them.", first, name, what))
			continue
		}
		first = name
	}
	return found
}

func (l *loader) sshSign(b *hclsyntax.Block) *SSHSign {
	c := l.read(sshSpec.block("sign"), b.Body, b.DefRange())
	s := &SSHSign{CA: l.hostPath(c, "ca"), Principals: l.textList(c, "principals"), Valid: defaultValid}
	if a := c.attrs["principals"]; a != nil && s.Principals != nil {
		for i, p := range s.Principals {
			if p == "" || strings.ContainsAny(p, " ,\t\r\n") {
				l.add(Errorf(elementRange(a.Expr, i), "Invalid principal", "A principal is the name of a user or a host, without spaces and commas."))
			}
		}
		if len(s.Principals) == 0 {
			l.add(Errorf(exprRange(a), "Empty list", "A certificate without principals is good for every user. Name those that it is for."))
		}
	}
	if a := c.attrs["valid"]; a != nil {
		s.Valid = l.validFor(a)
	}
	return s
}

func (l *loader) validFor(a *hclsyntax.Attribute) time.Duration {
	v, ok := l.plain(a.Expr, scope{})
	if !ok || v.IsNull() {
		return defaultValid
	}
	n, err := durationOf(v)
	d := time.Duration(n)
	if err == nil && (d < minValid || d > maxValid) {
		err = fmt.Errorf("it goes from %s to %s", FormatDuration(minValid), FormatDuration(maxValid))
	}
	if err != nil {
		l.add(Errorf(exprRange(a), "Invalid duration", "The life of the certificate is not right: %s.", err))
		return defaultValid
	}
	return d
}

// sshHosts evaluates the hosts of a key.
func (l *loader) sshHosts(c content) []string {
	a := c.attrs["hosts"]
	hosts := l.textList(c, "hosts")
	for i, h := range hosts {
		one, err := parseOneHost(h, 22)
		if err == nil && one.wide() {
			err = &HostError{Summary: "Invalid host", Detail: "A key is for single hosts: one name, such as \"files.example.org\"."}
		}
		if err != nil {
			l.add(hostDiagnostic(elementRange(a.Expr, i), err))
			continue
		}
		hosts[i] = oneHost(one, 22)
	}
	return hosts
}

// parseOneHost reads HOST or HOST:PORT, for TCP.
func parseOneHost(text string, port uint16) (Allow, error) {
	one, err := ParseAllow(text)
	if wrong, ok := err.(*HostError); ok && wrong.Summary == missingPort && text != "" {
		one, err = ParseAllow(fmt.Sprintf("%s:%d", text, port))
	}
	switch {
	case err != nil:
		return one, err
	case one.UDP:
		return one, &HostError{Summary: "Invalid protocol", Detail: "This is for TCP only: leave /udp out."}
	case one.Port == 0:
		return one, &HostError{Summary: "Invalid port", Detail: fmt.Sprintf("Name one port; without it, it is %d.", port)}
	}
	return one, nil
}

// oneHost writes a host without its port where that is the usual one.
func oneHost(a Allow, usual uint16) string {
	if a.Port == usual {
		return strings.TrimSuffix(a.String(), fmt.Sprintf(":%d", usual))
	}
	return a.String()
}

// hostDiagnostic is a HostError with its place.
func hostDiagnostic(at Range, err error) *Diagnostic {
	summary := "Invalid host"
	if wrong, ok := err.(*HostError); ok {
		summary = wrong.Summary
	}
	return Errorf(at, summary, "%s", err)
}

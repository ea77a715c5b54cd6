package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// tokenSources are the arguments that say where a token is.
var tokenSources = []string{"file", "command", "env", "age"}

// tokenSecret evaluates a secret "token" block.
func (l *loader) tokenSecret(b *hclsyntax.Block, c content) *TokenSecret {
	s := &TokenSecret{
		File: l.hostPath(c, "file"), Command: l.command(c, "command"), Env: l.textArg(c, "env"), Age: l.hostPath(c, "age"), Identity: l.hostPath(c, "identity"),
		Use: UseFile,
	}
	if l.atMostOne(b, c, tokenSources, "the value") == 0 && len(c.attrs) == len(b.Body.Attributes) {
		l.add(Errorf(b.DefRange(), "Missing argument", "Say where the value is, with one of: file = \"PATH\", command = [\"PROGRAM\", …], env = \"NAME\", age = \"PATH\"."))
	}
	if a := c.attrs["env"]; a != nil && s.Env != "" && (strings.ContainsAny(s.Env, "=\x00 \n") || strings.HasPrefix(s.Env, "$")) {
		l.add(Errorf(exprRange(a), "Invalid name of an environment variable", "Write the name of the variable, not its value, such as \"API_TOKEN\"."))
	}
	if a := c.attrs["identity"]; a != nil && c.attrs["age"] == nil {
		l.add(Errorf(a.NameRange, "Argument without effect", "An identity decrypts a file, and there is no age = \"PATH\"."))
	}
	l.tokenDelivery(s, c)
	return s
}

// tokenDelivery evaluates how the token gets to where it is used.
func (l *loader) tokenDelivery(s *TokenSecret, c content) {
	if a := c.attrs["variable"]; a != nil {
		s.Use, s.Variable = UseVariable, l.textArg(c, "variable")
		if d := checkEnvName(s.Variable, exprRange(a)); s.Variable != "" && d != nil {
			l.add(d)
		}
	}
	for _, b := range c.of("inject") {
		if s.Use == UseVariable {
			l.add(Errorf(b.DefRange(), "Said twice", "With \"variable\" the value enters the machine, and with \"inject\" it never does. Keep one of them."))
			return
		}
		s.Inject = append(s.Inject, l.inject(b))
	}
	if len(s.Inject) > 0 {
		s.Use = UseInject
	}
}

// ownHeaders are set by those who carry a request, not by those who make it
// (RFC 9110, 7.6.1; RFC 9112).
var ownHeaders = []string{"host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "proxy-connection", "expect"}

func (l *loader) inject(b *hclsyntax.Block) Inject {
	c := l.read(tokenSpec.block("inject"), b.Body, b.DefRange())
	in := Inject{Host: l.textArg(c, "host"), Header: l.textOr(c, "header", "Authorization"), Format: l.textOr(c, "format", "Bearer %s")}
	if a := c.attrs["host"]; a != nil && in.Host != "" {
		one, err := parseOneHost(in.Host, 443)
		if err == nil && !one.plainName() {
			err = &HostError{Summary: "Invalid host", Detail: "A value is added to requests to one host, which TLS knows by its name. Write one name, such as \"api.example.org\"."}
		}
		if err != nil {
			l.add(hostDiagnostic(exprRange(a), err))
		} else {
			in.Host = oneHost(one, 443)
		}
	}
	if a := c.attrs["header"]; a != nil && in.Header != "" {
		l.checkHeader(in.Header, exprRange(a))
	}
	if a := c.attrs["format"]; a != nil && in.Format != "" {
		l.checkFormat(in.Format, exprRange(a))
	}
	return in
}

func (l *loader) checkHeader(name string, at Range) {
	token := func(r rune) bool { // RFC 9110, 5.6.2
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}
	switch {
	case strings.ContainsFunc(name, token):
		l.add(Errorf(at, "Invalid header", "Write the name of a header without its colon and value, such as \"Authorization\"."))
	case slices.Contains(ownHeaders, strings.ToLower(name)):
		l.add(Errorf(at, "Invalid header", "This header says how a request is carried, and can not hold a secret. Write another one, such as \"Authorization\"."))
	}
}

func (l *loader) checkFormat(format string, at Range) {
	switch {
	case strings.Count(format, "%") != 1 || !strings.Contains(format, "%s"):
		l.add(Errorf(at, "Invalid format", "The format holds one %s, where the secret goes, and no other %, such as \"Bearer %s\"."))
	case strings.ContainsFunc(format, func(r rune) bool { return r < ' ' || r >= 0x7f }):
		l.add(Errorf(at, "Invalid format", "The value of a header has printable ASCII characters only."))
	}
}

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// SecretsDir is the directory in the guest where secrets that are files are.
const SecretsDir = "/ci/secrets"

// knownHosts is the file in SecretsDir with the keys of hosts.
const knownHosts = "known_hosts"

// Use returns how a stage uses the secret.
func (s *Secret) Use() SecretUse {
	if s.SSH != nil {
		return s.SSH.Use
	}
	return s.Token.Use
}

// Path returns where the secret is in the guest: a file below SecretsDir, "" when
// it is no file there.
func (s *Secret) Path() string {
	if s.Use() == UseFile {
		return SecretsDir + "/" + s.Name
	}
	return ""
}

// Usage says in words how a stage uses the secret, without values: "agent for
// files.example.org", "injected into api.example.org, never enters the machine".
func (s *Secret) Usage() string {
	switch s.Use() {
	case UseAgent:
		return "agent for " + strings.Join(s.SSH.Hosts, ", ")
	case UseVariable:
		return "variable " + s.Token.Variable
	case UseInject:
		var hosts []string
		for _, in := range s.Token.Inject {
			if !slices.Contains(hosts, in.Host) {
				hosts = append(hosts, in.Host)
			}
		}
		return "injected into " + strings.Join(hosts, ", ") + ", never enters the machine"
	}
	return "file " + s.Path()
}

// secretValue is what secret.KIND.NAME evaluates to.
func secretValue(s *Secret) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"address": cty.StringVal(s.Address()), "path": cty.StringVal(s.Path())})
}

// secretsValue is what secret evaluates to; all is forced before.
func (l *loader) secretsValue() cty.Value {
	kinds := map[string]map[string]cty.Value{}
	for _, n := range sortedNodes(l.secrets) {
		kind, name, _ := strings.Cut(n.name, ".")
		if kinds[kind] == nil {
			kinds[kind] = map[string]cty.Value{}
		}
		kinds[kind][name] = n.val
	}
	out := map[string]cty.Value{}
	for kind, attrs := range kinds {
		out[kind] = cty.ObjectVal(attrs)
	}
	return cty.ObjectVal(out)
}

// resolveSecret checks a reference to a secret and gives the evaluator its value.
func (l *loader) resolveSecret(tr hcl.Traversal, sc scope, ctx *hcl.EvalContext) bool {
	if d := l.checkSecretPlace(tr, sc); d != nil {
		l.add(d)
		return false
	}
	n, d := l.findSecret(tr)
	if d != nil {
		l.add(d)
		return false
	}
	l.force(n, tr.SourceRange())
	if s := l.secretsByName[n.name]; !sc.secrets && n.val.IsKnown() {
		if d := checkSecretUse(tr, sc.in, s); d != nil {
			l.add(d)
			return false
		}
	}
	for _, other := range l.secrets {
		l.force(other, other.rng)
	}
	ctx.Variables["secret"] = l.secretsValue()
	return true
}

// checkSecretPlace says who may refer to secrets.
func (l *loader) checkSecretPlace(tr hcl.Traversal, sc scope) *Diagnostic {
	switch {
	case sc.in != nil && sc.in.frame != nil:
		return Errorf(tr.SourceRange(), "Reference not allowed in an action", "The body of a user-defined action can not refer to secrets. Add a parameter, and give it secret.….path where the action is used.")
	case sc.in == nil || !sc.secrets && sc.refs == nil:
		return Errorf(tr.SourceRange(), "Reference to a secret not allowed here", "A pre or post stage names a secret in \"secrets\"; its path can stand in the environment and the actions of that stage.")
	case sc.in.decl.phase == Plan:
		return Errorf(tr.SourceRange(), "Secret in a plan stage", "%s", noSecretsInPlan)
	}
	return nil
}

// findSecret returns the secret that a reference names.
func (l *loader) findSecret(tr hcl.Traversal) (*node, *Diagnostic) {
	kind, rng, ok := step(tr, 1)
	if !ok {
		return nil, Errorf(tr.SourceRange(), "Incomplete reference", "Write secret.ssh.NAME or secret.token.NAME. %s", orList(names(l.secrets), "", "secrets"))
	}
	if secretSpec.kind(kind) == nil {
		for _, known := range names(l.secrets) {
			if strings.HasSuffix(known, "."+kind) {
				return nil, Errorf(rng, "Unknown reference", "There is no secret.%s. Did you mean secret.%s?", kind, known)
			}
		}
		return nil, Errorf(rng, "Unknown kind of secret", "There is no secret.%s. %s", kind, orList(secretSpec.kindNames(), kind, "kinds"))
	}
	name, rng, ok := step(tr, 2)
	var same []string
	for _, known := range names(l.secrets) {
		if k, n, _ := strings.Cut(known, "."); k == kind {
			same = append(same, n)
		}
	}
	if !ok {
		return nil, Errorf(tr.SourceRange(), "Incomplete reference", "Write secret.%s.NAME. %s", kind, orList(same, "", "names"))
	}
	if n := l.secrets[kind+"."+name]; n != nil {
		return n, nil
	}
	for _, other := range secretSpec.kindNames() {
		if l.secrets[other+"."+name] != nil {
			return nil, Errorf(rng, "Unknown reference", "There is no secret.%s.%s. Did you mean secret.%s.%s?", kind, name, other, name)
		}
	}
	return nil, Errorf(rng, "Unknown reference", "There is no secret.%s.%s. %s", kind, name, orList(same, name, kind+" secrets"))
}

// checkSecretUse says what of a secret the actions of a stage may refer to.
func checkSecretUse(tr hcl.Traversal, in *instance, s *Secret) *Diagnostic {
	name, rng, ok := step(tr, 3)
	switch {
	case !ok:
		return Errorf(tr.SourceRange(), "A secret is not a value", "A stage uses it so: %s. %s", s.Usage(), insteadOfValue(s))
	case name != "path":
		return Errorf(rng, "Unknown attribute of a secret", "A secret has no attribute %q. %s", name, orList([]string{"path"}, name, "attributes"))
	case s.Path() == "":
		return Errorf(rng, "Secret is not a file", "%s has no path. A stage uses it so: %s. %s", s.Address(), s.Usage(), insteadOfValue(s))
	case !slices.Contains(in.secrets, s):
		return Errorf(tr.SourceRange(), "Secret not named by the stage", "The file is there only when the stage asks for it:\n  secrets = [%s]", s.Address())
	}
	return nil
}

func insteadOfValue(s *Secret) string {
	switch s.Use() {
	case UseAgent:
		return "SSH_AUTH_SOCK leads to it; what runs needs no name for it."
	case UseVariable:
		return fmt.Sprintf("Scripts read it from there: \"$%s\".", s.Token.Variable)
	case UseInject:
		return "Requests get it on their way; what runs needs no name for it."
	}
	return fmt.Sprintf("Its place is %s.path.", s.Address())
}

// stageSecrets evaluates which secrets a stage names.
func (l *loader) stageSecrets(in *instance, c content) []*Secret {
	a := c.attrs["secrets"]
	if a == nil {
		return nil
	}
	v, ok := l.plain(a.Expr, scope{in: in, secrets: true})
	if !ok || v.IsNull() {
		return nil
	}
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		l.add(Errorf(exprRange(a), "Not a list of secrets", "Write secrets in square brackets, such as secrets = [secret.ssh.deploy]."))
		return nil
	}
	var all []*Secret
	i := 0
	for _, e := range v.Elements() {
		at := elementRange(a.Expr, i)
		i++
		s := l.secretOf(e)
		switch {
		case s == nil:
			l.add(Errorf(at, "Not a secret", "Write a secret without quotes, such as secret.ssh.deploy or secret.token.api."))
		case slices.Contains(all, s):
			l.add(Errorf(at, "Duplicate entry", "The stage names %s already.", s.Address()))
		default:
			all = append(all, s)
		}
	}
	l.checkTogether(exprRange(a), all)
	return all
}

// secretOf returns the secret that a value stands for, nil if it is none.
func (l *loader) secretOf(v cty.Value) *Secret {
	for key, s := range l.secretsByName {
		if n := l.secrets[key]; n != nil && n.val.IsKnown() && n.val.RawEquals(v) {
			return s
		}
	}
	return nil
}

// checkTogether reports secrets that can not be in one stage.
func (l *loader) checkTogether(at Range, all []*Secret) {
	seen := map[string]*Secret{}
	take := func(what string, s *Secret) {
		if old := seen[what]; old != nil && old != s {
			l.add(Errorf(at, "Secrets in each other's way", "Both %s and %s would be %s. Change one of them.", old.Address(), s.Address(), what))
		}
		seen[what] = s
	}
	for _, s := range all {
		if path := s.Path(); path != "" {
			take("the file "+path, s)
		}
		if s.Use() == UseVariable && s.Token.Variable != "" {
			take("the variable "+s.Token.Variable, s)
		}
		for _, in := range injects(s) {
			if in.Host == "" || in.Header == "" {
				continue // wrong or not known
			}
			take(fmt.Sprintf("the header %s for %s", strings.ToLower(in.Header), in.Host), s)
		}
	}
}

func injects(s *Secret) []Inject {
	if s.Token == nil {
		return nil
	}
	return s.Token.Inject
}

// settleSecrets makes the rest of a stage fit its secrets: what is injected can
// be reached, and a variable is not set twice.
func (l *loader) settleSecrets(s *Stage, a *hclsyntax.Attribute) {
	for _, secret := range s.Secrets {
		if v := secret.Use(); v == UseVariable && has(s.Env, secret.Token.Variable) {
			l.add(Errorf(exprRange(a), "Variable set twice", "The environment of the stage has %q already, and %s would set it. Remove one of the two.", secret.Token.Variable, secret.Address()))
		}
		for _, in := range injects(secret) {
			if s.Network == NetworkNone {
				l.add(Errorf(exprRange(a), "Secret without a network", "%s is added to requests, and the stage has no network. Remove mode = \"none\", or the secret.", secret.Address()))
				break
			}
			s.addAllow(in.Host, secret.Address())
		}
	}
}

// addAllow lets the stage reach a host of HTTPS that a secret needs.
func (s *Stage) addAllow(host, by string) {
	entry, err := parseOneHost(host, 443)
	if err != nil || s.Network == NetworkOpen {
		return
	}
	if slices.ContainsFunc(s.Allow, func(o Allow) bool { return o.String() == entry.String() }) {
		return
	}
	entry.By = by
	s.Allow = append(s.Allow, entry)
}

// warnUnused points at secrets that no stage names.
func (l *loader) warnUnused() {
	used := map[*Secret]bool{}
	for _, p := range l.cfg.Projects {
		for _, s := range p.Stages {
			for _, secret := range s.Secrets {
				used[secret] = true
			}
		}
	}
	for _, n := range sortedNodes(l.secrets) {
		if s := l.secretsByName[n.name]; s != nil && !used[s] {
			l.add(Warningf(n.rng, "Secret that no stage names", "Nothing uses it. Name it in a pre or post stage, secrets = [%s], or remove it.", s.Address()))
		}
	}
}

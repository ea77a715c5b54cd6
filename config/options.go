package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// When says after which end of the stages it needs a stage runs.
type When string

// The values of when. A stage that has nothing to do because of it does not
// stand in the way of those that need it.
const (
	WhenSuccess When = "success" // all it needs succeeded
	WhenFailure When = "failure" // something it needs did not
	WhenAlways  When = "always"  // whatever became of them
)

var whens = []string{string(WhenAlways), string(WhenFailure), string(WhenSuccess)}

// Retry says how often a stage is tried.
type Retry struct {
	Attempts int           // in all
	On       []string      // the outcomes after which it is tried again, as package stages names them
	Delay    time.Duration // before the next attempt
}

var retryOutcomes = []string{"errored", "failed", "timed_out"}

// Bounds of retry.
const (
	maxAttempts  = 10
	maxDelay     = time.Hour
	defaultDelay = 5 * time.Second
)

const projectTimeoutDoc = "How long the stages of the project may take together in one run: the sum of their times, each from the start of its machine to the end, " +
	"repeated attempts and the making of an image included. When it is used up, what runs is stopped and nothing more starts. From 1s to 168h."

var whenArg = argSpec{Name: "when", Type: "string", Default: `"success"`, Doc: "After which end of the stages that it needs the stage runs, once all of them are over. " +
	"`success`: all of them succeeded. `failure`: at least one did not. `always`: in either case. " +
	"A stage that is skipped because its own `when` did not ask for it counts as succeeded for those that come after it, unless they name its artifacts."}

var retrySpec = &blockSpec{
	Name: "retry", Single: true,
	Doc:     "Tries the stage again, in a new machine, when it did not succeed. What an attempt that is repeated has made is dropped, its cache excepted.",
	Example: "retry {\n  attempts = 3\n  on       = [\"errored\"]\n  delay    = \"30s\"\n}",
	Args: []argSpec{
		{Name: "attempts", Type: "number", Required: true, Doc: fmt.Sprintf("How often the stage is tried, the first time included: 2 to %d.", maxAttempts)},
		{Name: "on", Type: "list(string)", Default: `["errored", "failed", "timed_out"]`, Doc: "The outcomes after which it is tried again."},
		{Name: "delay", Type: "duration", Default: FormatDuration(defaultDelay), Doc: "How long to wait before the next attempt, from 0s to 1h."},
	},
}

// when evaluates the condition of a stage.
func (l *loader) when(in *instance, c content) When {
	a := c.attrs[whenArg.Name]
	if a == nil {
		return WhenSuccess
	}
	v, ok := l.plainAs(a.Expr, cty.String, scope{in: in})
	if !ok {
		return WhenSuccess
	}
	if !slices.Contains(whens, v.AsString()) {
		l.add(Errorf(exprRange(a), "Unknown condition", "There is no such value of \"when\". %s", orList(whens, v.AsString(), "values")))
		return WhenSuccess
	}
	return When(v.AsString())
}

// stageTimeout evaluates the timeout argument of a stage, 0 when it has none.
func (l *loader) stageTimeout(in *instance, c content) time.Duration {
	if a := c.attrs["timeout"]; a != nil {
		return l.timeout(a, in)
	}
	return 0
}

func (l *loader) projectTimeout(p *projectDecl) time.Duration {
	if a := p.content.attrs["timeout"]; a != nil {
		return l.timeout(a, nil)
	}
	return 0
}

// retry evaluates the retry block of a stage.
func (l *loader) retry(in *instance, c content) *Retry {
	for _, b := range c.of(retrySpec.Name) {
		return l.retryBlock(in, b)
	}
	return nil
}

func (l *loader) retryBlock(in *instance, b *hclsyntax.Block) *Retry {
	c := l.read(retrySpec, b.Body, b.DefRange())
	r := &Retry{On: retryOutcomes, Delay: defaultDelay}
	if a := c.attrs["attempts"]; a != nil {
		r.Attempts = l.attempts(a, in)
	}
	if a := c.attrs["on"]; a != nil {
		r.On = l.retryOn(a, in)
	}
	if a := c.attrs["delay"]; a != nil {
		if v, ok := l.plain(a.Expr, scope{in: in}); ok && !v.IsNull() {
			r.Delay = l.delay(a, v)
		}
	}
	return r
}

func (l *loader) attempts(a *hclsyntax.Attribute, in *instance) int {
	v, ok := l.plainAs(a.Expr, cty.Number, scope{in: in})
	if !ok {
		return 0
	}
	n, err := wholeNumber(v)
	if err != nil || n < 2 || n > maxAttempts {
		l.add(Errorf(exprRange(a), "Attempts out of range", "The number of attempts goes from 2 to %d, the first included. Without a retry block there is one.", maxAttempts))
		return 0
	}
	return int(n)
}

// retryOn returns the outcomes in order, each once.
func (l *loader) retryOn(a *hclsyntax.Attribute, in *instance) []string {
	v, ok := l.plainAs(a.Expr, cty.List(cty.String), scope{in: in})
	if !ok {
		return nil
	}
	on := stringList(v)
	for i, name := range on {
		if !slices.Contains(retryOutcomes, name) {
			l.add(Errorf(elementRange(a.Expr, i), "Unknown outcome", "A stage can not be repeated after such an outcome. %s", orList(retryOutcomes, name, "outcomes")))
		}
	}
	if len(on) == 0 {
		l.add(Errorf(exprRange(a), "Empty list", "With no outcome in the list the stage would never be repeated. Remove the retry block, or name one of errored, failed, timed_out."))
	}
	return sorted(on)
}

func (l *loader) delay(a *hclsyntax.Attribute, v cty.Value) time.Duration {
	n, err := durationOf(v)
	d := time.Duration(n)
	if err == nil && (d < 0 || d > maxDelay) {
		err = fmt.Errorf("it goes from 0s to %s", FormatDuration(maxDelay))
	}
	if err != nil {
		l.add(Errorf(exprRange(a), "Invalid duration", "The delay is not right: %s.", err))
		return 0
	}
	return d
}

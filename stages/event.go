package stages

import (
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/reports"
)

// EventVersion is the version of the schema of Event as JSON. It is raised when
// a field changes its meaning or goes; new fields and types may come any time.
const EventVersion = 1

// EventType says what happened.
type EventType string

// The types of event, and which fields they fill beside Version, Time, Type,
// Run and Stage.
const (
	RunStarted       EventType = "run_started"       // Projects, Stages
	RunFinished      EventType = "run_finished"      // Outcome, Duration, Stages
	StageQueued      EventType = "stage_queued"      //
	StagePreparing   EventType = "stage_preparing"   // Text: what is done (an image is built, the source is packed)
	StageDecided     EventType = "stage_decided"     // Text: why the stage runs and no earlier result is used
	StageStarted     EventType = "stage_started"     // the machine runs; Text: how it was started
	StageFinished    EventType = "stage_finished"    // Outcome, Limit, Reason, Exit, Signal, Duration, Times, From, Tests
	StageRetried     EventType = "stage_retried"     // an attempt ended and another follows; Outcome, Limit, Reason, Exit, Signal of the one that ended, Text
	ActionStarted    EventType = "action_started"    // Action, Name
	ActionFinished   EventType = "action_finished"   // Action, Name, Outcome, Exit, Signal, Limit, Reason, Duration
	LogOutput        EventType = "log"               // Action, Stream, Text: whole lines, without the newline
	SignatureMade    EventType = "signature"         // Name: the secret; Text: who logs in where
	SignatureRefused EventType = "signature_refused" // Name: the secret, if one was asked for; Text: why
	WarningRaised    EventType = "warning"           // Text
	ConnectionMade   EventType = "connection"        // Connection, Duration; Time: when it was over or refused
	SecretsUsed      EventType = "secrets_used"      // Secrets: at the end of a stage that has any
)

// Event is one line of a run's record and of `apply -json`.
type Event struct {
	Version  int           `json:"v"`
	Time     time.Time     `json:"time"`
	Type     EventType     `json:"type"`
	Run      string        `json:"run,omitempty"`
	Stage    string        `json:"stage,omitempty"`   // StageID.String()
	Attempt  int           `json:"attempt,omitempty"` // of a stage with a retry block, from 1
	Action   *int          `json:"action,omitempty"`
	Name     string        `json:"name,omitempty"`
	Outcome  Outcome       `json:"outcome,omitempty"`
	Limit    string        `json:"limit,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Exit     int           `json:"exit,omitempty"`
	Signal   string        `json:"signal,omitempty"`
	Stream   string        `json:"stream,omitempty"` // "system", "stdout", "stderr"
	Text     string        `json:"text,omitempty"`
	Projects []string      `json:"projects,omitempty"`
	Duration float64       `json:"duration,omitempty"` // seconds
	Times    *EventTimes   `json:"times,omitempty"`
	Stages   []StageRecord `json:"stages,omitempty"`
	From     string        `json:"from,omitempty"` // the run whose result was reused
	Secrets  []SecretUse   `json:"secrets,omitempty"`
	Tests    *Tests        `json:"tests,omitempty"`

	Connection *Connection `json:"connection,omitempty"`

	ID config.StageID `json:"-"`
}

// SecretUse says what became of a secret in a stage.
type SecretUse struct {
	Name     string `json:"name"`     // secret.ssh.deploy; empty: sensitive variables
	Redacted int64  `json:"redacted"` // how often it was taken out of what the stage said
	Signed   int64  `json:"signed,omitempty"`
	Refused  int64  `json:"refused,omitempty"` // signatures that were asked for and not made
}

// Connection is one connection that a stage made or tried, or many alike.
type Connection struct {
	Name     string `json:"name,omitempty"`    // by which it was made; empty: by number
	Address  string `json:"address,omitempty"` // that it led to, as far as that was known
	Port     uint16 `json:"port,omitempty"`
	Protocol string `json:"protocol"` // tcp, udp, dns; of what was dropped: arp, dhcp, ethernet, icmp, ipv4, ipv6
	Sent     int64  `json:"sent"`     // bytes from the stage
	Received int64  `json:"received"` // bytes to the stage
	Allowed  bool   `json:"allowed"`
	Reason   string `json:"reason,omitempty"` // why it was refused, or failed
	Allow    string `json:"allow,omitempty"`  // the entry of an allow-list that it wants for
	Count    int    `json:"count"`            // how many it stands for
}

// EventTimes is Times in seconds.
type EventTimes struct {
	Prepare float64 `json:"prepare"`
	Boot    float64 `json:"boot"`
	Work    float64 `json:"work"`
	Collect float64 `json:"collect"`
}

// StageRecord is a stage's line in a run's record.
type StageRecord struct {
	Stage    string  `json:"stage"`
	Outcome  Outcome `json:"outcome,omitempty"`
	Limit    string  `json:"limit,omitempty"`
	Reason   string  `json:"reason,omitempty"`
	Duration float64 `json:"duration,omitempty"` // seconds
	Attempts int     `json:"attempts,omitempty"` // when it was tried more than once
	Output   string  `json:"output,omitempty"`   // digest of artifacts or deps
	Bytes    int64   `json:"bytes,omitempty"`    // of that output
	From     string  `json:"from,omitempty"`     // the run whose result was reused
	Tests    *Tests  `json:"tests,omitempty"`
}

// Tests is what the test reports say that a stage's actions name. Its texts are
// safe to show.
type Tests = reports.Summary

package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/stages"
)

const (
	liveInterval = 100 * time.Millisecond // between redraws
	livePending  = 1 << 20                // bytes of lines that may wait for a slow terminal
	liveRows     = 12                     // of the status area, at most
)

// liveView writes the plain lines above a status area of the stages that run.
// The area is redrawn at a fixed rate, however many events come.
type liveView struct {
	c    *console
	now  func() time.Time
	stop chan struct{}
	done chan struct{}

	drawing sync.Mutex // held while writing to the terminal
	shown   []string   // the status area on the terminal; guarded by drawing

	mu      sync.Mutex
	pending strings.Builder // lines to be written
	state   liveState
}

// liveState is what the status area shows.
type liveState struct {
	begun   time.Time
	total   int
	over    int
	running []*liveStage // in the order in which they began
}

type liveStage struct {
	name   string
	since  time.Time
	action string
	last   string // the last line of its log, or what is prepared
}

func newLiveView(c *console) *liveView {
	v := &liveView{c: c, now: time.Now, stop: make(chan struct{}), done: make(chan struct{})}
	v.state.begun = v.now()
	go v.loop()
	return v
}

func (v *liveView) loop() {
	defer close(v.done)
	tick := time.NewTicker(liveInterval)
	defer tick.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-tick.C:
			v.draw(true)
		}
	}
}

// Event keeps the event for the next redraw. It blocks only when the terminal
// takes nothing for long.
func (v *liveView) Event(e stages.Event) {
	v.add(eventLines(v.c, e), func(s *liveState) { s.apply(e, v.now()) })
}

// Note writes a line above the status area.
func (v *liveView) Note(text string) { v.add(safe(text)+"\n", func(*liveState) {}) }

func (v *liveView) add(lines string, change func(*liveState)) {
	v.mu.Lock()
	v.pending.WriteString(lines)
	change(&v.state)
	full := v.pending.Len() > livePending
	v.mu.Unlock()
	if full {
		v.draw(true)
	}
}

// Close writes what is pending and removes the status area.
func (v *liveView) Close() {
	close(v.stop)
	<-v.done
	v.draw(false)
}

// draw replaces the status area by the pending lines and a new area.
func (v *liveView) draw(area bool) {
	v.drawing.Lock()
	defer v.drawing.Unlock()
	width, height := v.c.size()
	v.mu.Lock()
	text := v.pending.String()
	v.pending.Reset()
	var lines []string
	if area {
		lines = v.state.lines(v.now(), width, height)
	}
	v.mu.Unlock()

	if text == "" && slices.Equal(lines, v.shown) {
		return
	}
	var b strings.Builder
	if len(v.shown) > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", len(v.shown)) // up, and erase to the end (ECMA-48 CUU, ED)
	}
	b.WriteString(text)
	for _, line := range lines {
		b.WriteString(v.c.paint(dim, line) + "\n")
	}
	v.shown = lines
	v.c.printf("%s", b.String())
}

// apply notes what an event changes.
func (s *liveState) apply(e stages.Event, now time.Time) {
	switch e.Type {
	case stages.RunStarted:
		s.begun, s.total = now, len(e.Stages)
	case stages.StagePreparing:
		s.stage(e.Stage, now).last = e.Text
	case stages.StageStarted:
		s.stage(e.Stage, now).last = "machine started"
	case stages.ActionStarted:
		st := s.stage(e.Stage, now)
		st.action, st.last = actionWords(e), ""
	case stages.LogOutput:
		s.stage(e.Stage, now).last = lastLine(e.Text)
	case stages.StageFinished:
		s.over++
		s.remove(e.Stage)
	}
}

// stage returns the running stage of that name, a new one if need be.
func (s *liveState) stage(name string, now time.Time) *liveStage {
	for _, st := range s.running {
		if st.name == name {
			return st
		}
	}
	st := &liveStage{name: name, since: now}
	s.running = append(s.running, st)
	return st
}

func (s *liveState) remove(name string) {
	for i, st := range s.running {
		if st.name == name {
			s.running = append(s.running[:i], s.running[i+1:]...)
			return
		}
	}
}

// lines renders the status area for a terminal of that size; 0 is unknown.
func (s *liveState) lines(now time.Time, width, height int) []string {
	if width <= 0 {
		width = 80
	}
	if height <= 0 {
		height = 24
	}
	rows := min(len(s.running), liveRows, height-3)
	if rows < 0 {
		return nil
	}
	waiting := max(0, s.total-s.over-len(s.running))
	head := fmt.Sprintf("-- %d running, %d waiting, %d done, %s", len(s.running), waiting, s.over, seconds(now.Sub(s.begun).Seconds()))
	lines := []string{cut(head, width-1)}
	for _, st := range s.running[:rows] {
		parts := []string{safe(st.name), seconds(now.Sub(st.since).Seconds())}
		for _, p := range []string{st.action, safe(st.last)} {
			if p != "" {
				parts = append(parts, p)
			}
		}
		lines = append(lines, cut("   "+strings.Join(parts, "  "), width-1))
	}
	return lines
}

func lastLine(text string) string {
	text = strings.TrimRight(text, "\r\n")
	return text[strings.LastIndexAny(text, "\r\n")+1:]
}

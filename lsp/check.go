package lsp

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/config/outline"
)

// pause is how long nothing must have been typed before files are checked.
const pause = 60 * time.Millisecond

// checker checks directories in a goroutine of its own and publishes what is
// wrong with their files.
type checker struct {
	s         *server
	wake      chan struct{}
	quit      chan struct{}
	done      sync.WaitGroup
	mu        sync.Mutex
	dirs      map[string]bool            // to be checked
	published map[string]map[string]bool // directory -> URIs that were told of something
}

func newChecker(s *server) *checker {
	c := &checker{
		s: s, wake: make(chan struct{}, 1), quit: make(chan struct{}),
		dirs: map[string]bool{}, published: map[string]map[string]bool{},
	}
	c.done.Add(1)
	go c.run()
	return c
}

// stop ends the goroutine, after what it is checking.
func (c *checker) stop() {
	close(c.quit)
	c.done.Wait()
}

// want has the directory of a file checked soon.
func (c *checker) want(d *document) {
	if d.path == "" || !d.ours() {
		return
	}
	c.mu.Lock()
	c.dirs[filepath.Dir(d.path)] = true
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

func (c *checker) run() {
	defer c.done.Done()
	for {
		select {
		case <-c.quit:
			return
		case <-c.wake:
		}
		if !c.quiet() {
			return
		}
		c.mu.Lock()
		dirs := slices.Sorted(maps.Keys(c.dirs))
		clear(c.dirs)
		c.mu.Unlock()
		for _, dir := range dirs {
			c.check(dir)
		}
	}
}

// quiet waits until nothing is typed; false when the server ends.
func (c *checker) quiet() bool {
	for range 10 { // who never stops typing is told now and then, too
		select {
		case <-c.quit:
			return false
		case <-c.wake:
		case <-time.After(pause):
			return true
		}
	}
	return true
}

// check checks one directory and publishes what is wrong with its files.
func (c *checker) check(dir string) {
	docs := c.s.openIn(dir)
	if len(docs) == 0 {
		c.publish(dir, docs, nil)
		return
	}
	files := map[string][]byte{}
	for name, d := range docs {
		files[name] = []byte(d.text.src)
	}
	diags, ok := c.diagnose(dir, files)
	if !ok {
		return
	}
	lists := map[string][]diagnostic{}
	texts := map[string]*text{}
	for _, d := range diags {
		name, d := c.place(dir, docs, d)
		if texts[name] == nil {
			texts[name] = c.text(dir, name, docs[name])
		}
		if found := texts[name].diagnostic(d); !slices.Contains(lists[name], found) {
			lists[name] = append(lists[name], found)
		}
	}
	c.publish(dir, docs, lists)
}

// place returns the file to which a diagnostic belongs. One that belongs to none
// of the directory is shown at the beginning of an open file.
func (c *checker) place(dir string, docs map[string]*document, d *config.Diagnostic) (string, *config.Diagnostic) {
	if d.Subject != nil && filepath.Dir(d.Subject.Filename) == dir {
		return filepath.Base(d.Subject.Filename), d
	}
	moved := *d
	moved.Subject = &config.Range{}
	if d.Subject != nil {
		moved.Summary = fmt.Sprintf("%s:%d: %s", d.Subject.Filename, d.Subject.Start.Line, d.Summary)
	}
	return slices.Sorted(maps.Keys(docs))[0], &moved
}

// text returns the text that a file was checked with.
func (c *checker) text(dir, name string, d *document) *text {
	if d != nil {
		return d.text
	}
	return newText(string(config.Sources(dir, nil)[name]))
}

// diagnose calls Check, which must not be able to end the server.
func (c *checker) diagnose(dir string, files map[string][]byte) (diags config.Diagnostics, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			ok = false
			c.s.out.notify("window/logMessage", map[string]any{"type": 1, "message": fmt.Sprintf("Checking %s failed, which is a mistake in ambient: %v", dir, r)})
		}
	}()
	diags = c.s.opts.Check(dir, files)
	repaired := maps.Clone(files)
	broken := false
	for name, src := range files {
		if text := repair(src); text != nil {
			repaired[name], broken = text, true
		}
	}
	if broken {
		diags = append(diags, c.s.opts.Check(dir, repaired)...)
	}
	return diags, true
}

// publish tells of every file that has something wrong, and of those that had.
func (c *checker) publish(dir string, docs map[string]*document, lists map[string][]diagnostic) {
	told := map[string]bool{}
	send := func(name string, uri string) {
		p := publishParams{URI: uri, Diagnostics: lists[name]}
		if p.Diagnostics == nil {
			p.Diagnostics = []diagnostic{}
		}
		if d := docs[name]; d != nil {
			p.Version = &d.version
		}
		c.s.out.notify("textDocument/publishDiagnostics", p)
		told[uri] = len(lists[name]) > 0
	}
	names := map[string]bool{}
	for name := range docs {
		names[name] = true
	}
	for name := range lists {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if d := docs[name]; d != nil {
			send(name, d.uri)
		} else {
			send(name, uriOf(filepath.Join(dir, name)))
		}
	}
	for _, uri := range slices.Sorted(maps.Keys(c.published[dir])) {
		if _, again := told[uri]; !again {
			send("", uri)
		}
	}
	maps.DeleteFunc(told, func(_ string, wrong bool) bool { return !wrong })
	c.published[dir] = told
	if len(told) == 0 && len(docs) == 0 {
		delete(c.published, dir)
	}
}

func (t *text) diagnostic(d *config.Diagnostic) diagnostic {
	out := diagnostic{Severity: severityError, Source: "ambient", Message: d.Summary}
	if d.Severity != config.Errorf(config.Range{}, "", "").Severity {
		out.Severity = severityWarning
	}
	if d.Detail != "" {
		out.Message += "\n" + d.Detail
	}
	out.Range = t.span(outline.Span{Start: d.Subject.Start.Byte, End: max(d.Subject.Start.Byte, d.Subject.End.Byte)})
	return out
}

// openIn returns the open files of a directory that ambient reads, by name.
func (s *server) openIn(dir string) map[string]*document {
	s.mu.Lock()
	defer s.mu.Unlock()
	docs := map[string]*document{}
	for _, d := range s.docs {
		if d.path != "" && d.ours() && filepath.Dir(d.path) == dir {
			docs[filepath.Base(d.path)] = d
		}
	}
	return docs
}

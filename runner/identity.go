package runner

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/guest/program"
	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/images"
	"github.com/ambient-ci/ambient/qemuvm"
	"github.com/ambient-ci/ambient/stages"
)

// Identifier works out what stages can see: it implements stages.Identifier. One
// Identifier serves one run and looks at each source tree once, so that all
// stages mean the same one. It is safe for concurrent use. Set its fields before
// the first call.
type Identifier struct {
	// Look says that nothing may be fetched and nothing changed, not even what
	// makes the next look faster.
	Look bool
	// Image returns the digest of an image; ok is false when it is not built.
	Image func(*config.Image) (digest string, ok bool, err error)
	// Program returns the digest of the guest program; ok is false when it is not
	// built.
	Program func() (digest string, ok bool, err error)
	// Host is what actions may know of this machine.
	Host actions.Host

	home *home.Home

	mu      sync.Mutex
	trees   map[treeName]*treeOnce
	images  map[string]string // the digest of each image that was built when it was looked for
	program string
}

// NewIdentifier returns an Identifier for the images and programs of a home.
func NewIdentifier(h *home.Home) *Identifier {
	store := images.Open(h)
	return &Identifier{
		home: h, Host: hostInfo(), trees: map[treeName]*treeOnce{}, images: map[string]string{},
		Image: func(img *config.Image) (string, bool, error) {
			found, ok := store.Lookup(imageSpec(img))
			if !ok {
				return "", false, nil
			}
			return found.Digest, true, nil
		},
		Program: func() (string, bool, error) {
			p, ok, err := program.Find(goArch(), h.Programs())
			return p.Digest, ok, err
		},
	}
}

// errElsewhere is the error of a source that is not on this machine, when
// nothing may be fetched.
var errElsewhere = errors.New("its source is elsewhere, where apply will look")

// Identity implements stages.Identifier.
func (d *Identifier) Identity(ctx context.Context, job *stages.Job) (stages.Identity, error) {
	s := job.Stage
	var id stages.Identity
	if s.ID.Phase == config.Post {
		return stages.Identity{Never: "a post stage runs each time"}, nil
	}
	depends, never := d.depends(s)
	if id.MaxAge = depends.MaxAge; never != "" {
		id.Never = never
	}
	if err := d.machineParts(&id, s); err != nil {
		return id, err
	}
	if err := d.planParts(&id, job); err != nil {
		return id, err
	}
	if s.ID.Phase == config.Plan {
		return id, d.readParts(ctx, &id, job)
	}
	return id, d.fileParts(ctx, &id, job.Project, depends.Files)
}

// depends says what a pre stage depends on, and why a stage is never reused.
func (d *Identifier) depends(s *config.Stage) (actions.Depends, string) {
	if s.ID.Phase == config.Pre {
		return actions.StageDepends(s)
	}
	if s.Reuse != nil && s.Reuse.Off {
		return actions.Depends{}, "reuse = false"
	}
	return actions.Depends{}, ""
}

func add(id *stages.Identity, name, value string) {
	id.Parts = append(id.Parts, stages.Part{Name: name, Value: value})
}

// machineParts are the machine and its system.
func (d *Identifier) machineParts(id *stages.Identity, s *config.Stage) error {
	image, ok, err := d.image(s.Image)
	if err != nil {
		return err
	}
	if !ok {
		id.Unsure = "its image is not built yet"
	}
	add(id, "image", image)
	prog, ok, err := d.guestProgram()
	if err != nil {
		return err
	}
	if !ok {
		id.Unsure = "the guest program is not built yet"
	}
	add(id, "guest program", prog)
	add(id, "architecture", string(qemuvm.HostArch()))
	add(id, "stage name", s.ID.String())
	if err := networkParts(id, s); err != nil {
		return err
	}
	add(id, "limit cpus", strconv.Itoa(s.Limits.CPUs))
	add(id, "limit memory", strconv.FormatInt(s.Limits.Memory, 10))
	add(id, "limit disk", strconv.FormatInt(s.Limits.Disk, 10))
	return nil
}

// image returns the digest of an image or, before it is built, what it is to be.
func (d *Identifier) image(img *config.Image) (string, bool, error) {
	spec := imageKey(img)
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.images[spec]; ok {
		return known, true, nil
	}
	digest, ok, err := d.Image(img)
	if err != nil {
		return "", false, fmt.Errorf("image %s: %w", imageName(img), err)
	}
	if !ok {
		return "not built: " + spec, false, nil
	}
	d.images[spec] = digest
	return digest, true, nil
}

// imageKey tells images apart before they are built.
func imageKey(img *config.Image) string { return hashJSON(imageSpec(img)) }

func (d *Identifier) guestProgram() (string, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.program != "" {
		return d.program, true, nil
	}
	digest, ok, err := d.Program()
	if ok && err == nil {
		d.program = digest
	}
	return digest, ok, err
}

// planParts are what the guest program is told to do: the environment, the
// actions, and in one part the rest. Limits that are reached or not, and titles
// for messages, change nothing that a stage can see.
func (d *Identifier) planParts(id *stages.Identity, job *stages.Job) error {
	plan, err := guestPlan(job, d.Host)
	if err != nil {
		return err
	}
	for i, a := range plan.Actions {
		a.Title, a.Timeout = "", 0
		add(id, fmt.Sprintf("action %d", i+1), hashJSON(a))
	}
	for _, name := range slices.Sorted(maps.Keys(plan.Env)) {
		add(id, "env "+name, hashJSON(plan.Env[name]))
	}
	rest := *plan
	rest.Actions, rest.Env, rest.Outputs = nil, nil, nil
	for _, o := range plan.Outputs {
		rest.Outputs = append(rest.Outputs, guest.Output{Name: o.Name, Dir: o.Dir, Serial: o.Serial})
	}
	add(id, "runnable plan", hashJSON(rest))
	return nil
}

// hashJSON hashes a value of plain fields and maps, whose text is always the
// same.
func hashJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // these types have no such values
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256(text))
}

// readParts are the data that a plan stage reads. Its cache is not among them.
func (d *Identifier) readParts(ctx context.Context, id *stages.Identity, job *stages.Job) error {
	tree, err := d.tree(ctx, job.Project.Source, mostSource(job.Project))
	if err != nil {
		return err
	}
	add(id, "source", tree.Digest)
	if job.Project.Git {
		tree, err := d.tree(ctx, job.Project.Source.Repository(), mostSource(job.Project))
		if err != nil {
			return err
		}
		add(id, "git history", tree.Digest)
	}
	for _, s := range job.Project.Sources {
		tree, err := d.tree(ctx, s.Source, mostSource(job.Project))
		if err != nil {
			return fmt.Errorf("source.%s: %w", s.Name, err)
		}
		add(id, "source."+s.Name, tree.Digest)
	}
	for _, data := range job.Deps {
		add(id, "deps of "+data.From.Short(), data.Digest)
	}
	for _, data := range job.Inputs {
		add(id, "artifacts of "+data.From.String(), data.Digest)
	}
	return nil
}

// fileParts are the files that a pre stage depends on.
func (d *Identifier) fileParts(ctx context.Context, id *stages.Identity, p *config.Project, patterns []string) error {
	if len(patterns) == 0 {
		return nil
	}
	tree, err := d.tree(ctx, p.Source, mostSource(p))
	if err != nil {
		return err
	}
	for _, pattern := range patterns {
		digest, _ := tree.Part(pattern)
		add(id, "file "+pattern, digest)
	}
	return nil
}

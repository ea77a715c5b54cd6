package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/runs"
)

type artifactsCommand struct{ *app }

type artifactsOptions struct {
	run, dir string
	stage    string
	deps     bool
	force    bool
	json     bool
}

func (artifactsCommand) Synopsis() string { return "list or copy what the stages of a run made" }

func (artifactsCommand) Help() string {
	return helpText{
		usage: "artifacts RUN [DIR] [-stage=STAGE] [-deps] [-force] [-json]",
		about: "Without DIR, lists the artifacts of a run. With DIR, writes them to\n" +
			"DIR/PROJECT/PHASE.NAME/ and nowhere else: links that lead out of there are left out,\n" +
			"with a warning. RUN is an id, the beginning of one, or latest.",
		options: []string{
			"-stage=STAGE", "only of this stage",
			"-deps", "also what pre stages fetched",
			"-force", "write into directories that are not empty, and replace files",
			"-json", "one JSON object a line, with stage, path, kind and size",
		},
		exits: []string{"0", "done", "2", "there is no such run or stage, or DIR is in use, or the command line is wrong",
			otherExit[0], otherExit[1], "130", "interrupted"},
		examples: []string{"ambient artifacts latest", "ambient artifacts latest out"},
	}.String()
}

func (c artifactsCommand) Run(args []string) int {
	opts, err := c.parseArtifacts(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("artifacts", err)
}

func (c artifactsCommand) parseArtifacts(args []string) (opts artifactsOptions, err error) {
	fs := newFlags("artifacts")
	fs.StringVar(&opts.stage, "stage", "", "")
	fs.BoolVar(&opts.deps, "deps", false, "")
	fs.BoolVar(&opts.force, "force", false, "")
	fs.BoolVar(&opts.json, "json", false, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 1, 2, "RUN [DIR]")
	}
	if err != nil {
		return opts, err
	}
	opts.run = operands[0]
	if len(operands) > 1 {
		opts.dir = c.path(operands[1])
	}
	if opts.dir != "" && opts.json {
		err = usagef("-json lists artifacts; leave out DIR.")
	}
	return opts, err
}

func (c artifactsCommand) run(opts artifactsOptions) error {
	r, err := c.openRun(opts.run)
	if err != nil {
		return err
	}
	found, err := artifactsOf(r, opts)
	if err != nil {
		return err
	}
	switch {
	case opts.dir != "":
		return c.extract(found, opts)
	case opts.json:
		return c.listJSON(found)
	}
	return c.list(found)
}

// archive is what one stage made.
type archive struct {
	stage string
	path  string // of the tar file
	dir   string // PROJECT/PHASE.NAME
}

// artifactsOf returns the archives that the options ask for.
func artifactsOf(r *runs.Run, opts artifactsOptions) ([]archive, error) {
	found, err := r.Stages(opts.stage)
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	var all []archive
	for _, s := range found {
		_, short, _ := strings.Cut(s.Stage, "/")
		if strings.HasPrefix(short, "pre.") && !opts.deps {
			continue
		}
		if tar := r.Artifacts(s); tar != "" {
			all = append(all, archive{s.Stage, tar, filepath.FromSlash(strings.TrimPrefix(s.Dir, "stages/"))})
		}
	}
	return all, nil
}

// smallArchive is the size, in bytes, of an archive that may be empty.
const smallArchive = 4096

// hasArtifacts reports whether `ambient artifacts` has something to show.
func hasArtifacts(r *runs.Run) bool {
	found, err := artifactsOf(r, artifactsOptions{})
	if err != nil {
		return false
	}
	for _, a := range found {
		if info, err := os.Stat(a.path); err == nil && info.Size() > smallArchive {
			return true
		}
		entries, err := blockdev.List(a.path)
		if err == nil && slices.ContainsFunc(entries, func(e blockdev.Entry) bool { return e.Kind != blockdev.Dir }) {
			return true
		}
	}
	return false
}

func (c artifactsCommand) list(found []archive) error {
	var rows [][]string
	for _, a := range found {
		entries, err := blockdev.List(a.path)
		if err != nil {
			return fmt.Errorf("artifacts of %s: %w", a.stage, err)
		}
		for _, e := range entries {
			if e.Kind != blockdev.Dir {
				rows = append(rows, []string{fmt.Sprintf("%10s", size(e.Size)), safe(filepath.Join(a.dir, e.Name) + linkWords(e))})
			}
		}
	}
	if len(rows) == 0 {
		c.out.printf("There are no artifacts.\n")
		return nil
	}
	c.out.printf("%s", columns(rows))
	return nil
}

func linkWords(e blockdev.Entry) string {
	if e.Link == "" {
		return ""
	}
	return " -> " + e.Link
}

// artifactJSON is the form of `artifacts -json`.
type artifactJSON struct {
	Version int    `json:"v"`
	Stage   string `json:"stage"`
	Path    string `json:"path"` // below the stage's artifacts
	Kind    string `json:"kind"`
	Size    int64  `json:"size"`
	Mode    string `json:"mode"` // octal
	Link    string `json:"link,omitempty"`
}

const artifactsVersion = 1

func (c artifactsCommand) listJSON(found []archive) error {
	enc := json.NewEncoder(c.out)
	for _, a := range found {
		entries, err := blockdev.List(a.path)
		if err != nil {
			return fmt.Errorf("artifacts of %s: %w", a.stage, err)
		}
		for _, e := range entries {
			err := enc.Encode(artifactJSON{artifactsVersion, a.stage, e.Name, fmt.Sprint(e.Kind), e.Size, fmt.Sprintf("%04o", e.Mode.Perm()), e.Link})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// extract writes every archive below the directory. It looks at all targets
// before it writes the first.
func (c artifactsCommand) extract(found []archive, opts artifactsOptions) error {
	if len(found) == 0 {
		c.out.printf("There are no artifacts.\n")
		return nil
	}
	for _, a := range found {
		if err := checkTarget(filepath.Join(opts.dir, a.dir), opts.force); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(opts.dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(opts.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	ctx, _, stop := c.interruptible(func(string) {})
	defer stop()
	for _, a := range found {
		if err := root.MkdirAll(filepath.Dir(a.dir), 0o755); err != nil {
			return err
		}
		target := filepath.Join(opts.dir, a.dir)
		warnings, err := blockdev.Extract(ctx, a.path, target, blockdev.ExtractOptions{Overwrite: opts.force})
		for _, w := range warnings {
			c.err.printf("%s %s: %s\n", c.err.paint(yellow, "Warning:"), safe(a.stage), safe(w))
		}
		if err != nil {
			return fmt.Errorf("artifacts of %s: %w", a.stage, err)
		}
		c.out.printf("%s: %s\n", c.out.paint(cyan, safe(a.stage)), safe(target))
	}
	return nil
}

// checkTarget refuses a target that is in use, and one that is a link.
func checkTarget(dir string, force bool) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return usagef("%s exists and is not a directory.", dir)
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 && !force {
		err = &usageError{text: dir + " is not empty.", hint: "Choose another directory, or give -force to replace files in it."}
	}
	return err
}

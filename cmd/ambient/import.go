package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ambient-ci/ambient/actions"
	"github.com/ambient-ci/ambient/ambientyaml"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
)

type importCommand struct{ *app }

type importOptions struct {
	file, out string
	force     bool
}

// radiclePlan is where a repository has its plan for Radicle's CI.
const radiclePlan = ".radicle/ambient.yaml"

// maxImport is the most bytes that are read, more than the converter takes.
const maxImport = 2 << 20

func (importCommand) Synopsis() string { return "convert a plan in YAML" }

func (importCommand) Help() string {
	return helpText{
		usage: "import [-out=FILE [-force]] [FILE]",
		about: "Converts a plan of the Rust program Ambient: a projects file, or a repository's\n" + radiclePlan +
			", which is also what is read without an operand. The operand - is\nstandard input, and a directory is that of a repository. What can not be carried\n" +
			"over is a warning, and a comment in the result.",
		options: []string{
			"-out=FILE", "write FILE instead of standard output; it must not exist",
			"-force", "replace FILE",
		},
		exits:    []string{"0", "converted, with or without warnings", "2", "the plan can not be read, or the command line is wrong", otherExit[0], otherExit[1]},
		examples: []string{"ambient import", "ambient import -out=ambient.hcl ~/.config/ambient/projects.yaml"},
	}.String()
}

func (c importCommand) Run(args []string) int {
	opts, err := c.parseImport(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("import", err)
}

func (c importCommand) parseImport(args []string) (opts importOptions, err error) {
	fs := newFlags("import")
	fs.StringVar(&opts.out, "out", "", "")
	fs.BoolVar(&opts.force, "force", false, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 1, "a file")
	}
	if err != nil {
		return opts, err
	}
	if opts.force && opts.out == "" {
		return opts, usagef("-force is for -out=FILE.")
	}
	opts.file = radiclePlan
	if len(operands) > 0 {
		opts.file = operands[0]
	}
	return opts, nil
}

func (c importCommand) run(opts importOptions) error {
	src, file, err := c.readPlan(opts.file)
	if err != nil {
		return err
	}
	out, outDir := c.path(opts.out), c.path(".")
	if opts.out != "" {
		outDir = filepath.Dir(out)
		if _, err := os.Lstat(out); err == nil && !opts.force {
			return usagef("%s exists. Replace it with -force, or choose another name with -out=FILE.", out)
		}
	}
	convert := c.importOptions(file, outDir)
	hcl, diags := ambientyaml.Convert(src, convert)
	(diagnostics{config.Texts(map[string][]byte{convert.File: src}), diags}).print(c.err)
	if diags.HasErrors() {
		return errConfiguration
	}
	if opts.out == "" {
		_, err := c.out.Write(hcl)
		return err
	}
	if err := writeImported(out, hcl, opts.force); err != nil {
		return err
	}
	c.out.printf("Wrote %s.\n", out)
	if !config.IsFileName(filepath.Base(out)) {
		c.err.printf("ambient reads %s and *.%s only: rename it.\n", config.FileName, config.FileName)
	}
	return nil
}

// readPlan reads a file, the plan of a directory, or standard input, and returns
// its path, "" for the latter.
func (c importCommand) readPlan(operand string) (src []byte, file string, err error) {
	if operand == "-" {
		src, err = io.ReadAll(io.LimitReader(os.Stdin, maxImport))
		return src, "", err
	}
	file = c.path(operand)
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, radiclePlan)
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", usagef("There is no file %s. Name the projects file, or the directory of a repository that has %s.", file, radiclePlan)
	}
	if err != nil {
		return nil, "", usagef("%v.", err)
	}
	defer f.Close()
	if src, err = io.ReadAll(io.LimitReader(f, maxImport)); err != nil {
		return nil, "", usagef("%v.", err)
	}
	return src, file, nil
}

// importOptions says where things are, seen from the directory of the result.
func (c importCommand) importOptions(file, outDir string) ambientyaml.Options {
	opts := ambientyaml.Options{File: file, Dir: ".", Actions: actions.Schemas()}
	if userHome, err := os.UserHomeDir(); err == nil {
		opts.Home = userHome
	}
	dir := c.path(".")
	if file == "" {
		opts.File = "standard input"
	} else {
		dir = filepath.Dir(file)
	}
	opts.Dir = seenFrom(outDir, dir)
	if filepath.Base(dir) == filepath.Dir(radiclePlan) {
		dir = filepath.Join(dir, "..")
	}
	opts.Source = ambientyaml.Relative(seenFrom(outDir, dir), ".")
	if abs, err := filepath.Abs(dir); err == nil {
		opts.Name = filepath.Base(abs)
	}
	return opts
}

// seenFrom returns path relative to dir where that is possible.
func seenFrom(dir, path string) string {
	absDir, err := filepath.Abs(dir)
	if err != nil {
		return path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(absDir, abs)
	if err != nil || strings.Count(rel, "../") > 8 {
		return abs
	}
	return rel
}

// writeImported creates a file, or replaces it with force.
func writeImported(path string, data []byte, force bool) error {
	if force {
		return home.WriteFile(path, data, 0o644)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/home"
)

// errForm says that a file is not in canonical form; which, has been printed.
var errForm = errors.New("not in canonical form")

// standardInput is the operand that means standard input.
const standardInput = "-"

// mostFormatted is the size of the largest file that is formatted, in bytes.
const mostFormatted = 1 << 20

type fmtCommand struct{ *app }

type fmtOptions struct {
	check, diff, recursive bool
	paths                  []string
}

func (fmtCommand) Synopsis() string { return "bring configuration files into canonical form" }

func (fmtCommand) Help() string {
	return helpText{
		usage: "fmt [-check] [-diff] [-recursive] [FILE | DIR | -]...",
		about: "Brings spaces and indentation of configuration files into their canonical form and\n" +
			"prints the names of the files it changed. Of a directory these are ambient.hcl and\n" +
			"*.ambient.hcl; a FILE can have any name, and - is standard input, whose canonical\n" +
			"form goes to standard output. Without operands it is the working directory.\n\n" +
			"A file changes at once or not at all and keeps its mode. One with an error is left\n" +
			"as it is.",
		options: []string{
			"-check", "change nothing; print the names of files that are not in canonical form",
			"-diff", "show what changes, or with -check would change",
			"-recursive", "the directories below as well, except hidden ones",
		},
		exits: []string{
			"0", "every file is in canonical form now",
			"1", "with -check: a file is not in canonical form",
			"2", "a file has an error or can not be read, or the command line is wrong",
			otherExit[0], otherExit[1],
		},
		examples: []string{"ambient fmt", "ambient fmt -check -diff -recursive", "ambient fmt - < draft.hcl"},
	}.String()
}

func (c fmtCommand) Run(args []string) int {
	opts, err := c.parseFmt(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("fmt", err)
}

func (c fmtCommand) parseFmt(args []string) (opts fmtOptions, err error) {
	fs := newFlags("fmt")
	fs.BoolVar(&opts.check, "check", false, "")
	fs.BoolVar(&opts.diff, "diff", false, "")
	fs.BoolVar(&opts.recursive, "recursive", false, "")
	opts.paths, err = c.parse(fs, args)
	if err == nil && len(opts.paths) == 0 {
		opts.paths = []string{"."}
	}
	if err == nil && len(opts.paths) > 1 && slices.Contains(opts.paths, standardInput) {
		err = usagef("Standard input goes alone: - can not stand beside other operands.")
	}
	return opts, err
}

// run formats everything it can and returns the worst that happened.
func (c fmtCommand) run(opts fmtOptions) error {
	if opts.paths[0] == standardInput {
		return c.standardInput(opts)
	}
	var files []string
	for _, p := range opts.paths {
		found, err := c.filesOf(p, opts.recursive)
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	worst := error(nil)
	for _, name := range slices.Compact(files) {
		switch err := c.file(name, opts); {
		case err == nil:
		case errors.Is(err, errForm):
			if worst == nil {
				worst = err
			}
		case errors.Is(err, errConfiguration):
			worst = err
		default:
			return err
		}
	}
	return worst
}

// filesOf returns the files that an operand means, as the user would write them
// from where he is.
func (c fmtCommand) filesOf(operand string, recursive bool) ([]string, error) {
	info, err := os.Stat(c.path(operand))
	if err != nil {
		return nil, usagef("%s: %v.", operand, pathCause(err))
	}
	if !info.IsDir() {
		return []string{operand}, nil
	}
	var files []string
	err = filepath.WalkDir(c.path(operand), func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.path(operand), p)
		switch {
		case err != nil:
			return err
		case d.IsDir() && rel != "." && (!recursive || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !d.IsDir() && config.IsFileName(d.Name()):
			files = append(files, filepath.Join(operand, rel))
		}
		return nil
	})
	return files, err
}

func pathCause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// file formats one file.
func (c fmtCommand) file(name string, opts fmtOptions) error {
	path, err := filepath.EvalSymlinks(c.path(name)) // the link stays, what it leads to changes
	var src []byte
	var info os.FileInfo
	if err == nil {
		src, info, err = readRegular(path)
	}
	if err != nil {
		c.err.printf("%s %s: %s\n", c.err.paint(red, "Error:"), safe(name), safe(pathCause(err).Error()))
		return errConfiguration
	}
	out, err := c.format(name, src)
	if err != nil || bytes.Equal(src, out) {
		return err
	}
	c.out.printf("%s\n", safe(name))
	c.diff(name, src, out, opts)
	if opts.check {
		return errForm
	}
	return replaceFile(path, out, info)
}

// readRegular reads a file that is no pipe and no device, up to mostFormatted
// bytes.
func readRegular(path string) ([]byte, os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, nil, err
	}
	data, err := readMost(f, mostFormatted)
	return data, info, err
}

// readMost reads everything, or fails when that is more than most bytes.
func readMost(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = errors.New("it is larger than " + size(most))
	}
	return data, err
}

// replaceFile puts data in place of a file, which keeps its mode and, where that
// is allowed, its owner.
func replaceFile(path string, data []byte, info os.FileInfo) error {
	if err := home.WriteFile(path, data, info.Mode().Perm()); err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
		_ = os.Lchown(path, int(s.Uid), int(s.Gid)) // only root can
	}
	return nil
}

// format returns the canonical form, after it printed what is wrong.
func (c fmtCommand) format(name string, src []byte) ([]byte, error) {
	out, diags := config.Format(src)
	for _, d := range diags {
		if d.Subject != nil {
			d.Subject.Filename = name
		}
	}
	diagnostics{config.Texts(map[string][]byte{name: src}), diags}.print(c.err)
	if diags.HasErrors() {
		return nil, errConfiguration
	}
	return out, nil
}

func (c fmtCommand) diff(name string, before, after []byte, opts fmtOptions) {
	if opts.diff {
		c.out.printf("%s", safeText(string(diff.Diff(name+" (as it is)", before, name+" (canonical)", after))))
	}
}

// safeText is safe for each line of a text, and keeps tabs.
func safeText(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, end := strings.CutSuffix(line, "\n")
		cells := strings.Split(line, "\t")
		for i := range cells {
			cells[i] = safe(cells[i])
		}
		b.WriteString(strings.Join(cells, "\t"))
		if end {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// standardInput formats standard input to standard output.
func (c fmtCommand) standardInput(opts fmtOptions) error {
	const name = "standard input"
	src, err := readMost(os.Stdin, mostFormatted)
	if err != nil {
		return usagef("Standard input: %v.", err)
	}
	out, err := c.format(name, src)
	if err != nil {
		return err
	}
	same := bytes.Equal(src, out)
	switch {
	case opts.diff && !same:
		c.diff(name, src, out, opts)
	case !opts.check && !opts.diff:
		c.out.printf("%s", out)
	}
	if opts.check && !same {
		return errForm
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/starter"
)

type initCommand struct{ *app }

type initOptions struct{ upgrade bool }

func (initCommand) Synopsis() string { return "write a first ambient.hcl, or fetch modules" }

func (initCommand) Help() string {
	return helpText{
		usage: "init [-upgrade]",
		about: "Writes an ambient.hcl that fits what is in the directory: Go, Rust, Node, Python, C\n" +
			"with make or autotools, a Debian package, or several of them. It looks at the top\n" +
			"of the directory, asks nobody and overwrites nothing.\n\n" +
			"Where there is a configuration, it fetches the modules that it uses and pins them in\n" +
			config.LockName + ", which plan and apply obey. What is pinned stays as it is.",
		options:  []string{"-upgrade", "look again what the addresses of modules mean"},
		exits:    []string{"0", "there is a configuration now", configExit[0], configExit[1], otherExit[0], otherExit[1]},
		examples: []string{"ambient init", "ambient -chdir=../project init"},
	}.String()
}

func (c initCommand) Run(args []string) int {
	opts, err := c.parseInit(args)
	if err == nil {
		err = c.run(opts)
	}
	return c.finish("init", err)
}

func (c initCommand) parseInit(args []string) (opts initOptions, err error) {
	fs := newFlags("init")
	fs.BoolVar(&opts.upgrade, "upgrade", false, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 0, "")
	}
	return opts, err
}

func (c initCommand) run(opts initOptions) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	there, err := configFiles(dir)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return c.initModules(dir, there[0], opts.upgrade)
	}
	return c.writeFirst(dir)
}

// configFiles are the names of a directory's configuration files, broken links
// included.
func configFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if config.IsFileName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// writeFirst writes the first configuration of a directory.
func (c initCommand) writeFirst(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	parts := starter.Detect(root.FS())
	text, diags := config.Format(starter.Write(filepath.Base(abs), parts))
	if diags.HasErrors() {
		return fmt.Errorf("what was to be written is wrong: %w", diags)
	}
	if err := createFile(filepath.Join(dir, config.FileName), text); err != nil {
		return err
	}
	if len(parts) == 0 {
		c.out.printf("Found nothing that I know. ")
	} else {
		for _, p := range parts {
			c.out.printf("Found %s.\n", safe(p.What))
		}
	}
	c.out.printf("Wrote %s. Now: ambient plan, and ambient apply\n", config.FileName)
	_, err = c.load(variables{})
	return err
}

// createFile writes a file that must not be there yet.
func createFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usagef("%s is there already.", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

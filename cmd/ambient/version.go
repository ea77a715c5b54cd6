package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
)

// version is set when the program is built from a release.
var version = ""

type versionCommand struct{ *app }

func (versionCommand) Synopsis() string { return "show the version" }

func (versionCommand) Help() string {
	return helpText{
		usage:    "version [-json]",
		about:    "Shows the version of ambient.",
		options:  []string{"-json", "one JSON object"},
		exits:    append([]string{"0", "always, unless:"}, usageExit...),
		examples: []string{"ambient version"},
	}.String()
}

func (c versionCommand) Run(args []string) int {
	asJSON, err := c.parseVersion(args)
	if err == nil {
		err = c.run(asJSON)
	}
	return c.finish("version", err)
}

func (c versionCommand) parseVersion(args []string) (asJSON bool, err error) {
	fs := newFlags("version")
	fs.BoolVar(&asJSON, "json", false, "")
	operands, err := c.parse(fs, args)
	if err == nil {
		err = wantOperands(operands, 0, 0, "")
	}
	return asJSON, err
}

func (c versionCommand) run(asJSON bool) error {
	if asJSON {
		return json.NewEncoder(c.out).Encode(map[string]any{
			"v": 1, "version": programVersion(), "os": runtime.GOOS, "arch": runtime.GOARCH, "go": runtime.Version(),
		})
	}
	c.out.printf("ambient %s %s/%s %s\n", programVersion(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return nil
}

// programVersion is the version of the release, of the module, or of the commit.
func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}

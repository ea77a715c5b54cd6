package ambientyaml

import (
	"maps"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
)

// TestRsyncWithTarget converts a delivery whose target the file knows.
func TestRsyncWithTarget(t *testing.T) {
	opts := options("x.yaml")
	opts.Actions = maps.Clone(opts.Actions)
	opts.Actions["rsync"] = &config.ActionSchema{Name: "rsync", Phases: []config.Phase{config.Post}, Params: []config.Param{
		{Name: "target", Type: config.TypeString, Required: true}, {Name: "artifacts", Type: config.TypeString},
	}}
	convert := func(text string) (string, config.Diagnostics) {
		hcl, diags := Convert([]byte("plan:\n  - action: dummy\npost_plan:\n"+text), opts)
		cfg, more := config.Load(t.TempDir(), config.Options{
			Actions: opts.Actions, Files: map[string][]byte{config.FileName: hcl}, SkipSourceCheck: true, Home: "/home/user",
		})
		if len(more) > 0 {
			t.Fatalf("%v\n%s", more, hcl)
		}
		if s := cfg.Projects[0].Stages; len(s) == 2 && strings.Join(s[1].SecretAddresses(), " ") != "secret.ssh.sample" {
			t.Errorf("secrets %v", s[1].SecretAddresses())
		}
		return string(hcl), diags
	}
	hcl, diags := convert("  - action: rsync\n    rsync_target: www@Files.example.org:/srv/www\n    artifacts: site/\n" +
		"  - action: rsync2\n    target: backup.example.org:www\n  - action: rsync\n    rsync_target: files.example.org:b\n")
	if len(diags) > 0 {
		t.Error(diags)
	}
	for _, want := range []string{
		"secret \"ssh\" \"sample\" {\n  private_key = \"~/.ssh/id_ed25519\"\n  hosts       = [\"files.example.org\", \"backup.example.org\"]\n}",
		"secrets = [secret.ssh.sample]",
		"action \"rsync\" {\n      artifacts = \"site\"\n      target    = \"www@Files.example.org:/srv/www\"\n    }",
		"target = \"backup.example.org:www\"",
	} {
		if !strings.Contains(hcl, want) {
			t.Errorf("no %s in\n%s", want, hcl)
		}
	}
	for _, target := range []string{"/srv/www", "rsync://files.example.org/www", "files.example.org::www", "-e:x", ""} {
		hcl, diags := convert("  - action: rsync\n    rsync_target: \"" + target + "\"\n")
		if len(diags) != 1 || strings.Contains(hcl, "\n    action \"rsync\"") || !strings.Contains(hcl, "#   rsync_target: ") {
			t.Errorf("%q: %v\n%s", target, diags, hcl)
		}
	}
}

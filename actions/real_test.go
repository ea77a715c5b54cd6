package actions

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
)

// machine runs steps on this host, with all directories of the guest below a
// temporary one.
type machine struct {
	t    *testing.T
	root string
	env  map[string]string // what the stage's environment would be
}

func newMachine(t *testing.T, source map[string]string) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir(), env: map[string]string{
		"PATH": os.Getenv("PATH"), "SSL_CERT_FILE": os.Getenv("SSL_CERT_FILE"), "HOME": "/nonexistent",
	}}
	for _, dir := range []string{guest.DirSource, guest.DirDeps, guest.DirArtifacts, "/tmp", "/var/tmp", "/opt"} {
		if err := os.MkdirAll(m.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range source {
		file := m.path(filepath.Join(guest.DirSource, name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// path returns where a path of the guest is on this host.
func (m *machine) path(p string) string { return filepath.Join(m.root, p) }

// local replaces the guest's directories in a text by this host's.
func (m *machine) local(s string) string {
	s = strings.ReplaceAll(s, cargoConfigFile, m.path(cargoConfigFile))
	for _, dir := range []string{guest.DirRoot, goScratch, debScratch, cargoScratch, pipScratch, pipVenv, nodeScratch, gitScratch} {
		s = strings.ReplaceAll(s, dir+"/", m.path(dir)+"/")
		s = strings.ReplaceAll(s, dir+":", m.path(dir)+":")
		s = strings.ReplaceAll(s, dir+"\n", m.path(dir)+"\n")
		s = strings.ReplaceAll(s, dir+"\"", m.path(dir)+"\"")
	}
	return s
}

// act runs an action with its defaults, as run does.
func (m *machine) act(action string, args config.Args, host Host) (out string, failed int) {
	m.t.Helper()
	stage := &config.Stage{Actions: []*config.Action{{Name: action, Args: withDefaults(m.t, Lookup(action), args)}}}
	all, err := Build(stage, m.env, host)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.run(all[0])
}

// run runs the steps of an action. It returns what they printed and the index
// of the step that failed, -1 when none did.
func (m *machine) run(a guest.Action) (out string, failed int) {
	m.t.Helper()
	var b bytes.Buffer
	for i, s := range a.Steps {
		switch {
		case s.Write != nil && s.Write.Dir:
			if err := os.MkdirAll(m.path(s.Write.Path), 0o755); err != nil {
				m.t.Fatal(err)
			}
		case s.Write != nil:
			if err := os.MkdirAll(filepath.Dir(m.path(s.Write.Path)), 0o755); err != nil {
				m.t.Fatal(err)
			}
			if err := os.WriteFile(m.path(s.Write.Path), []byte(m.local(string(s.Write.Content))), 0o644); err != nil {
				m.t.Fatal(err)
			}
		default:
			cmd := m.command(s.Exec)
			cmd.Stdout, cmd.Stderr = &b, &b
			if cmd.Run() != nil {
				return b.String(), i
			}
		}
	}
	return b.String(), -1
}

func (m *machine) command(e *guest.Exec) *exec.Cmd {
	argv := []string{"sh", "-ec", m.local(e.Script)}
	if e.Script == "" {
		argv = nil
		for _, a := range e.Argv {
			argv = append(argv, m.local(a))
		}
	}
	for _, dir := range filepath.SplitList(m.env["PATH"]) { // as the guest does, in the PATH that the program gets
		if file := filepath.Join(m.local(dir), argv[0]); !strings.Contains(argv[0], "/") && isFile(file) {
			argv[0] = file
		}
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = m.path(guest.DirSource)
	if filepath.IsAbs(e.Dir) {
		cmd.Dir = m.path(e.Dir)
	} else if e.Dir != "" {
		cmd.Dir = filepath.Join(cmd.Dir, e.Dir)
	}
	cmd.Stdin = bytes.NewReader(e.Stdin)
	env := maps.Clone(m.env)
	maps.Copy(env, e.Env)
	cmd.Env = []string{}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+m.local(value))
	}
	return cmd
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// tree returns the names and contents of all files below a directory.
func (m *machine) tree(dir string) map[string]string {
	m.t.Helper()
	files := map[string]string{}
	err := filepath.Walk(m.path(dir), func(name string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			data, rerr := os.ReadFile(name)
			rel, _ := filepath.Rel(m.path(dir), name)
			files[rel], err = string(data), rerr
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return files
}

func TestCustomRuns(t *testing.T) {
	m := newMachine(t, map[string]string{".ambient/show": "#!/bin/sh\necho \"$AMBIENT_CI_word/$AMBIENT_CI_list\"; cat; exit 7\n"})
	args := values("name", "show", "args", map[string]any{"word": "it's $HOME", "list": []any{int64(1), "<"}})
	out, failed := m.act("custom", args, testHost)
	want := "it's $HOME/[1,\"<\"]\n{\"list\":[1,\"<\"],\"word\":\"it's $HOME\"}\n"
	if out != want || failed != 0 {
		t.Errorf("it printed %q and step %d failed, want %q and step 0", out, failed, want)
	}
}

package secrets

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// encrypted makes an age file and the file with its identity.
func encrypted(t *testing.T, text string, armored bool) (path, identity string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	out := armor.NewWriter(&b)
	w, err := age.Encrypt(&b, id.Recipient())
	if armored {
		b.Reset()
		w, err = age.Encrypt(out, id.Recipient())
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(text))
	w.Close()
	if armored {
		out.Close()
	}
	return file(t, b.String()), file(t, "# mine\n"+id.String()+"\n")
}

func TestRead(t *testing.T) {
	t.Setenv("AMBIENT_TEST_TOKEN", "of the environment")
	sealed, identity := encrypted(t, "of age\n", false)
	armored, armoredIdentity := encrypted(t, "of age\n", true)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		from Source
		want string
	}{
		"file":          {Source{File: file(t, "of a file\n")}, "of a file"},
		"one line end":  {Source{File: file(t, "two lines\n\n")}, "two lines\n"},
		"CRLF":          {Source{File: file(t, "of Windows\r\n")}, "of Windows"},
		"space":         {Source{File: file(t, " x ")}, " x "},
		"command":       {Source{Command: []string{"sh", "-c", "echo of a command; pwd >&2"}, Dir: dir}, "of a command"},
		"its directory": {Source{Command: []string{"pwd"}, Dir: dir}, dir},
		"environment":   {Source{Env: "AMBIENT_TEST_TOKEN"}, "of the environment"},
		"age":           {Source{Age: sealed, Identity: identity}, "of age"},
		"armored age":   {Source{Age: armored, Identity: armoredIdentity}, "of age"},
	} {
		if got, err := c.from.Read(t.Context()); err != nil || got != c.want {
			t.Errorf("%s: %q %v, want %q", name, got, err, c.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	sealed, _ := encrypted(t, "of age\n", false)
	_, other := encrypted(t, "x", false)
	t.Setenv("XDG_CONFIG_HOME", "/nowhere")
	long := strings.Repeat("hunter2", MaxValue/7+1)
	for name, c := range map[string]struct {
		from Source
		want string
	}{
		"no file":        {Source{File: "/nowhere/x"}, "file /nowhere/x: no such file"},
		"directory":      {Source{File: t.TempDir()}, "not a regular file"},
		"empty":          {Source{File: file(t, "\n")}, "is empty"},
		"long":           {Source{File: file(t, long)}, "longer than 65536 bytes"},
		"no variable":    {Source{Env: "AMBIENT_TEST_NOT_SET"}, "AMBIENT_TEST_NOT_SET is not set"},
		"no command":     {Source{Command: []string{"/nowhere/x"}}, "no such file"},
		"failure":        {Source{Command: []string{"sh", "-c", "echo hunter2; echo first >&2; echo locked >&2; exit 3"}}, "exit status 3: locked"},
		"endless":        {Source{Command: []string{"yes", "hunter2"}}, "more than 65536 bytes"},
		"other identity": {Source{Age: sealed, Identity: other}, "can not be decrypted"},
		"no identity":    {Source{Age: sealed}, "/nowhere/ambient/age.txt: no such file"},
		"no age file":    {Source{Age: file(t, "hunter2"), Identity: other}, "can not be decrypted"},
		"bad identity":   {Source{Age: sealed, Identity: file(t, "hunter2")}, "can not be read"},
		"nothing":        {Source{}, "no source"},
	} {
		got, err := c.from.Read(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") || got != "" {
			t.Errorf("%s: %q %v, want %q", name, got, err, c.want)
		}
	}
}

// A command that does not end is killed, with what it started.
func TestCommandEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	pids := filepath.Join(t.TempDir(), "pid")
	_, err := Output(ctx, []string{"sh", "-c", "sleep 100 & echo $! >" + pids + "; wait"}, "", nil)
	if err == nil {
		t.Fatal("it ended by itself")
	}
	pid, _ := os.ReadFile(pids)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %s is left", pid)
		}
	}
}

package qemuvm

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// saved makes a template of a machine that has hardly begun to boot, and gives
// the machine and what it has said.
func saved(t *testing.T) (o Options, said string) {
	t.Helper()
	o = realMachine(t)
	dir := t.TempDir()
	o.Disks, o.Console, o.Ports = []Disk{{Serial: "boot", Path: filepath.Join(dir, "disk")}}, true, []string{"p"}
	o.Frames = &FrameNet{MAC: "52:54:00:00:00:01", MTU: 65520}
	if err := bootDisk(o.Disks[0].Path, 4, false); err != nil {
		t.Fatal(err)
	}
	template := Template{Memory: filepath.Join(dir, "memory"), State: filepath.Join(dir, "state")}
	if err := os.WriteFile(template.Memory, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first := o
	first.MemoryFile = template.Memory
	vm := start(t, first)
	if err := vm.Save(t.Context(), template.State); err != nil {
		t.Fatal(err)
	}
	console, err := io.ReadAll(vm.Console())
	if err != nil {
		t.Fatal(err)
	}
	o.Restore = &template
	return o, string(console)
}

// letters leaves out the dots and ends of lines that the firmware, which writes
// late, puts between the guest's words.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, text)
}

func sum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(data)
	return string(s[:])
}

// Machines go on from one template at the same time, each with its own disk,
// and the template stays what it is.
func TestRealTemplate(t *testing.T) {
	t.Parallel()
	o, said := saved(t)
	memory := sum(t, o.Restore.Memory)
	var group sync.WaitGroup
	for range 3 {
		o := o
		o.Disks = []Disk{{Serial: "boot", Path: filepath.Join(t.TempDir(), "disk")}}
		if err := bootDisk(o.Disks[0].Path, 4, false); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(o.Disks[0].Path, 24<<20); err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			vm, err := Start(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			defer vm.Close()
			console, err := io.ReadAll(vm.Console())
			if text := letters(said + string(console)); err != nil || strings.Count(text, "guesthere") != 1 || strings.Contains(text, "failed") {
				t.Errorf("console: %q and %q, %v", said, console, err)
			}
			if err := vm.Wait(); err != nil {
				t.Error(err)
			}
			if s, ok := vm.Shutdown(); !ok || s.Reason != ReasonReset {
				t.Errorf("shutdown: %+v", s)
			}
		})
	}
	group.Wait()
	if sum(t, o.Restore.Memory) != memory {
		t.Error("the template's memory has changed")
	}
}

// What QEMU can tell is not a machine to go on from.
func TestRealTemplateRefused(t *testing.T) {
	t.Parallel()
	o, _ := saved(t)
	state, err := os.ReadFile(o.Restore.State)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*Options) error{
		"no state":        func(o *Options) error { return os.Remove(o.Restore.State) },
		"empty state":     func(o *Options) error { return os.Truncate(o.Restore.State, 0) },
		"half a state":    func(o *Options) error { return os.Truncate(o.Restore.State, int64(len(state)/2)) },
		"another state":   func(o *Options) error { return os.WriteFile(o.Restore.State, bytes.Repeat([]byte("x"), 9000), 0o600) },
		"half a memory":   func(o *Options) error { return os.Truncate(o.Restore.Memory, o.Memory/2) },
		"no memory":       func(o *Options) error { return os.Remove(o.Restore.Memory) },
		"another device":  func(o *Options) error { o.Frames = nil; return nil },
		"another size":    func(o *Options) error { o.Memory *= 2; return nil },
		"a missing port":  func(o *Options) error { o.Ports = nil; return nil },
		"not a directory": func(o *Options) error { o.Restore.State += "/x"; return nil },
	}
	for name, change := range tests {
		bad := o
		bad.Restore = &Template{Memory: filepath.Join(t.TempDir(), "memory"), State: filepath.Join(t.TempDir(), "state")}
		if err := errors.Join(os.WriteFile(bad.Restore.State, state, 0o600), os.WriteFile(bad.Restore.Memory, make([]byte, o.Memory), 0o600), change(&bad)); err != nil {
			t.Fatal(err)
		}
		vm, err := Start(t.Context(), bad)
		if err == nil {
			vm.Close()
			t.Errorf("%s: it started", name)
			continue
		}
		var refused *RefusedError // QEMU did not come up at all
		var template *TemplateError
		if !errors.As(err, &template) && !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRealSaveFails(t *testing.T) {
	t.Parallel()
	vm := start(t, realMachine(t))
	there := filepath.Join(t.TempDir(), "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var template *TemplateError
	if err := vm.Save(t.Context(), there); !errors.As(err, &template) || !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	select {
	case <-vm.Done():
	default:
		t.Error("the machine is left")
	}
}

// Commands to a later QEMU name the file; they bring it along to an earlier one.
func TestMigrateByVersion(t *testing.T) {
	for _, tt := range []struct {
		version Version
		path    string
		want    string
	}{
		{Version{7, 2, 0}, "/s", "getfd migrate-incoming fd:state"},
		{Version{8, 1, 9}, "/s", "getfd migrate-incoming fd:state"},
		{Version{8, 2, 0}, "/s", "migrate-incoming file:/s"},
		{Version{10, 0, 0}, "/s,offset=1", "getfd migrate-incoming fd:state"},
	} {
		ours, theirs, err := socketPair("qmp")
		if err != nil {
			t.Fatal(err)
		}
		other, err := net.FileConn(theirs)
		theirs.Close()
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		heard := make(chan string)
		go func() { heard <- obey(other.(*net.UnixConn)) }()
		vm := &VM{qmp: newQMP(ours), version: tt.version}
		if err := vm.migrate(t.Context(), "migrate-incoming", tt.path, file); err != nil {
			t.Error(err)
		}
		vm.qmp.close()
		if got := <-heard; got != tt.want {
			t.Errorf("%v: %s, want %s", tt.version, got, tt.want)
		}
		file.Close()
		other.Close()
		<-vm.qmp.done
	}
}

// obey answers commands, each of which must be alone in what it reads after a
// first byte, and gives what they were. A getfd must bring a descriptor.
func obey(conn *net.UnixConn) string {
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	conn.Write([]byte(greeting))
	var all []string
	for {
		line, rights := []byte{}, 0
		for !bytes.HasSuffix(line, []byte("\n")) {
			data, extra := make([]byte, 4096), make([]byte, 64)
			n, oobn, _, _, err := conn.ReadMsgUnix(data, extra)
			if err != nil || n == 0 {
				return strings.Join(all, " ")
			}
			line, rights = append(line, data[:n]...), rights+oobn
		}
		var command struct {
			Execute   string
			Arguments struct{ URI string }
			ID        uint64
		}
		json.Unmarshal(line, &command)
		if (command.Execute == "getfd") != (rights > 0) {
			command.Execute += "(wrong descriptors)"
		}
		all = append(all, strings.TrimSpace(command.Execute+" "+command.Arguments.URI))
		reply, _ := json.Marshal(map[string]any{"return": map[string]any{}, "id": command.ID})
		conn.Write(append(reply, '\n'))
	}
}

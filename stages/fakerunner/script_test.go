package fakerunner_test

import (
	"context"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ambient-ci/ambient/stages"
	"github.com/ambient-ci/ambient/stages/fakerunner"
)

// TestScripts runs scripts with the fake and with a real shell: what they write
// and how they end must be the same.
func TestScripts(t *testing.T) {
	scripts := []string{
		"",
		"true",
		"# nothing\n\n  true  ",
		"false",
		"exit 0",
		"exit 7\necho no",
		"true && exit 3",
		"echo one two   three",
		"echo 'one  $X'   \"two  $X\"",
		"echo $X ${X}y $UNSET .",
		"echo oops >&2\necho well",
		"echo one && echo two && echo three",
		"false && echo no\necho yes",
		"false && echo no",
		"test -e /nowhere && echo no\nexit 4",
		"test -e /nowhere",
		"sleep 0.001 && echo slept",
		"cat /nowhere\necho no",
		"kill -KILL $$\necho no",
		"echo before && kill -TERM $$",
	}
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) {
			j := job(t)
			j.Env["X"] = "x"
			j.Stage.Actions[0].Args.Values["script"] = script
			if got, want := runFake(t, j), runShell(t, script); got != want {
				t.Errorf("the fake: %+v\na shell: %+v", got, want)
			}
		})
	}
}

// ending is what a script wrote to standard output and how it ended.
type ending struct {
	out    string
	exit   int
	killed bool
}

func runFake(t *testing.T, j *stages.Job) ending {
	var mu sync.Mutex
	var out strings.Builder
	ex, err := fakerunner.New(t).Start(t.Context(), j, stages.ObserverFunc(func(e stages.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Type == stages.LogOutput && e.Stream == "stdout" {
			out.WriteString(e.Text + "\n")
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer ex.Close()
	res := ex.Wait()
	return ending{out.String(), res.Exit, res.Signal != ""}
}

func runShell(t *testing.T, script string) ending {
	cmd := exec.CommandContext(context.Background(), "sh", "-ec", script)
	cmd.Env = []string{"X=x", "PATH=/usr/bin:/bin"}
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ending{string(out), max(0, status.ExitStatus()), status.Signaled()}
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ambient-ci/ambient/guest"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// scriptDir holds the scripts of steps; it is on a tmpfs.
const scriptDir = "/run/ambient"

// result is how a step ended; the zero value is success. The fields are those
// of guest.Finished.
type result struct {
	exit    int
	signal  string
	limit   string
	err     string
	outage  bool
	stopped bool
}

func (r result) ok() bool { return r == result{} }

// ownExit reports whether a program ran and ended with a status of its own.
func (r result) ownExit() bool { return r == result{exit: r.exit} }

func failed(format string, args ...any) result { return result{err: fmt.Sprintf(format, args...)} }

// exec runs a program, again while it fails by its own status and retries are
// left.
func (w *worker) exec(ctx context.Context, action int, e *guest.Exec) result {
	for try := 1; ; try++ {
		r := w.execOnce(ctx, action, e)
		if r.ok() || !r.ownExit() || r.exit == e.Final {
			return r
		}
		if try > e.Retries {
			r.outage = e.Outage
			return r
		}
		pause := backOff(try)
		w.log.say(action, "exit status %d: try %d of %d in %s", r.exit, try+1, e.Retries+1, pause)
		if err := w.sleep(ctx, pause); err != nil {
			return ended(err)
		}
	}
}

// ended turns the cause of an ended context into a result.
func ended(cause error) result {
	if errors.Is(cause, errActionTimeout) {
		return result{limit: guest.LimitAction}
	}
	return result{stopped: true}
}

// execOnce runs a program once and explains its failure by a limit where one
// was hit meanwhile.
func (w *worker) execOnce(ctx context.Context, action int, e *guest.Exec) result {
	before := w.group.events()
	r := w.spawn(ctx, action, e)
	if r.ok() || r.stopped || r.limit != "" {
		return r
	}
	if limit := w.limitHit(before); limit != "" {
		r.limit, r.err = limit, ""
	}
	return r
}

// limitHit names the limit that explains a failure since before. A fork bomb
// often exhausts memory too, a memory bomb hardly ever the process table.
func (w *worker) limitHit(before events) string {
	after := w.group.events()
	switch {
	case after.pidsMax > before.pidsMax:
		return guest.LimitPIDs
	case after.oomKills > before.oomKills:
		return guest.LimitMemory
	case diskFull(w.path(guest.DirRoot)):
		return guest.LimitDisk
	}
	return ""
}

// spawn starts a program, follows its output and waits for its end.
func (w *worker) spawn(ctx context.Context, action int, e *guest.Exec) result {
	if ctx.Err() != nil {
		return ended(context.Cause(ctx))
	}
	argv, env, err := w.command(e)
	if err != nil {
		return failed("%v", err)
	}
	dir := w.workDir(e.Dir)
	if err := w.tools(e.Needs, dir, env); err != nil {
		return failed("%v", err)
	}
	path, err := w.lookPath(argv[0], dir, env)
	if err != nil {
		return failed("%v", err)
	}
	c, pumps, err := w.launch(action, path, argv, dir, env, e.Stdin)
	if err != nil {
		return failed("%s", startError(argv[0], err))
	}
	defer func() {
		for _, p := range pumps {
			p.drain()
		}
	}()
	select {
	case <-c.exited:
		return statusResult(c.status)
	case <-ctx.Done():
		w.killAll(c)
		return ended(context.Cause(ctx))
	}
}

// killAll ends every process of the stage's actions; c is the one to wait for.
func (w *worker) killAll(c *child) {
	if err := w.group.kill(); err != nil {
		w.log.say(-1, "kill: %v", err)
	}
	syscall.Kill(-c.pid, syscall.SIGKILL) // its session, where there is no group
	select {
	case <-c.exited:
	case <-time.After(killLimit):
	}
}

func statusResult(s syscall.WaitStatus) result {
	if s.Signaled() {
		return result{signal: signalName(s.Signal())}
	}
	return result{exit: s.ExitStatus()}
}

// startError says why a program could not be started. EAGAIN is the limit of
// processes: others of the stage fill it.
func startError(name string, err error) string {
	if errors.Is(err, syscall.ENOEXEC) {
		return fmt.Sprintf("%s: not a program for this machine (a script needs a #! line)", name)
	}
	if errors.Is(err, syscall.ENOENT) {
		return fmt.Sprintf("%s: its interpreter is not in the image", name)
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Sprintf("%s: can not be started: %v", name, err)
}

// launch starts the process in a session of its own, in the stage's group.
func (w *worker) launch(action int, path string, argv []string, dir string, env []string, stdin []byte) (*child, []*pump, error) {
	in, err := stdinFile(stdin)
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	var pumps []*pump
	files := []uintptr{in.Fd()}
	for _, stream := range []guest.Stream{guest.StreamStdout, guest.StreamStderr} {
		r, wr, err := pipe()
		if err != nil {
			closePumps(pumps)
			return nil, nil, err
		}
		defer syscall.Close(wr)
		files = append(files, uintptr(wr))
		pumps = append(pumps, newPump(r, w.log, action, stream))
	}
	attr := &syscall.ProcAttr{Dir: dir, Env: env, Files: files, Sys: w.group.attr()}
	c, err := w.procs.start(path, argv, attr)
	if err != nil {
		closePumps(pumps)
		return nil, nil, err
	}
	w.follow(pumps)
	return c, pumps, nil
}

// follow runs pumps in the background; the stage's end waits for them.
func (w *worker) follow(pumps []*pump) {
	for _, p := range pumps {
		w.pumps.Add(1)
		w.guard(func() {
			defer w.pumps.Done()
			p.run()
		})
	}
}

func closePumps(pumps []*pump) {
	for _, p := range pumps {
		p.r.Close()
	}
}

// pipe returns a pipe whose reading end takes deadlines and whose writing end
// is a plain blocking descriptor.
func pipe() (*os.File, int, error) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		return nil, 0, err
	}
	syscall.SetNonblock(p[0], true)
	return os.NewFile(uintptr(p[0]), "pipe"), p[1], nil
}

// stdinFile returns a file that reads as data and is on no disk.
func stdinFile(data []byte) (*os.File, error) {
	if len(data) == 0 {
		return os.Open(os.DevNull)
	}
	f, err := memfd("stdin")
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(data); err == nil {
		_, err = f.Seek(0, 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// command returns the arguments and the environment of a step.
func (w *worker) command(e *guest.Exec) (argv, env []string, err error) {
	env = w.environ(e.Env)
	if len(e.Argv) > 0 {
		return e.Argv, env, nil
	}
	// A name of its own each time: a background process may still read the last.
	w.scripts++
	file := w.path(filepath.Join(scriptDir, fmt.Sprintf("script-%d", w.scripts)))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, nil, err
	}
	if err := os.WriteFile(file, []byte(e.Script), 0o644); err != nil {
		return nil, nil, err
	}
	return w.shell(e.Shell, file, env), env, nil
}

// shell returns the arguments that run a script with the shell that was asked
// for, or with bash where the image has it, else sh.
func (w *worker) shell(name, file string, env []string) []string {
	if name == "" {
		name = "sh"
		if _, err := w.lookPath("bash", "/", env); err == nil {
			name = "bash"
		}
	}
	if name == "bash" {
		return []string{"bash", "-eo", "pipefail", file}
	}
	return []string{name, "-e", file}
}

// environ returns the whole environment of a step: what every action has, then
// the plan's, then the step's own.
func (w *worker) environ(own map[string]string) []string {
	merged := map[string]string{"PATH": defaultPath, "HOME": "/root"}
	for _, m := range []map[string]string{w.trustEnv, w.plan.Env, w.fileEnv, own} {
		for k, v := range m {
			merged[k] = v
		}
	}
	var env []string
	for k, v := range merged {
		env = append(env, k+"="+v)
	}
	return env
}

// workDir returns the absolute directory of a step.
func (w *worker) workDir(dir string) string {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(guest.DirSource, dir)
	}
	return w.path(dir)
}

// lookPath finds a program by the PATH of env, as execvp(3) does. A relative
// name with a slash is relative to dir.
func (w *worker) lookPath(name, dir string, env []string) (string, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", fmt.Errorf("working directory %s: no such directory", dir)
	}
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return path, executable(name, path)
	}
	for _, d := range filepath.SplitList(value(env, "PATH")) {
		path := filepath.Join(d, name)
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if executable(name, path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: not found in the image", name)
}

// tools says which of the programs are not there, and what to do about it.
func (w *worker) tools(needs []guest.Tool, dir string, env []string) error {
	var programs, packages []string
	for _, t := range needs {
		if _, err := w.lookPath(t.Program, dir, env); err != nil {
			programs, packages = append(programs, t.Program), append(packages, t.Package)
		}
	}
	if programs == nil {
		return nil
	}
	return fmt.Errorf("the image has no %s: add %s to the packages of its debian block",
		strings.Join(programs, ", "), strings.Join(packages, ", "))
}

func executable(name, path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: not found", name)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case info.IsDir():
		return fmt.Errorf("%s: is a directory", name)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s: is not executable", name)
	}
	return nil
}

func value(env []string, key string) string {
	for _, kv := range env {
		if k, v, _ := strings.Cut(kv, "="); k == key {
			return v
		}
	}
	return ""
}

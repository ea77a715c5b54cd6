package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// The table stands between these lines of a document.
const (
	beginMark = "<!-- figures: written by make bench -->"
	endMark   = "<!-- end of figures -->"
)

// replace puts a text between the marks of a document.
func replace(path, text string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(data), beginMark)
	_, after, ended := strings.Cut(rest, endMark)
	if !ok || !ended {
		return fmt.Errorf("%s has no place for the table", path)
	}
	return os.WriteFile(path, []byte(before+beginMark+"\n"+text+endMark+after), 0o644)
}

var (
	modelLine   = regexp.MustCompile(`(?m)^model name\s*: (.*)$`)
	totalLine   = regexp.MustCompile(`(?m)^MemTotal:\s*([0-9]+) kB$`)
	versionText = regexp.MustCompile(`version ([0-9.]+)`)
)

// about says what machine it was and how busy; no name of it.
func about(before, after string) string {
	memory := first(totalLine, "/proc/meminfo")
	gib := ""
	if memory != "" {
		var kib int64
		fmt.Sscan(memory, &kib)
		gib = fmt.Sprintf(", %d GiB", (kib+1<<19)>>20)
	}
	version := "?"
	if out, err := exec.Command("qemu-system-x86_64", "--version").Output(); err == nil {
		if m := versionText.FindSubmatch(out); m != nil {
			version = string(m[1])
		}
	}
	return fmt.Sprintf("Measured on %s: %d processors (%s)%s, QEMU %s; load average %s before, %s after.",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), first(modelLine, "/proc/cpuinfo"), gib, version, before, after)
}

func first(line *regexp.Regexp, path string) string {
	data, _ := os.ReadFile(path)
	if m := line.FindSubmatch(data); m != nil {
		return strings.TrimSpace(string(m[1]))
	}
	return ""
}

// load is the load average of the last minute (proc_loadavg(5)).
func load() string {
	data, _ := os.ReadFile("/proc/loadavg")
	text, _, _ := strings.Cut(string(data), " ")
	return text
}

package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// String returns the address of the stage, such as `greet/plan.build` or
// `greet/plan.test["short"]`. It is unique in a configuration.
func (id StageID) String() string { return id.Project + "/" + id.Short() }

// Short returns the address inside the project, such as `plan.build`.
func (id StageID) Short() string {
	s := string(id.Phase) + "." + id.Name
	if id.Key != "" {
		s += "[" + strconv.Quote(id.Key) + "]"
	}
	return s
}

// maxDirKey is the longest escaped key in the name of a directory, in bytes.
const maxDirKey = 100

// Dir returns the name of the stage's directory inside its project's: a single
// path element of letters, digits and "._-%", different for every stage of a
// project. An instance's key follows the name after a dot, which a name can not
// hold: `plan.test.short`.
func (id StageID) Dir() string {
	s := string(id.Phase) + "." + id.Name
	if id.Key == "" {
		return s
	}
	key := escapeKey(id.Key)
	if len(key) > maxDirKey {
		sum := sha256.Sum256([]byte(id.Key))
		key = key[:maxDirKey/2] + "%%" + hex.EncodeToString(sum[:12])
	}
	return s + "." + key
}

// escapeKey writes every byte that is not a letter, a digit, "_" or "-" as %XX.
func escapeKey(key string) string {
	var b strings.Builder
	for i := range len(key) {
		if c := key[i]; isNameByte(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// InputsDir is the directory in the guest under which the artifacts of other
// stages appear.
const InputsDir = "/ci/inputs"

// Inputs returns the directory in the guest where a stage that refers to the
// artifacts of id finds them.
func (id StageID) Inputs() string { return InputsDir + "/" + id.Project + "/" + id.Dir() }

// Stages returns every stage of every project, in the order of the files and in
// the order of phases inside a project.
func (c *Config) Stages() []*Stage {
	var all []*Stage
	for _, p := range c.Projects {
		all = append(all, p.Stages...)
	}
	return all
}

// Stage returns the stage of that identity, nil if there is none.
func (c *Config) Stage(id StageID) *Stage {
	for _, s := range c.Stages() {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// FindStages returns the stages that text names: `greet/plan.build`, or
// `plan.build` where only one project has it. The name of a stage with for_each
// stands for all its instances; `plan.test["short"]` is one. The error is the
// user's and lists what there is.
func (c *Config) FindStages(text string) ([]*Stage, error) {
	project, short, qualified := strings.Cut(text, "/")
	if !qualified || strings.ContainsAny(project, `."[`) {
		project, short = "", text
	}
	var found []*Stage
	var names []string
	for _, s := range c.Stages() {
		whole := s.ID
		whole.Key = ""
		names = append(names, s.ID.String(), s.ID.Short())
		if (project == "" || s.ID.Project == project) && (s.ID.Short() == short || whole.Short() == short) {
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("there is no stage %q: %s", text, orList(names, text, "stages"))
	case projectsOf(found) > 1:
		return nil, fmt.Errorf("more than one project has a stage %q: write PROJECT/%s, such as %s", text, text, found[0].ID)
	}
	return found, nil
}

func projectsOf(stages []*Stage) int {
	seen := map[string]bool{}
	for _, s := range stages {
		seen[s.ID.Project] = true
	}
	return len(seen)
}

package ambientyaml

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/ambient-ci/ambient/config"
)

// maxName is the longest name of a block.
const maxName = 63

var notInName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// label makes a name for a block out of any text, different from those taken.
func (c *converter) label(text string) string {
	name := strings.Trim(notInName.ReplaceAllString(text, "-"), "-")
	if name == "" || name[0]|0x20 < 'a' || name[0]|0x20 > 'z' {
		name = "project-" + name
	}
	name = strings.TrimRight(name[:min(len(name), maxName-6)], "-")
	unique := name
	for i := 2; c.names[unique]; i++ {
		unique = fmt.Sprintf("%s-%d", name, i)
	}
	c.names[unique] = true
	return unique
}

// guess says what an unknown name was probably meant to be.
func guess(name string, known []string) string {
	if near := config.Nearest(name, known); near != "" {
		return fmt.Sprintf(" Did you mean %q?", near)
	}
	return ""
}

var (
	sizeText = regexp.MustCompile(`^([0-9]{1,15}(?:\.[0-9]{1,6})?) *([kmgt]?)i?(b?)(ytes?)?$`)
	envName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// size reads a size of the Rust program. Its decimal units become the binary
// ones, which are a little larger, so that what fitted still fits.
func size(text string) (int64, bool) {
	m := sizeText.FindStringSubmatch(strings.ToLower(strings.TrimSpace(text)))
	if m == nil {
		return 0, false
	}
	unit := ""
	if m[2] != "" {
		unit = strings.ToUpper(m[2]) + "iB"
	}
	bytes, err := config.ParseSize(m[1] + unit)
	return bytes, err == nil && bytes >= minLimit && bytes <= maxLimit
}

// What the limits artifacts and cache can be.
const (
	minLimit = 64 << 10
	maxLimit = 16 << 40
)

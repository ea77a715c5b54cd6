package results

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/stages"
)

// keyOf hashes the parts so that no two lists have the same text: each field has
// its length before it. Their order does not matter.
func keyOf(parts []stages.Part) string {
	sorted := slices.Clone(parts)
	slices.SortFunc(sorted, func(a, b stages.Part) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Value, b.Value)
	})
	fields := []string{"ambient result 1"}
	for _, p := range sorted {
		fields = append(fields, p.Name, p.Value)
	}
	return hashOf(fields...)
}

func hashOf(fields ...string) string {
	sum := sha256.New()
	for _, f := range fields {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(f)))
		sum.Write(n[:])
		io.WriteString(sum, f)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// changed names the parts that differ, those of now first.
func changed(before, now []stages.Part) []string {
	old := map[string]string{}
	for _, p := range before {
		old[p.Name] = p.Value
	}
	var names []string
	for _, p := range now {
		if value, known := old[p.Name]; !known || value != p.Value {
			names = append(names, p.Name)
		}
		delete(old, p.Name)
	}
	for _, p := range before {
		if _, gone := old[p.Name]; gone {
			names = append(names, p.Name)
		}
	}
	return names
}

package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseSize returns the bytes that text names: "1GiB", "1.5 GiB", "512".
// Decimal units (GB) are refused, since too many people mean the other ones.
func ParseSize(text string) (int64, error) {
	number, factor := strings.TrimSpace(text), int64(1)
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(number, u.name); ok {
			number, factor = strings.TrimSpace(n), u.bytes
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.ContainsAny(number, "xXpPeEnN_+-") {
		return 0, fmt.Errorf("write a number with KiB, MiB, GiB or TiB, such as \"512MiB\"")
	}
	bytes := f * float64(factor)
	if bytes >= math.MaxInt64 {
		return 0, fmt.Errorf("this is more than any machine has")
	}
	if bytes != math.Trunc(bytes) {
		return 0, fmt.Errorf("this is not a whole number of bytes")
	}
	return int64(bytes), nil
}

// FormatSize writes bytes so that ParseSize reads them back: "1.5GiB".
func FormatSize(bytes int64) string {
	for _, u := range sizeUnits {
		if u.bytes == 1 || bytes < u.bytes {
			continue
		}
		text := strconv.FormatFloat(float64(bytes)/float64(u.bytes), 'f', -1, 64)
		if whole, fraction, _ := strings.Cut(text, "."); len(whole) <= 4 && len(fraction) <= 2 {
			return text + u.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}

// ParseAge returns the duration that text names: as Go writes it ("12h",
// "1h30m"), or a number of days ("30d").
func ParseAge(text string) (time.Duration, error) {
	wrong := fmt.Errorf("write a number with a unit, such as \"12h\" or \"30d\"")
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, wrong
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, wrong
	}
	return d, nil
}

// FormatDuration writes a duration without the units that are zero: "10m".
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

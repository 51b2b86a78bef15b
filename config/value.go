package config

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

var (
	errNoUnit     = errors.New("has no unit; write it with one, such as 500ms, 30s, 5m, 1h30m or 7d")
	errTooLong    = errors.New("is longer than the 292 years that nanoseconds in 64 bits can hold")
	errNoDuration = errors.New("is no duration; write one such as 500ms, 30s, 5m, 1h30m or 7d")
	errTooBig     = errors.New("is more bytes than 64 bits can count")
)

// ParseDuration reads a duration: Go's syntax and days ("1d12h"), a day being
// 24 hours. A bare 0 needs no unit.
func ParseDuration(s string) (time.Duration, error) {
	unsigned := s
	if s != "" && (s[0] == '-' || s[0] == '+') {
		unsigned = s[1:]
	}
	switch {
	case unsigned == "":
		return 0, errNoDuration
	case strings.Trim(unsigned, "0123456789.") != "":
	case strings.Trim(unsigned, "0.") == "":
		return 0, nil
	default:
		return 0, errNoUnit
	}
	days, rest, found := strings.Cut(unsigned, "d")
	if !found {
		days, rest = "0", unsigned
	}
	if strings.Trim(days, "0123456789.") != "" {
		return 0, errNoDuration
	}
	if rest == "" {
		rest = "0"
	}
	d, err := parsePart(days + "h")
	if err != nil {
		return 0, err
	}
	if d > math.MaxInt64/24 {
		return 0, errTooLong
	}
	r, err := parsePart(rest)
	if err != nil {
		return 0, err
	}
	if d *= 24; d > math.MaxInt64-r {
		return 0, errTooLong
	}
	if d += r; s[0] == '-' {
		return -d, nil
	}
	return d, nil
}

// parsePart is time.ParseDuration for an unsigned text, with our errors.
func parsePart(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case s[0] == '-' || s[0] == '+':
		return 0, errors.New("has a sign inside; only the whole can be negative")
	case err == nil:
		return d, nil
	case onlyDurationRunes(s):
		return 0, errTooLong
	default:
		return 0, errNoDuration
	}
}

// onlyDurationRunes tells a duration that is too long from text that is none:
// each number is followed by a known unit.
func onlyDurationRunes(s string) bool {
	for s != "" {
		number := strings.TrimLeft(s, "0123456789.")
		unit := strings.TrimLeft(number, "nuµmsh")
		switch number[:len(number)-len(unit)] {
		case "ns", "us", "µs", "ms", "s", "m", "h":
		default:
			return false
		}
		digits := s[:len(s)-len(number)]
		if strings.Trim(digits, ".") == "" || strings.Count(digits, ".") > 1 {
			return false
		}
		s = unit
	}
	return true
}

// byteUnits are the units of sizes, longest first.
var byteUnits = []struct {
	name  string
	bytes uint64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"kB", 1e3}, {"B", 1},
}

// ParseSize reads a number of bytes: a whole number, with a unit of 1000
// (KB, MB, GB, TB) or of 1024 (KiB, MiB, GiB, TiB) or without.
func ParseSize(s string) (int64, error) {
	digits, unit := s, uint64(1)
	for _, u := range byteUnits {
		if d, ok := strings.CutSuffix(s, u.name); ok {
			digits, unit = strings.TrimRight(d, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errTooBig
	}
	if err != nil {
		return 0, errors.New("is no size; write whole bytes or a unit, such as 4096, 64KB, 1MiB or 2GiB")
	}
	hi, lo := bits.Mul64(n, unit)
	if hi > 0 || lo > math.MaxInt64 {
		return 0, errTooBig
	}
	return int64(lo), nil
}

// formatDuration writes a duration in the config's syntax, without the zero
// parts of Go's: 1h, not 1h0m0s, and 36500d.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return "0s"
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return d.String()
	}
}

// formatSize writes a number of bytes with the largest unit of 1024 that
// divides it.
func formatSize(n int64) string {
	for _, u := range byteUnits[:4] {
		if n != 0 && n%int64(u.bytes) == 0 {
			return fmt.Sprintf("%d%s", n/int64(u.bytes), u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}

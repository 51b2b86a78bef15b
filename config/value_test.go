package config_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/config"
)

func TestParseDuration(t *testing.T) {
	day := 24 * time.Hour
	good := map[string]time.Duration{
		"0": 0, "-0": 0, "0s": 0, "0.0": 0, "1d": day, "1d12h": 36 * time.Hour, "-3ms": -3 * time.Millisecond, "1.5d": 36 * time.Hour,
		"+5s": 5 * time.Second, "1h30m": 90 * time.Minute, "-1d1ns": -day - 1, "1us": 1000, "1µs": 1000, "106751d": 106751 * day,
		"2562047h47m16.854775807s": math.MaxInt64,
	}
	for text, want := range good {
		if have, err := config.ParseDuration(text); err != nil || have != want {
			t.Errorf("%q is %v (%v), want %v", text, have, err, want)
		}
	}
	bad := map[string]string{
		"": "no duration", "-": "no duration", "5": "no unit", "1.5": "no unit", "5x": "no duration", "d": "no duration", "1d-5h": "sign inside",
		"-+5s": "sign inside", "--5s": "sign inside", "1d2d": "no duration", "1h2d": "no duration", "1 h": "no duration", "inf": "no duration",
		"106752d": "longer than", "106751d23h59m": "longer than", "9999999999h": "longer than", "9999999999999999999s": "longer than", "one": "no duration",
		".s": "no duration", "1.2.3s": "no duration", "5m ": "no duration", "1e3s": "no duration",
	}
	for text, want := range bad {
		if have, err := config.ParseDuration(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %v (%v), want an error with %q", text, have, err, want)
		}
	}
}

// Every duration of Go is one of ours, with the same value.
func TestParseDurationAgreesWithGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64().Draw(t, "d"))
		if d == math.MinInt64 {
			t.Skip("its absolute value is no duration")
		}
		if have, err := config.ParseDuration(d.String()); err != nil || have != d {
			t.Fatalf("%v is %v (%v)", d, have, err)
		}
	})
}

func TestParseSize(t *testing.T) {
	good := map[string]int64{
		"0": 0, "4096": 4096, "1B": 1, "64KB": 64000, "64kB": 64000, "64KiB": 65536, "1MiB": 1 << 20, "2 GiB": 2 << 30, "3TB": 3e12, "1TiB": 1 << 40,
		"9223372036854775807": math.MaxInt64,
	}
	for text, want := range good {
		if have, err := config.ParseSize(text); err != nil || have != want {
			t.Errorf("%q is %v (%v), want %v", text, have, err, want)
		}
	}
	for _, text := range []string{"", "KB", "-1", "1.5MiB", "1mb", "1 M", "9223372036854775808", "8388608TiB", "99999999999999999999"} {
		if have, err := config.ParseSize(text); err == nil {
			t.Errorf("%q is %v", text, have)
		}
	}
}

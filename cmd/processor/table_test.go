package main

import (
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	var out strings.Builder
	if err := (table{{"name", "n", ""}, {"ä", "1,000", "why"}, {"bcdef", "1", ""}}).write(&out); err != nil {
		t.Fatal(err)
	}
	want := "  name       n\n  ä      1,000  why\n  bcdef      1\n"
	if have := out.String(); have != want {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}
}

func TestBytesOf(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 KiB", 1536: "1.5 KiB", 200 << 10: "200 KiB", 1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB", 1 << 62: "4.0 EiB"} {
		if have := bytesOf(n); have != want {
			t.Errorf("%d is %q, want %q", n, have, want)
		}
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 90 * time.Minute: "1h", 47 * time.Hour: "47h", 50 * time.Hour: "2d",
	} {
		if have := age(d); have != want {
			t.Errorf("%v is %q, want %q", d, have, want)
		}
	}
}

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

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 90 * time.Minute: "1h", 47 * time.Hour: "47h", 50 * time.Hour: "2d",
	} {
		if have := age(d); have != want {
			t.Errorf("%v is %q, want %q", d, have, want)
		}
	}
}

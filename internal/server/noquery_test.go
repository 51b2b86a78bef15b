package server

import "testing"

func TestNoQuery(t *testing.T) {
	for want, names := range map[string][]string{
		`there is no query "x"; there is only q`:    {"q"},
		`there is no query "x"; there are q, slide`: {"q", "slide"},
	} {
		if have := noQuery("x", names); have != want {
			t.Errorf("it says %s, want %s", have, want)
		}
	}
}

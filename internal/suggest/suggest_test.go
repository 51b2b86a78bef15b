package suggest

import "testing"

func TestNearest(t *testing.T) {
	candidates := []string{"help", "h", "limit", "config"}
	for word, want := range map[string]string{
		"limt": "limit", "LIMIT": "limit", "cofnig": "config", "hlep": "help",
		"x": "", "xy": "", "": "", "configuration": "", "h": "h",
	} {
		if have := Nearest(word, candidates); have != want {
			t.Errorf("the nearest of %q is %q, want %q", word, have, want)
		}
	}
}

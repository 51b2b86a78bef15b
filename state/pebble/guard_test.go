package pebble

import (
	"strings"
	"testing"
)

func TestNoteRoundTrip(t *testing.T) {
	for _, name := range []string{"", "000012.log", "MANIFEST-000005", strings.Repeat("x", slotBytes-29)} {
		want := note{turn: 7, name: name, length: 1 << 40, sum: 0xfedcba98}
		got, ok := decodeNote(want.encode())
		if !ok || got != want {
			t.Errorf("%+v comes back as %+v, %v", want, got, ok)
		}
		for i := range slotBytes * 8 {
			b := want.encode()
			b[i/8] ^= 1 << (i % 8)
			if _, ok := decodeNote(b); ok {
				t.Fatalf("bit %d of the note of %q may change", i, name)
			}
		}
	}
}

// FuzzNote never panics, and takes nothing but what encode makes.
func FuzzNote(f *testing.F) {
	f.Add(note{turn: 1, name: "MANIFEST-000001", length: 10, sum: 3}.encode())
	f.Add(make([]byte, slotBytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, ok := decodeNote(b)
		if ok && n.name == strings.TrimRight(n.name, "\x00") {
			if again, ok := decodeNote(n.encode()); !ok || again != n {
				t.Errorf("%+v comes back as %+v", n, again)
			}
		}
	})
}

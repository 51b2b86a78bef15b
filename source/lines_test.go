package source

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// scripted gives its text in pieces, with an end of file that is not the last
// now and then, as a growing file does.
type scripted struct {
	text   string
	pieces []int
}

func (r *scripted) Read(p []byte) (int, error) {
	if len(r.pieces) == 0 {
		n := copy(p, r.text)
		r.text = r.text[n:]
		if r.text == "" {
			return n, io.EOF
		}
		return n, nil
	}
	n := copy(p, r.text[:min(r.pieces[0], len(r.text))])
	r.pieces = r.pieces[1:]
	r.text = r.text[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// However the bytes come, and whenever reading is interrupted, every record
// is handed over once at its place, a large one by its beginning.
func TestLineReaderProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 100
		line := rapid.Map(rapid.IntRange(0, 600), func(n int) string { return strings.Repeat("abcdefgh", 80)[:n] })
		want := rapid.SliceOf(line).Draw(t, "lines")
		text := strings.Join(want, "\n")
		if rapid.Bool().Draw(t, "ends") && text != "" {
			text += "\n"
		}
		want = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if text == "" {
			want = nil
		}
		l := newLineReader(limit, rapid.Bool().Draw(t, "fill"))
		l.block = rapid.IntRange(1, 64).Draw(t, "block")
		r := &scripted{text, rapid.SliceOf(rapid.IntRange(0, 50)).Draw(t, "pieces")}
		done, cancel := context.WithCancel(context.Background())
		cancel()

		got, at := 0, int64(0)
		take := func(c *Chunk) {
			if c.Offset != at {
				t.Fatalf("chunk is at %d, want %d", c.Offset, at)
			}
			for len(c.Data) > 0 {
				record, rest, _ := strings.Cut(string(c.Data), "\n")
				if record != want[got] && (len(record) <= limit || len(record) > limit+l.block+oversizeBytes || !strings.HasPrefix(want[got], record) || rest != "") {
					t.Fatalf("record %d is %q, want %q", got, record, want[got])
				}
				at += int64(len(want[got])) + 1
				got++
				c.Data = []byte(rest)
			}
			if c.Next != min(at, int64(len(text))) {
				t.Fatalf("next position is %d, want %d of %d", c.Next, at, len(text))
			}
			at = c.Next
		}
		c := new(Chunk)
		for ends := 0; ends < 2; { // two ends in a row are the last one
			ctx := context.Background()
			if rapid.Bool().Draw(t, "cancelled") {
				ctx = done
			}
			c.Reset()
			err := l.next(ctx, r, c)
			switch {
			case err == nil:
				take(c)
				ends = 0
			case errors.Is(err, io.EOF):
				if r.text == "" {
					ends++
				}
			case !errors.Is(err, context.Canceled):
				t.Fatal(err)
			}
			if err != nil && len(c.Data) > 0 {
				t.Fatalf("%d bytes with %v", len(c.Data), err)
			}
		}
		if l.flush(c) {
			take(c)
		}
		if got != len(want) {
			t.Fatalf("%d records, want %d", got, len(want))
		}
	})
}

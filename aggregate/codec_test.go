package aggregate

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/quick"

	"github.com/llm-optimizer/processor/event"
)

// encodings is states of slots with much, little and nothing in them.
func encodings(t testing.TB) (*Composite, [][]byte) {
	c := everything(t)
	_, cols, rows := traffic(1)
	var out [][]byte
	for _, n := range []int{0, 1, 5, rawMax + 1, benchRows} {
		slot := c.Alloc()
		c.Update(into(rows.Batch, slot, 0, n), cols)
		out = append(out, c.AppendState(nil, slot))
	}
	return c, out
}

func TestLoadReplaces(t *testing.T) {
	c, encs := encodings(t)
	slot := c.Alloc()
	for range 2 {
		for i, enc := range encs {
			if err := c.LoadState(slot, enc); err != nil {
				t.Fatal(err)
			}
			if got := c.AppendState(nil, slot); string(got) != string(enc) {
				t.Errorf("state %d changed on the way", i)
			}
		}
	}
}

// TestLoadRefusesTruncated: every prefix is an error that leaves the slot
// empty.
func TestLoadRefusesTruncated(t *testing.T) {
	c, encs := encodings(t)
	slot := c.Alloc()
	empty := fmt.Sprint(c.Values(nil, slot, Window{}))
	for _, enc := range encs {
		for n := range enc {
			if n > 300 && n%17 != 0 {
				continue
			}
			if err := c.LoadState(slot, enc[:n]); err == nil {
				t.Fatalf("%d bytes of %d were loaded", n, len(enc))
			}
			if got := fmt.Sprint(c.Values(nil, slot, Window{})); got != empty || c.Events(slot) != 0 {
				t.Fatal("the slot is not empty after an error")
			}
		}
	}
}

func TestLoadErrors(t *testing.T) {
	num := func(f float64) []byte { return appendFloat(nil, f) }
	inf := num(math.Inf(1))
	cat := func(parts ...any) (out []byte) {
		for _, p := range parts {
			switch p := p.(type) {
			case int:
				out = append(out, byte(p))
			case []byte:
				out = append(out, p...)
			case string:
				out = append(out, p...)
			}
		}
		return out
	}
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}
	tests := []struct {
		spec Spec
		enc  []byte
		want string
	}{
		{Sum("x"), cat(2, 0, 0), "format version 2; this program reads version 1"},
		{Sum("x"), nil, "cut short"},
		{Sum("x"), cat(1, huge, 0), "too large"},
		{Sum("x"), cat(1, 0, 0, 0), "1 bytes too many"},
		{Sum("x"), cat(1, 0, 1, num(1)), "sums(x): sum: cut short"},
		{StdDev("x"), cat(1, 0, 1, num(1), num(0), inf), "moments(x): stddev: +Inf"},
		{Percentile("x", 5), cat(1, 0, 1, inf), "+Inf"},
		{Percentile("x", 5), cat(1, 0, 25, num(2), num(1), 25, 0, 0), "min 2 is above max 1"},
		{Percentile("x", 5), cat(1, 0, 25, num(1), num(2), 26, 0, 0), "more values in buckets"},
		{Percentile("x", 5), cat(1, 0, 25, num(1), num(2), 24, 0, 0), "1 values of 25 are in no bucket"},
		{Percentile("x", 5), cat(1, 0, 25, num(1), num(2), 0, 1, 0, 25, 0), "out of order"},
		{Percentile("x", 5), cat(1, 0, 25, num(1), num(2), 0, 1, huge, 25, 0), "impossible"},
		{Percentile("x", 5), cat(1, 0, 25, num(1), num(2), 0, 1, 5, 0, 0), "empty"},
		{Distinct("x"), cat(1, 0, huge), "more than are ever kept"},
		{Distinct("x"), cat(1, 0, 2, num(2), num(1)), "out of order"},
		{Distinct("x"), cat(1, 0, 0xe9, 7, strings.Repeat("\x34", hllSize)), "above 51"},
		{Last("x"), cat(1, 0, 6), "no scalar"},
		{Last("x"), cat(1, 0, 3, 0, 0, inf), "+Inf"},
		{Last("x"), cat(1, 0, 5, 0, 0, 9, "short"), "cut short"},
		{TopK("x", 1), cat(1, 0, 0, 2, 1, 0, 1, 0, 2, "tt"), "stands there twice"},
		{TopK("x", 1), cat(1, 0, 0, 1, 1, 0, 1, "n"), "a value that no event has"},
		{TopK("x", 1), cat(1, 0, 0, 1, 1, 0, 1, "x"), "unknown tag"},
		{TopK("x", 1), cat(1, 0, 0, 0xe9, 7, strings.Repeat("\x01", 4000)), "more than the 1000"},
		{TopK("x", 1), cat(1, 0, 0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x1f, 1, "t"), "uncertain by"},
	}
	for _, test := range tests {
		c := composite(t, []Spec{test.spec}, on(test.spec))
		err := c.LoadState(c.Alloc(), test.enc)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %x: error %v, want one that says %q", test.spec, test.enc[:min(len(test.enc), 40)], err, test.want)
		}
	}
}

// TestLoadSurvivesFlips changes a byte anywhere: there is an error, or a state
// that works.
func TestLoadSurvivesFlips(t *testing.T) {
	c, encs := encodings(t)
	flip := func(which, at uint, to byte) bool {
		enc := append([]byte(nil), encs[which%uint(len(encs))]...)
		enc[at%uint(len(enc))] = to
		exercise(c, enc)
		return true
	}
	if err := quick.Check(flip, &quick.Config{MaxCount: 3000}); err != nil {
		t.Error(err)
	}
}

// exercise loads an encoding and, if that works, does all there is to do.
func exercise(c *Composite, enc []byte) error {
	slot, other := c.Alloc(), c.Alloc()
	defer c.Free(slot)
	defer c.Free(other)
	if err := c.LoadState(slot, enc); err != nil {
		return err
	}
	_, cols, rows := fuzzRows()
	c.Update(into(rows.Batch, slot, 0, 30), cols)
	c.Merge([]uint32{other}, c, []uint32{slot})
	c.Merge([]uint32{slot}, c, []uint32{other})
	c.Values(nil, slot, Window{Seconds: 1})
	c.Sketch(nil, 11, slot)
	again := c.AppendState(nil, slot)
	return c.LoadState(other, again)
}

var fuzzRows = func() func() (*event.Batch, []*event.Column, Rows) {
	b, cols, rows := traffic(1)
	return func() (*event.Batch, []*event.Column, Rows) { return b, cols, rows }
}()

func FuzzLoadState(f *testing.F) {
	c, encs := encodings(f)
	for _, enc := range encs {
		f.Add(enc)
	}
	f.Fuzz(func(t *testing.T, enc []byte) {
		if c.Bytes() > 1<<28 {
			c = everything(t)
		}
		slot := c.Alloc()
		if c.LoadState(slot, enc) == nil {
			before := c.AppendState(nil, slot)
			if err := c.LoadState(slot, before); err != nil {
				t.Errorf("what was loaded cannot be loaded again: %v", err)
			}
		}
		c.Free(slot)
		_ = exercise(c, enc)
	})
}

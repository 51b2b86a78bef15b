package epoch

import (
	"bytes"
	"cmp"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

var drawTime = rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, math.MaxInt64}))

func drawWindowKey(t *rapid.T) WindowKey {
	return WindowKey{
		Hash: rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxUint64})).Draw(t, "hash"),
		Kind: rapid.SampledFrom([]Kind{KindWindow, KindPane, KindOwn, KindSession}).Draw(t, "kind"),
		Time: drawTime.Draw(t, "time"),
		Key:  rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "key"),
	}
}

func (w WindowKey) bytes() []byte { return AppendWindowKey(nil, w.Hash, w.Kind, w.Time, w.Key) }

func (w WindowKey) compare(o WindowKey) int {
	return cmp.Or(cmp.Compare(w.Hash, o.Hash), cmp.Compare(w.Kind, o.Kind), cmp.Compare(w.Time, o.Time), bytes.Compare(w.Key, o.Key))
}

// TestWindowKeysKeepTheOrder compares keys as bytes and as what they stand for,
// and each with the ranges of the other.
func TestWindowKeysKeepTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := drawWindowKey(t), drawWindowKey(t)
		if rapid.Bool().Draw(t, "near") {
			y.Hash, y.Kind = x.Hash, x.Kind
		}
		if got, want := bytes.Compare(x.bytes(), y.bytes()), x.compare(y); got != want {
			t.Fatalf("%+v and %+v compare as %d, want %d", x, y, got, want)
		}
		back, ok := ParseWindowKey(x.bytes())
		if !ok || back.compare(x) != 0 {
			t.Fatalf("%+v reads back as %+v, %v", x, back, ok)
		}
		from, to := WindowRange(x.Hash, x.Kind, x.Time)
		same := x.Hash == y.Hash && x.Kind == y.Kind && x.Time == y.Time
		if got := within(y.bytes(), from, to); got != same {
			t.Fatalf("%+v is in the range of the window of %+v: %v", y, x, got)
		}
		from, to = queryRange(x.Hash)
		if got := within(y.bytes(), from, to); got != (x.Hash == y.Hash) {
			t.Fatalf("%+v is in the range of the query of %+v: %v", y, x, got)
		}
	})
}

func within(key, from, to []byte) bool {
	return bytes.Compare(key, from) >= 0 && (to == nil || bytes.Compare(key, to) < 0)
}

func TestOutboxKeysKeepTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64Range(0, 600)
		e1, e2, from, to := number.Draw(t, "e1"), number.Draw(t, "e2"), number.Draw(t, "from"), number.Draw(t, "to")
		s1, s2 := rapid.Uint32().Draw(t, "s1"), rapid.Uint32().Draw(t, "s2")
		x, y := appendOutboxKey(nil, e1, s1), appendOutboxKey(nil, e2, s2)
		if got, want := bytes.Compare(x, y), cmp.Or(cmp.Compare(e1, e2), cmp.Compare(s1, s2)); got != want {
			t.Fatalf("blocks %d of %d and %d of %d compare as %d", s1, e1, s2, e2, got)
		}
		if e, s, ok := ParseOutboxKey(x); !ok || e != e1 || s != s1 {
			t.Fatalf("block %d of epoch %d reads back as %d of %d, %v", s1, e1, s, e, ok)
		}
		low, high := OutboxRange(from, to)
		if got := within(x, low, high); got != (e1 >= from && e1 < to) {
			t.Fatalf("epoch %d is in the range of %d to %d: %v", e1, from, to, got)
		}
	})
}

func TestNext(t *testing.T) {
	for _, c := range []struct{ prefix, want string }{
		{"a", "b"}, {"a\xff", "b"}, {"a\xff\x01\xff\xff", "a\xff\x02"}, {"", ""}, {"\xff\xff", ""},
	} {
		if got := next([]byte(c.prefix)); string(got) != c.want {
			t.Errorf("after %q comes %q, want %q", c.prefix, got, c.want)
		}
	}
}

func TestDescribeKey(t *testing.T) {
	group := event.AppendKeyValue(event.AppendKeyValue(nil, event.Text("x\"y")), event.Float(1.5))
	for _, c := range []struct {
		key  []byte
		want string
	}{
		{headerKey, "the header"},
		{recordKey, "the record of the last epoch"},
		{partitionKey(7), "partition 7"},
		{placeKey("file"), `the place of sink "file"`},
		{appendOutboxKey(nil, 12, 3), "block 3 of the rows of epoch 12"},
		{AppendWindowKey(nil, 0x1f2e, KindWindow, 1767225600e9, group), `window of query 0000000000001f2e starting 2026-01-01T00:00:00Z, key ["x\"y",1.5]`},
		{AppendWindowKey(nil, 1, KindPane, -5e8, nil), `pane of query 0000000000000001 starting 1969-12-31T23:59:59.5Z, key []`},
		{AppendWindowKey(nil, 1, KindOwn, 0, []byte("n")), `sliding window of query 0000000000000001 starting 1970-01-01T00:00:00Z, key [null]`},
		{AppendWindowKey(nil, 1, KindSession, 42, []byte("t")), `session 42 of query 0000000000000001, key [true]`},
		{AppendWindowKey(nil, 1, KindWindow, event.MinTime, []byte("f")), `global window of query 0000000000000001, key [false]`},
		{AppendWindowKey(nil, 1, KindSession, 0, []byte("s\x05abc")), `session 0 of query 0000000000000001, key 7305616263`},
		{AppendWindowKey(nil, 1, KindSession, 0, []byte("i\x02\n\x00")), `session 0 of query 0000000000000001, key 69020a00`},
		{AppendWindowKey(nil, 1, 'x', 0, nil), "unknown key 7700000000000000017880" + strings.Repeat("0", 14)},
		{[]byte("o1234"), "unknown key 6f31323334"},
		{nil, "unknown key "},
	} {
		if got := DescribeKey(c.key); got != c.want {
			t.Errorf("%x is described as\n%s, want\n%s", c.key, got, c.want)
		}
	}
	long := event.AppendKeyValue(nil, event.Text(strings.Repeat("z", 5000)))
	if got := DescribeKey(AppendWindowKey(nil, 1, KindWindow, 0, long)); len(got) > 400 || !strings.HasSuffix(got, "… (5004 bytes)") {
		t.Errorf("a long key is described as %s", got)
	}
}

func FuzzDescribeKey(f *testing.F) {
	for _, key := range []string{"a", "w", "o", "s", "p", "w12345678w12345678s\x03abc", "w12345678s12345678d1234567"} {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		if text := DescribeKey(key); text == "" || len(text) > 1000 {
			t.Errorf("%x is described as %q", key, text)
		}
	})
}

package event

import (
	"testing"

	"pgregory.net/rapid"
)

// It reads what KeyFields reads, and refuses what that refuses.
func TestNextKeyField(t *testing.T) {
	kinds := rapid.SampledFrom([]func(*rapid.T) Value{
		func(*rapid.T) Value { return Value{} },
		func(t *rapid.T) Value { return Bool(rapid.Bool().Draw(t, "bool")) },
		func(t *rapid.T) Value { return Float(rapid.Float64().Draw(t, "number")) },
		func(*rapid.T) Value { return Value{Kind: Integer, Str: "9007199254740993"} },
		func(t *rapid.T) Value { return Text(rapid.StringN(0, 200, 400).Draw(t, "text")) },
	})
	rapid.Check(t, func(t *rapid.T) {
		var key []byte
		n := rapid.IntRange(0, 4).Draw(t, "fields")
		for range n {
			key = AppendKeyValue(key, kinds.Draw(t, "kind")(t))
		}
		if rapid.Bool().Draw(t, "damage") {
			key = append(key[:rapid.IntRange(0, len(key)).Draw(t, "cut")], rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "more")...)
		}
		want, err := KeyFields(nil, key, n)
		got, rest := make([]Value, 0, n), string(key)
		for range n {
			v, after, ok := NextKeyField(rest)
			if !ok {
				break
			}
			got, rest = append(got, v), after
		}
		if (err == nil) != (len(got) == n && rest == "") {
			t.Fatalf("key %q: fields %+v and %q left, but KeyFields says %v", key, got, rest, err)
		}
		for i, v := range got {
			if i < len(want) && v != want[i] && v.Num == v.Num { // NaN is unlike itself
				t.Fatalf("field %d of key %q is %+v, want %+v", i, key, v, want[i])
			}
		}
	})
}

package statetest

import (
	"errors"
	"fmt"

	"github.com/llm-optimizer/processor/state"
)

func checkGet(r *room) {
	b := r.open()
	b.apply(set("a", "1"), set("empty", ""))
	_, err := b.Get(r.Context(), []byte("b"))
	r.is("Get of a key that is not there", err, state.ErrNotFound)
	if got, err := b.Get(r.Context(), []byte("empty")); err != nil || len(got) != 0 {
		r.Errorf("an empty value comes back as %q, %v", got, err)
	}
	got, err := b.Get(r.Context(), []byte("a"))
	if err != nil || string(got) != "1" {
		r.Fatalf("Get says %q, %v", got, err)
	}
	got[0] = 'x'
	b.holds("a=1", "empty=")
	kept, err := b.Get(r.Context(), []byte("a"))
	if err != nil {
		r.Fatal(err)
	}
	b.apply(set("a", "2"))
	b.apply(remove("a"))
	if string(kept) != "1" {
		r.Errorf("a value that Get returned has become %q", kept)
	}
	_, err = b.Get(r.Context(), []byte("a"))
	r.is("Get of a key that is deleted", err, state.ErrNotFound)
}

func checkBinaryKeys(r *room) {
	b := r.open()
	keys := []string{"\x00", "\x00\x00", "\x00\xff", "\x01", "a", "a\x00", "a\x00\x00", "a\x01", "b", "\x7f", "\x80", "\xc3\xa4", "\xff", "\xff\x00", "\xff\xff", "\xff\xff\xff"}
	var want []string
	for i := range keys {
		// The order of arrival is not that of the bytes.
		key := keys[(i*7)%len(keys)]
		b.apply(set(key, "\x00"+key+"\xff"))
	}
	for _, key := range keys {
		want = append(want, key+"=\x00"+key+"\xff")
	}
	b.holds(want...)
	b.rangeHolds([]byte("\xff"), nil, want[12:]...)
	b.rangeHolds(nil, []byte("\x01"), want[:3]...)
	b.close()
	r.open().holds(want...)
}

func checkBounds(r *room) {
	b := r.open()
	b.holds()
	b.apply(set("a", "1"), set("b", "2"), set("bb", "3"), set("c", "4"))
	for _, c := range []struct {
		from, to string
		want     []string
	}{
		{"a", "c", []string{"a=1", "b=2", "bb=3"}},
		{"b", "bb", []string{"b=2"}},
		{"b\x00", "bb\x00", []string{"bb=3"}},
		{"aa", "b", nil},
		{"b", "b", nil},
		{"c", "a", nil},
		{"c\x00", "z", nil},
		{"", "a", nil},
		{"", "a\x00", []string{"a=1"}},
	} {
		b.rangeHolds([]byte(c.from), []byte(c.to), c.want...)
	}
	b.rangeHolds([]byte("bb"), nil, "bb=3", "c=4")
	b.rangeHolds([]byte("d"), nil)
	b.rangeHolds(nil, []byte("b"), "a=1")
	b.rangeHolds([]byte("a"), []byte{})
}

func checkScanError(r *room) {
	b := r.open()
	b.apply(set("a", "1"), set("b", "2"), set("c", "3"))
	enough := errors.New("enough")
	var seen []string
	err := b.Scan(r.Context(), nil, nil, func(key, _ []byte) error {
		if seen = append(seen, string(key)); len(seen) == 2 {
			return enough
		}
		return nil
	})
	if err != enough { //nolint:errorlint // the very error has to come back
		r.Errorf("Scan returns %v, want the error of the function", err)
	}
	if fmt.Sprint(seen) != "[a b]" {
		r.Errorf("keys %v were seen before and after the error", seen)
	}
	b.holds("a=1", "b=2", "c=3")
}

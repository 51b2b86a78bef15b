package aggregate

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

// product multiplies; it cannot encode a product of 13.
type product struct{}

func (product) New() Accumulator { return &productAcc{p: 1} }

type productAcc struct{ p float64 }

func (a *productAcc) Add(v event.Value) {
	if v.Kind == event.Null {
		a.p *= 2
		return
	}
	a.p *= v.Num
}

func (a *productAcc) Merge(other Accumulator) { a.p *= other.(*productAcc).p }
func (a *productAcc) Value() event.Value      { return event.Float(a.p) }

func (a *productAcc) MarshalBinary() ([]byte, error) {
	if a.p == 13 {
		return nil, errors.New("unlucky")
	}
	return binary.BigEndian.AppendUint64(nil, math.Float64bits(a.p)), nil
}

func (a *productAcc) UnmarshalBinary(data []byte) error {
	if len(data) != 8 {
		return errors.New("not 8 bytes")
	}
	a.p = math.Float64frombits(binary.BigEndian.Uint64(data))
	return nil
}

func customSpec(arg string) Spec {
	return Spec{Name: "product", Func: "custom", Arg: arg, Custom: product{}}
}

func TestCustom(t *testing.T) {
	specs := []Spec{customSpec("x"), customSpec(""), customSpec("x").If("ok")}
	c := composite(t, specs, on(specs...))
	ok := []event.Value{event.Bool(true), event.Bool(false), {}, event.Bool(true)}
	in := append(numbers(2, 3, 5), event.Value{})
	b, cols := table(in, ok)
	a, other, empty := c.Alloc(), c.Alloc(), c.Alloc()
	c.Update(into(b, a, 0, 4), cols)
	c.Update(into(b, other, 0, 2), cols)
	c.Merge([]uint32{a, a}, c, []uint32{other, empty})
	check := func(slot uint32, want ...float64) {
		t.Helper()
		for i, got := range c.Values(nil, slot, Window{}) {
			if got.Num != want[i] {
				t.Errorf("aggregate %d = %v, want %v", i, got.Num, want[i])
			}
		}
	}
	check(a, 30*6, 16*4, 2*2)
	check(other, 6, 4, 2)
	check(empty, 1, 1, 1)
	loaded := c.Clone()
	slot := loaded.Alloc()
	if err := loaded.LoadState(slot, c.AppendState(nil, a)); err != nil {
		t.Fatal(err)
	}
	c = loaded
	check(slot, 30*6, 16*4, 2*2)
	c.Clear()
	check(c.Alloc(), 1, 1, 1)
	if c.Err() != nil {
		t.Error(c.Err())
	}
}

func TestCustomThatCannotBeEncoded(t *testing.T) {
	c := composite(t, []Spec{Count(), customSpec("x")}, on(Count(), customSpec("x")))
	b, cols := table(numbers(13))
	slot := c.Alloc()
	c.Update(into(b, slot, 0, 1), cols)
	enc := c.AppendState(nil, slot)
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "unlucky") {
		t.Errorf("error %v", err)
	}
	if err := c.LoadState(slot, enc); err == nil || !strings.Contains(err.Error(), "unlucky") {
		t.Errorf("loading gives %v", err)
	}
}

func TestCustomThatCannotBeDecoded(t *testing.T) {
	c := composite(t, []Spec{customSpec("x")}, on(customSpec("x")))
	slot := c.Alloc()
	for _, enc := range [][]byte{{1, 0, 1, 2, 8, 8}, {1, 0, 3, 0}, {1, 0, 1, 9}, {1, 0}} {
		if err := c.LoadState(slot, enc); err == nil {
			t.Errorf("%x was loaded", enc)
		}
	}
}

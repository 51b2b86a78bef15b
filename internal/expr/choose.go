package expr

import (
	"github.com/llm-optimizer/processor/event"
)

// constant is a literal.
type constant struct{ value event.Value }

func (c *constant) compute(b *event.Batch, rows []int32, out *event.Column) {
	for _, r := range rows {
		out.Kind[r] = c.value.Kind
	}
	if len(out.Num) > 0 {
		for _, r := range rows {
			out.Num[r] = c.value.Num
		}
	}
	if len(out.Str) == 0 {
		return
	}
	var ref event.Ref
	if text := c.value.Str; text != "" && hasRoom(b, len(text)) {
		from := len(b.Extra)
		b.Extra = append(b.Extra, text...)
		ref = b.ExtraFrom(from)
	}
	for _, r := range rows {
		out.Str[r] = ref
		if int(ref.Len) != len(c.value.Str) {
			out.Kind[r] = event.Invalid
		}
	}
}

// coalesce is the first value that is not null. Only rows that are null so far
// are computed further.
type coalesce struct {
	args []operand
	rest []int32
}

func (c *coalesce) compute(b *event.Batch, rows []int32, out *event.Column) {
	c.rest = append(c.rest[:0], rows...)
	rest := c.rest
	for i := range c.args {
		if len(rest) == 0 {
			return
		}
		x := c.args[i].load(b, rest)
		copyRows(out, x, rest)
		k := 0
		for _, r := range rest {
			rest[k] = r
			k += bit(x.Kind[r] == event.Null)
		}
		rest = rest[:k]
	}
}

// choice is cond ? yes : no. Each branch is computed for its rows alone.
type choice struct {
	cond    filter
	yes, no operand
	kept    []int32
	rest    []int32
}

func (c *choice) compute(b *event.Batch, rows []int32, out *event.Column) {
	c.kept = c.cond.keep(b, rows, c.kept[:0])
	c.rest = subtract(rows, c.kept, c.rest[:0])
	copyRows(out, c.yes.load(b, c.kept), c.kept)
	copyRows(out, c.no.load(b, c.rest), c.rest)
}

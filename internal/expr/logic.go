package expr

import (
	"slices"

	"github.com/llm-optimizer/processor/event"
)

// all is &&: each filter sees the rows that those before it kept.
type all struct{ filters []filter }

func (f *all) keep(b *event.Batch, rows, dst []int32) []int32 {
	n := len(dst)
	dst = f.filters[0].keep(b, rows, dst)
	for _, next := range f.filters[1:] {
		if len(dst) == n {
			break
		}
		kept := next.keep(b, dst[n:], dst[n:n])
		dst = dst[:n+len(kept)]
	}
	return dst
}

// either is ||: each filter sees the rows that those before it did not keep.
type either struct {
	filters    []filter
	rest, kept []int32
}

func (f *either) keep(b *event.Batch, rows, dst []int32) []int32 {
	rest := rows
	for _, next := range f.filters {
		f.kept = next.keep(b, rest, f.kept[:0])
		f.rest = subtract(rest, f.kept, f.rest[:0])
		if rest = f.rest; len(rest) == 0 {
			break
		}
	}
	return subtract(rows, rest, dst)
}

// not is !.
type not struct {
	filter
	kept []int32
}

func (f *not) keep(b *event.Batch, rows, dst []int32) []int32 {
	f.kept = f.filter.keep(b, rows, f.kept[:0])
	return subtract(rows, f.kept, dst)
}

// subtract appends the rows that are not among some, which are a part of them
// in the same order.
func subtract(rows, some, dst []int32) []int32 {
	dst, k := room(dst, rows)
	i := 0
	for _, r := range rows {
		same := 0
		if i < len(some) {
			same = bit(some[i] == r)
		}
		dst[k] = r
		i += same
		k += 1 - same
	}
	return dst[:k]
}

// nullness is x == null, or x != null.
type nullness struct {
	x    operand
	null bool
}

func (f *nullness) keep(b *event.Batch, rows, dst []int32) []int32 {
	kind := f.x.load(b, rows).Kind
	dst, k := room(dst, rows)
	for _, r := range rows {
		dst[k] = r
		k += bit((kind[r] == event.Null) == f.null)
	}
	return dst[:k]
}

// isKind keeps the rows of one kind: what is true, and == with a bool.
type isKind struct {
	x    operand
	kind event.Kind
}

func (f *isKind) keep(b *event.Batch, rows, dst []int32) []int32 {
	kind := f.x.load(b, rows).Kind
	dst, k := room(dst, rows)
	for _, r := range rows {
		dst[k] = r
		k += bit(kind[r] == f.kind)
	}
	return dst[:k]
}

// never is a comparison that is false for all values, such as x < true.
type never struct{}

func (never) keep(_ *event.Batch, _, dst []int32) []int32 { return dst }

// truth is a condition as a value, True or False.
type truth struct {
	filter
	kept []int32
}

func (t *truth) compute(b *event.Batch, rows []int32, out *event.Column) {
	t.kept = t.keep(b, rows, t.kept[:0])
	for _, r := range rows {
		out.Kind[r] = event.False
	}
	for _, r := range t.kept {
		out.Kind[r] = event.True
	}
}

// room makes dst long enough to write every row behind its end, which is the
// second result: loops then need no branch, they write each row and step on
// for those to keep.
func room(dst, rows []int32) ([]int32, int) {
	k := len(dst)
	return slices.Grow(dst, len(rows))[:k+len(rows)], k
}

// bit is 1 for true; it compiles to no branch.
func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

package expr

import (
	"slices"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

// fields are the columns of test batches, rows of which are tuples of values.
var fields = [][]string{{"a"}, {"b"}, {"c"}, {"m", "x"}}

// newBatch fills columns with what uses says and nothing more, so that reading
// what was not asked for panics. uses and columns go by the fields.
func newBatch(rows [][]event.Value, uses []Use) *event.Batch {
	b := &event.Batch{N: len(rows), Columns: make([]event.Column, len(fields))}
	for i := range fields {
		c := &b.Columns[i]
		for j, row := range rows {
			c.Kind = append(c.Kind, row[i].Kind)
			if uses[i].Numeric {
				c.Num = append(c.Num, row[i].Num)
			}
			if uses[i].Text {
				c.Str = append(c.Str, addText(b, row[i].Str, j%8 == 7))
			}
		}
	}
	return b
}

func addText(b *event.Batch, s string, extra bool) event.Ref {
	if extra {
		return b.AddExtra([]byte(s))
	}
	ref := event.Ref{Off: uint32(len(b.Data)), Len: uint32(len(s))}
	b.Data = append(b.Data, s...)
	return ref
}

func fieldIndex(path []string) (int, bool) {
	i := slices.IndexFunc(fields, func(p []string) bool { return slices.Equal(p, path) })
	return i, i >= 0
}

// usesByField is e.Uses in the order of fields.
func usesByField(e *Expr, want Use) []Use {
	uses := make([]Use, len(fields))
	for i, u := range e.Uses(want) {
		column, _ := fieldIndex(e.Fields()[i])
		uses[column] = u
	}
	return uses
}

func mustParse(t testing.TB, src string) *Expr {
	t.Helper()
	e, err := Parse(src)
	if err != nil {
		t.Fatalf("parse %s: %v", src, err)
	}
	return e
}

func mustCompile(t testing.TB, e *Expr, want Use) *Program {
	t.Helper()
	p, err := Compile(e, fieldIndex, want)
	if err != nil {
		t.Fatalf("compile %s: %v", e, err)
	}
	return p
}

// evalRows computes an expression for all rows, as values.
func evalRows(t testing.TB, e *Expr, rows [][]event.Value, want Use) []event.Value {
	t.Helper()
	b := newBatch(rows, usesByField(e, want))
	var out event.Column
	mustCompile(t, e, want).Eval(b, &out)
	values := make([]event.Value, len(rows))
	for i := range rows {
		values[i] = b.Value(&out, i)
	}
	return values
}

// filterRows is which of the rows an expression keeps.
func filterRows(t testing.TB, e *Expr, rows [][]event.Value) []int32 {
	t.Helper()
	b := newBatch(rows, usesByField(e, Use{}))
	sel := AllRows(len(rows), nil)
	return mustCompile(t, e, Use{}).Filter(b, sel, sel[:0])
}

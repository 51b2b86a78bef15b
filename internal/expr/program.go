package expr

import (
	"fmt"
	"slices"

	"github.com/llm-optimizer/processor/event"
)

// Binding gives the column of a path in event.Batch.Columns.
type Binding func(path []string) (column int, ok bool)

// Program is an expression compiled for a schema. It owns scratch memory: one
// goroutine uses it at a time, others take a Clone.
type Program struct {
	expr    *Expr
	columns []int // of expr.fields, in order
	want    Use
	filter  filter
	value   operand
	rows    []int32 // 0, 1, 2, …
}

// Compile makes a program that reads the columns bind names, which must hold
// what e.Uses(want) says. An error means that a field was not planned.
func Compile(e *Expr, bind Binding, want Use) (*Program, error) {
	columns := make([]int, len(e.fields))
	for i, path := range e.fields {
		column, ok := bind(path)
		if !ok {
			return nil, fmt.Errorf("compile %s: field %s has no column: add it to the schema", e, FormatPath(path))
		}
		columns[i] = column
	}
	return newProgram(e, columns, want), nil
}

func newProgram(e *Expr, columns []int, want Use) *Program {
	c := compiler{expr: e, columns: columns}
	return &Program{expr: e, columns: columns, want: want, filter: c.filter(e.root), value: c.operand(e.root, want)}
}

// Clone returns an equal program with scratch of its own.
func (p *Program) Clone() *Program { return newProgram(p.expr, p.columns, p.want) }

// String is the expression.
func (p *Program) String() string { return p.expr.text }

// Eval computes all rows of the batch: it fills out.Kind, and Num and Str as
// wanted at Compile, which are zero where a computed row's kind has no use for
// them. Text goes to b.Extra; without room for it (event.MaxBatchBytes) the
// value is Invalid. out must not be a column that the expression reads.
func (p *Program) Eval(b *event.Batch, out *event.Column) {
	p.rows = AllRows(b.N, p.rows)
	extra := len(b.Extra)
	resize(out, b.N, p.want.Or(p.value.fills))
	clear(out.Num)
	clear(out.Str)
	if p.value.computer != nil {
		p.value.compute(b, p.rows, out)
	} else {
		copyRows(out, p.value.load(b, p.rows), p.rows)
	}
	if !p.want.Text {
		b.Extra = b.Extra[:extra]
	}
}

// Filter appends those rows of sel for which the expression is true to dst,
// in their order. dst may be sel[:0]. It uses b.Extra as scratch and leaves it
// as it was.
func (p *Program) Filter(b *event.Batch, sel, dst []int32) []int32 {
	extra := len(b.Extra)
	dst = p.filter.keep(b, sel, dst)
	b.Extra = b.Extra[:extra]
	return dst
}

// AllRows returns the rows 0 to n-1 in the memory of buf, which must be nil or
// of an earlier call.
func AllRows(n int, buf []int32) []int32 {
	for len(buf) < n {
		buf = append(buf, int32(len(buf)))
	}
	return buf[:n]
}

// A computer fills a column for some rows of a batch. The column has room for
// all rows, with Num and Str as the operand fills them; text columns that are
// not wanted have none.
type computer interface {
	compute(b *event.Batch, rows []int32, out *event.Column)
}

// A filter appends the rows for which it is true to dst, which may share its
// memory with rows as long as it does not get ahead of them.
type filter interface {
	keep(b *event.Batch, rows, dst []int32) []int32
}

// operand is a value that a node reads: a column of the batch, or one computed
// into scratch.
type operand struct {
	computer
	column int // where computer is nil
	// fills is what compute writes beside Kind, blank what the reader may look
	// at but no kind that comes out uses.
	fills, blank Use
	scratch      event.Column
}

// load returns the operand's column, good for the rows until the next load.
func (o *operand) load(b *event.Batch, rows []int32) *event.Column {
	if o.computer == nil {
		return &b.Columns[o.column]
	}
	resize(&o.scratch, b.N, o.fills.Or(o.blank))
	if o.blank.Numeric {
		clear(o.scratch.Num)
	}
	if o.blank.Text {
		clear(o.scratch.Str)
	}
	o.compute(b, rows, &o.scratch)
	return &o.scratch
}

// resize gives a column n rows and what u names. Their contents are undefined.
func resize(c *event.Column, n int, u Use) {
	c.Kind = slices.Grow(c.Kind[:0], n)[:n]
	c.Num, c.Str = c.Num[:0], c.Str[:0]
	if u.Numeric {
		c.Num = slices.Grow(c.Num, n)[:n]
	}
	if u.Text {
		c.Str = slices.Grow(c.Str, n)[:n]
	}
}

// copyRows copies rows of a column: what both columns have.
func copyRows(dst, src *event.Column, rows []int32) {
	for _, r := range rows {
		dst.Kind[r] = src.Kind[r]
	}
	if len(dst.Num) > 0 && len(src.Num) > 0 {
		for _, r := range rows {
			dst.Num[r] = src.Num[r]
		}
	}
	if len(dst.Str) > 0 && len(src.Str) > 0 {
		for _, r := range rows {
			dst.Str[r] = src.Str[r]
		}
	}
}

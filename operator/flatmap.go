package operator

import (
	"slices"

	"github.com/llm-optimizer/processor/event"
)

// FlatMap makes any number of rows of one event. Each call of emit adds a copy
// of in, with its fields, time and position, and returns it so that its fields
// can be set:
//
//	operator.FlatMap([]string{"tools", "tool"}, func(in operator.Row, emit func() operator.Row) {
//		for tool := range strings.SplitSeq(in.Text(0), ",") {
//			emit().SetText(1, tool)
//		}
//	})
//
// The rows come in the order of the calls, where the event was. From then on
// each counts as an event, in results and in the ledger. An event without a
// row still moves the watermark, and is counted as filtered.
func FlatMap(fields []string, expand func(in Row, emit func() Row)) Operator {
	return &flatMap{bound: bound{name: "flat map", fields: fields}, expand: expand}
}

type flatMap struct {
	bound
	expand func(Row, func() Row)

	row  int        // the row that is being expanded
	emit func() Row // copyRow, made a function once
}

func (o *flatMap) Bind(columns []int) error { return o.bindTo(columns, o.expand == nil) }

// Apply puts the new rows behind those of the batch, so that a row can be read
// while copies of it are made, and in the end drops the old ones.
func (o *flatMap) Apply(b *event.Batch) error {
	o.view.bind(b, o.columns)
	if o.emit == nil {
		o.emit = o.copyRow
	}
	makeMarks(b)
	for o.row = range b.N {
		before := len(b.Time)
		if !b.Drop[o.row] {
			o.expand(Row{&o.view, o.row}, o.emit)
		}
		if len(b.Time) == before {
			b.Drop[o.copyRow().at] = true
		}
	}
	removeFirst(b, b.N)
	return nil
}

func (o *flatMap) Clone() Operator { return &flatMap{bound: o.clone(), expand: o.expand} }

// copyRow appends a copy of the row at hand to the batch.
func (o *flatMap) copyRow() Row {
	b, row := o.view.batch, o.row
	b.Time = append(b.Time, b.Time[row])
	b.Raw = append(b.Raw, b.Raw[row])
	b.Offset = append(b.Offset, b.Offset[row])
	b.Drop = append(b.Drop, false)
	for i := range b.Schema.Fields {
		c := &b.Columns[i]
		c.Kind = append(c.Kind, c.Kind[row])
		if len(c.Num) > 0 {
			c.Num = append(c.Num, c.Num[row])
		}
		if len(c.Str) > 0 {
			c.Str = append(c.Str, c.Str[row])
		}
	}
	return Row{&o.view, len(b.Time) - 1}
}

// removeFirst removes the first n rows of a batch. Computed columns are still
// empty when operators run.
func removeFirst(b *event.Batch, n int) {
	b.Time = slices.Delete(b.Time, 0, n)
	b.Raw = slices.Delete(b.Raw, 0, n)
	b.Offset = slices.Delete(b.Offset, 0, n)
	b.Drop = slices.Delete(b.Drop, 0, n)
	for i := range b.Schema.Fields {
		c := &b.Columns[i]
		c.Kind = slices.Delete(c.Kind, 0, n)
		if len(c.Num) > 0 {
			c.Num = slices.Delete(c.Num, 0, n)
		}
		if len(c.Str) > 0 {
			c.Str = slices.Delete(c.Str, 0, n)
		}
	}
	b.N = len(b.Time)
}

package operator

import "github.com/llm-optimizer/processor/event"

// Filter keeps the events for which keep returns true. The others still move
// the watermark, and the ledger counts them as filtered. keep must not change
// its row.
func Filter(fields []string, keep func(Row) bool) Operator {
	return &filter{bound: bound{name: "filter", fields: fields}, keep: keep}
}

type filter struct {
	bound
	keep func(Row) bool
}

func (o *filter) Bind(columns []int) error { return o.bindTo(columns, o.keep == nil) }

func (o *filter) Apply(b *event.Batch) error {
	o.view.bind(b, o.columns)
	for row := range b.N {
		if !dropped(b, row) && !o.keep(Row{&o.view, row}) {
			drop(b, row)
		}
	}
	return nil
}

func (o *filter) Clone() Operator { return &filter{o.clone(), o.keep} }

package operator

import (
	"slices"

	"github.com/llm-optimizer/processor/event"
)

// Map calls change with every event that was not filtered out, to set some of
// the fields. A field need not be in the event: it is null then.
func Map(fields []string, change func(Row)) Operator {
	return &mapper{bound: bound{name: "map", fields: fields}, change: change}
}

// KeyBy sets the field name to what key computes from the others, so that
// queries can group by it. What key returns should be a scalar or null: an
// event with another key is dead for the queries that group by it.
func KeyBy(name string, fields []string, key func(Row) event.Value) Operator {
	o := &mapper{bound: bound{name: "key by", fields: append(slices.Clone(fields), name)}}
	if key != nil {
		target := len(fields)
		o.change = func(r Row) { r.Set(target, key(r)) }
	}
	return o
}

type mapper struct {
	bound
	change func(Row)
}

func (o *mapper) Bind(columns []int) error { return o.bindTo(columns, o.change == nil) }

func (o *mapper) Apply(b *event.Batch) error {
	o.view.bind(b, o.columns)
	for row := range b.N {
		if !dropped(b, row) {
			o.change(Row{&o.view, row})
		}
	}
	return nil
}

func (o *mapper) Clone() Operator { return &mapper{o.clone(), o.change} }

package operator

import (
	"fmt"
	"slices"

	"github.com/llm-optimizer/processor/event"
)

// bound is what all operators of this package have: their fields, and the
// columns that these are in.
type bound struct {
	name    string
	fields  []string
	columns []int
	view    view
}

// Needs are the fields.
func (o *bound) Needs() []string { return o.fields }

// bindTo notes the columns of the fields; missing says that the user's function
// is nil.
func (o *bound) bindTo(columns []int, missing bool) error {
	if missing {
		return fmt.Errorf("%s of fields %q has no function: give it one", o.name, o.fields)
	}
	if len(columns) != len(o.fields) {
		return fmt.Errorf("%s of fields %q is bound to %d columns: give it one for each field", o.name, o.fields, len(columns))
	}
	if i := slices.IndexFunc(columns, func(c int) bool { return c < 0 }); i >= 0 {
		return fmt.Errorf("%s cannot reach the field %s, which is not decoded: computed fields come after operators", o.name, o.fields[i])
	}
	o.columns = slices.Clone(columns)
	return nil
}

// clone is a copy that shares nothing that changes.
func (o *bound) clone() bound {
	return bound{name: o.name, fields: o.fields, columns: o.columns}
}

// drop marks a row as filtered out.
func drop(b *event.Batch, row int) {
	makeMarks(b)
	b.Drop[row] = true
}

// makeMarks gives a batch the marks of filtered rows, none of them set, unless
// it has them.
func makeMarks(b *event.Batch) {
	if len(b.Drop) == 0 {
		b.Drop = slices.Grow(b.Drop, b.N)[:b.N]
		clear(b.Drop)
	}
}

// dropped reports whether an operator before has filtered a row out.
func dropped(b *event.Batch, row int) bool { return len(b.Drop) > 0 && b.Drop[row] }

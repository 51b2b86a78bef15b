package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/llm-optimizer/processor/internal/expr"
)

// identify gives a query the hashes that it is known by: in results and in
// state. The computed fields it reads are a part of its definition; of the
// event time, which decides what a stored window holds, only state must know.
func (b *builder) identify(q *Query, d *draft) {
	q.Info.Seed = d.def.Hash(b.in.Pipeline)
	if fields := b.fieldsOf(d); len(fields) > 0 {
		q.Info.Seed = xxhash.Sum64String(fmt.Sprintf("%016x\n%s", q.Info.Seed, strings.Join(fields, "\n")))
	}
	q.StateHash = xxhash.Sum64String(fmt.Sprintf("%016x time %q", q.Info.Seed, b.in.Time))
}

// fieldsOf lists the definitions of the computed fields that a query reads, by
// way of others too.
func (b *builder) fieldsOf(d *draft) []string {
	used := map[*column]bool{}
	var visit func(c *column)
	read := func(e *expr.Expr, visible int) {
		if e == nil {
			return
		}
		for _, path := range e.Fields() {
			visit(b.path(path, visible, expr.Use{}))
		}
	}
	visit = func(c *column) {
		if c != nil && c.expr != nil && !used[c] {
			used[c] = true
			read(c.expr, c.visible)
		}
	}
	read(d.where, len(b.fields))
	for _, c := range slices.Concat(d.keys, d.inputs) {
		visit(c)
	}
	var out []string
	for _, f := range b.fields {
		if used[f] {
			out = append(out, fmt.Sprintf("field %q = %s", f.name, f.expr))
		}
	}
	return out
}

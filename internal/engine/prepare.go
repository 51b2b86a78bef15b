package engine

import (
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/decode"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/expr"
	"github.com/llm-optimizer/processor/internal/keytab"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/operator"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// preparer does what can be done to a chunk without knowing what came before
// it: decode, compute, filter, check types, encode and hash keys. Each worker
// has one.
type preparer struct {
	plan      *plan.Plan
	decoder   *decode.Decoder
	operators []operator.Operator
	computed  []*expr.Program
	where     []*expr.Program   // by query; nil passes all
	assigners []*window.Aligned // by query; nil for sessions
	all       []int32           // scratch: every row
	kept      []int32           // scratch: the rows that no operator dropped
	refused   []refusal
	isRefused []bool // by row: by the query at hand
	// counts is the ledger of the chunk, by query.
	counts []epoch.Counts
	passed []int64
	nulls  [][]int64
	key    []byte        // scratch: an id as a key
	digest xxhash.Digest // scratch
	// first and last are the least and the greatest time of the batch.
	first, last int64
}

// refusal is a row that one query refuses for a wrong type.
type refusal struct {
	row    int32
	query  int
	reason string
	err    string
}

func newPreparer(p *plan.Plan, d *decode.Decoder, ops []operator.Operator) *preparer {
	r := &preparer{plan: p, decoder: d.Clone(), counts: make([]epoch.Counts, len(p.Queries))}
	for _, o := range ops {
		r.operators = append(r.operators, o.Clone())
	}
	for _, c := range p.Computed {
		r.computed = append(r.computed, c.Program.Clone())
	}
	for _, q := range p.Queries {
		if r.assigners = append(r.assigners, nil); q.Aligned != nil {
			r.assigners[len(r.assigners)-1] = q.Aligned.Clone()
		}
		if q.Where == nil {
			r.where = append(r.where, nil)
			continue
		}
		r.where = append(r.where, q.Where.Clone())
	}
	return r
}

// prepare fills b from the chunk, and counts. The dead letters it returns are
// the records that did not decode and the rows that queries refuse; their
// bytes are copies.
func (p *preparer) prepare(c *source.Chunk, origin *event.Origin, b *exchange.Shared) ([]result.DeadLetter, error) {
	b.Reset(p.plan.Schema, origin)
	b.Data = c.Data
	if c.Fill != nil {
		if err := c.Fill(&b.Batch); err != nil {
			return nil, fmt.Errorf("filling a batch of %s: %w", originName(origin), err)
		}
		b.Next = c.Next
	} else {
		p.decoder.Decode(c, &b.Batch)
	}
	for _, o := range p.operators {
		if err := o.Apply(&b.Batch); err != nil {
			return nil, fmt.Errorf("applying an operator to events of %s: %w", originName(origin), err)
		}
	}
	for i, prog := range p.computed {
		prog.Eval(&b.Batch, &b.Columns[p.plan.Computed[i].Column])
	}
	p.hashIDs(b)
	p.refused = p.refused[:0]
	p.first, p.last = timeRange(b.Time[:b.N])
	for len(b.Selections) < len(p.plan.Queries) {
		b.Selections = append(b.Selections, exchange.Selection{})
	}
	p.resetNulls()
	for i, q := range p.plan.Queries {
		p.selectRows(i, q, b)
	}
	return p.deadLetters(b), nil
}

// selectRows picks the rows of a query and encodes their keys.
func (p *preparer) selectRows(i int, q *plan.Query, b *exchange.Shared) {
	sel := &b.Selections[i]
	sel.Reset()
	sel.Index = append(sel.Index, p.rows(&b.Batch)...)
	if p.where[i] != nil {
		sel.Index = p.where[i].Filter(&b.Batch, sel.Index, sel.Index[:0])
	}
	p.counts[i] = epoch.Counts{Read: int64(b.N + len(b.Dead)), Filtered: int64(b.N - len(sel.Index))}
	before := len(p.refused)
	p.passed[i] = int64(len(sel.Index))
	for n, c := range q.Checks {
		p.nulls[i][n] = p.check(i, c, b, sel)
	}
	if p.first < q.MinTime || p.last > q.MaxTime {
		p.checkTimes(i, q, b, sel)
	}
	if len(p.refused) > before {
		p.dropRefused(sel, p.refused[before:])
	}
	p.counts[i].Dead = int64(len(b.Dead) + len(p.refused) - before)
	for _, row := range sel.Index {
		from := len(sel.Keys)
		for _, k := range q.Keys {
			sel.Keys = b.AppendKey(sel.Keys, &b.Columns[k], int(row))
		}
		sel.KeyEnd = append(sel.KeyEnd, uint32(len(sel.Keys)))
		sel.Hash = append(sel.Hash, keytab.Hash(sel.Keys[from:]))
	}
}

// rows lists the rows that no operator dropped.
func (p *preparer) rows(b *event.Batch) []int32 {
	if len(b.Drop) > 0 {
		p.kept = p.kept[:0]
		for i := range b.N {
			if !b.Drop[i] {
				p.kept = append(p.kept, int32(i))
			}
		}
		return p.kept
	}
	for i := len(p.all); i < b.N; i++ {
		p.all = append(p.all, int32(i))
	}
	return p.all[:b.N]
}

// resetNulls makes room for the counts of nulls.
func (p *preparer) resetNulls() {
	for len(p.nulls) < len(p.plan.Queries) {
		p.passed = append(p.passed, 0)
		p.nulls = append(p.nulls, make([]int64, len(p.plan.Queries[len(p.nulls)].Checks)))
	}
}

// check notes the rows whose value in a column has a type the query cannot
// compute on, and counts nulls. A row is noted once.
func (p *preparer) check(i int, c plan.Check, b *exchange.Shared, sel *exchange.Selection) (nulls int64) {
	kinds := b.Columns[c.Column].Kind
	bad := badKinds(c.Numeric)
	for _, row := range sel.Index {
		k := kinds[row]
		if k == event.Null {
			nulls++
		}
		if !bad[k] || c.Where >= 0 && b.Columns[c.Where].Kind[row] != event.True {
			continue
		}
		p.refuse(refusal{row: row, query: i, reason: "type", err: wrongType(c, k)})
	}
	return nulls
}

// checkTimes notes the rows whose windows would not fit into int64.
func (p *preparer) checkTimes(i int, q *plan.Query, b *exchange.Shared, sel *exchange.Selection) {
	for _, row := range sel.Index {
		t, a := b.Time[row], p.assigners[i]
		if (t < q.MinTime || t > q.MaxTime) && (a == nil || !a.Fits(t)) {
			p.refuse(refusal{row: row, query: i, reason: "time", err: "a bound of the event's window is not between the ends of int64 nanoseconds"})
		}
	}
}

// refuse notes a row once.
func (p *preparer) refuse(r refusal) {
	for len(p.isRefused) <= int(r.row) {
		p.isRefused = append(p.isRefused, false)
	}
	if !p.isRefused[r.row] {
		p.isRefused[r.row] = true
		p.refused = append(p.refused, r)
	}
}

// wrongType says why a query cannot compute on a value of kind k.
func wrongType(c plan.Check, k event.Kind) string {
	switch {
	case k == event.Invalid:
		return c.What + " cannot be computed: a field in it is of a wrong type, such as a string where a number is needed"
	case c.Numeric:
		return fmt.Sprintf("%s is of kind %s, it must be a number", c.What, k)
	default:
		return fmt.Sprintf("%s is of kind %s, it must be a string, number or boolean", c.What, k)
	}
}

func timeRange(times []int64) (first, last int64) {
	first, last = event.MaxTime, event.MinTime
	for _, t := range times {
		first, last = min(first, t), max(last, t)
	}
	return first, last
}

var (
	badNumber = [event.Invalid + 1]bool{event.False: true, event.True: true, event.String: true, event.Composite: true, event.Invalid: true}
	badScalar = [event.Invalid + 1]bool{event.Composite: true, event.Invalid: true}
)

func badKinds(numeric bool) *[event.Invalid + 1]bool {
	if numeric {
		return &badNumber
	}
	return &badScalar
}

// dropRefused takes the rows that a query refuses out of its selection.
func (p *preparer) dropRefused(sel *exchange.Selection, refused []refusal) {
	sel.Index = slices.DeleteFunc(sel.Index, func(row int32) bool {
		return int(row) < len(p.isRefused) && p.isRefused[row]
	})
	for _, r := range refused {
		p.isRefused[r.row] = false
	}
}

// deadLetters lists what did not decode, then what queries refused: one letter
// for each row, in order.
func (p *preparer) deadLetters(b *exchange.Shared) []result.DeadLetter {
	if len(b.Dead) == 0 && len(p.refused) == 0 {
		return nil
	}
	var out []result.DeadLetter
	for _, d := range b.Dead {
		out = append(out, result.DeadLetter{
			Source: sourceOf(b.Origin, d.Offset), Reason: d.Reason, Err: d.Err,
			Raw: append([]byte(nil), b.Bytes(d.Raw)...),
		})
	}
	slices.SortStableFunc(p.refused, func(x, y refusal) int { return int(x.row - y.row) })
	for i := 0; i < len(p.refused); {
		first := p.refused[i]
		d := result.DeadLetter{
			Source: sourceOf(b.Origin, b.Offset[first.row]), Reason: first.reason, Err: first.err,
			Raw: append([]byte(nil), b.Bytes(b.Raw[first.row])...),
		}
		for ; i < len(p.refused) && p.refused[i].row == first.row; i++ {
			d.Queries = append(d.Queries, p.plan.Queries[p.refused[i].query].Info.Name)
		}
		out = append(out, d)
	}
	return out
}

func originName(o *event.Origin) string {
	if o.Topic != "" {
		return fmt.Sprintf("topic %s partition %d", o.Topic, o.Partition)
	}
	return o.Path
}

package engine

import "sync/atomic"

// nullCount counts how often a field that a query groups by or computes on was
// null, among the events that passed its filter.
type nullCount struct {
	rows, nulls atomic.Int64
	// told says that somebody was warned.
	told atomic.Bool
}

// Nulls is how often a field of a query was null.
type Nulls struct {
	// Field is the field or expression; Key says that the query groups by it.
	Field       string
	Key         bool
	Rows, Nulls int64
}

// enoughRows is how many rows there are before "most" means something.
const enoughRows = 1000

// countNulls adds what the checks of a chunk have found. A key that is null for
// most events is told once.
func (r *Runner) countNulls(w *work) {
	for q, found := range w.nulls {
		for i := range found {
			c := &r.nulls[q][i]
			rows, nulls := c.rows.Add(w.passed[q]), c.nulls.Add(found[i])
			isKey := i < len(r.cfg.Plan.Queries[q].Keys)
			if isKey && rows >= enoughRows && nulls > rows/2 && r.cfg.OnNullKey != nil && !c.told.Swap(true) {
				r.cfg.OnNullKey(q, r.Nulls(q)[i])
			}
		}
	}
}

// Nulls says of a query's fields how often they were null: first those of its
// key, then those that it computes on.
func (r *Runner) Nulls(query int) []Nulls {
	p := r.cfg.Plan.Queries[query]
	out := make([]Nulls, len(p.Checks))
	for i, c := range p.Checks {
		n := &r.nulls[query][i]
		out[i] = Nulls{Field: c.What, Key: i < len(p.Keys), Rows: n.rows.Load(), Nulls: n.nulls.Load()}
	}
	return out
}

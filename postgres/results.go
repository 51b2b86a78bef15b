package postgres

import (
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

// results is a table of results. Its fixed columns have names of their own.
type results struct {
	*table
	history bool

	query, windowID, start, end  *column
	timing, firing, id, partial  *column
	events, watermark, emittedAt *column // with meta
	values                       *column // all aggregates as JSON; nil: a column each
}

func newResults(name pgx.Identifier, s *Sink) *results {
	key := "window_id"
	if s.History {
		key = "id"
	}
	r := &results{table: newTable(name, key), history: s.History}
	r.withdraws = !s.History
	if s.PartitionBy != "" {
		r.key, r.withdraws = append(r.key, "window_start"), false
		r.parts = &partitions{table: r.table, by: s.PartitionBy, retain: s.Retain, create: !s.NoCreate, needed: map[int64]period{}, known: map[int64]bool{}}
	}
	r.query = r.fixed("query", text, true)
	r.windowID = r.fixed("window_id", text, true)
	r.start = r.fixed("window_start", moment, s.PartitionBy != "")
	r.end = r.fixed("window_end", moment, false)
	r.timing = r.fixed("timing", text, true)
	r.firing = r.fixed("firing", count, true)
	r.id = r.fixed("id", text, true)
	r.partial = r.fixed("partial", flag, false)
	if s.Meta {
		r.events = r.fixed("events", count, false)
		r.watermark = r.fixed("watermark", moment, false)
		r.emittedAt = r.fixed("emitted_at", moment, false)
	}
	if s.Values == JSONB {
		r.values = r.fixed("values", document, false)
	}
	return r
}

// layout is how the rows of one query go into their table.
type layout struct {
	*results
	query    *result.Query
	keys     []*column
	values   []*column // nil where all are in one
	sketches *column   // nil until a row has some

	id     []byte
	fields []event.Value
}

// layout adds the columns of a query.
func (r *results) layout(q *result.Query) (*layout, error) {
	lay := &layout{results: r, query: q}
	seen := map[string]bool{}
	add := func(name string, k kind, what string) (*column, error) {
		whose := what + " of query " + q.Name
		if c := r.byName[name]; c != nil && c.whose == "a fixed column" {
			return nil, fmt.Errorf("%q, %s, has the name of a fixed column of table %s: rename it", name, whose, r.table)
		}
		if seen[name] {
			return nil, fmt.Errorf("%q, %s, is there twice: rename one of them", name, whose)
		}
		seen[name] = true
		return r.want(name, k, whose)
	}
	for _, name := range q.Keys {
		c, err := add(name, text, "a key")
		if err != nil {
			return nil, err
		}
		lay.keys = append(lay.keys, c)
	}
	if r.values != nil {
		return lay, nil
	}
	for i, name := range q.Values {
		k, known := document, false
		if i < len(q.Functions) {
			k, known = kindOf(q.Functions[i].Name)
		}
		if c := r.byName[name]; c != nil && !known {
			k = c.kind // the column was described by another query, or is the same of another definition
		}
		fresh := r.byName[name] == nil
		c, err := add(name, k, "an aggregate")
		if err != nil {
			return nil, err
		}
		c.guessed = c.guessed || fresh && !known
		lay.values = append(lay.values, c)
	}
	return lay, nil
}

// put keeps a row for the table, in the place of an earlier one with its id.
func (lay *layout) put(r *result.Result) error {
	if err := lay.place(r); err != nil {
		return err
	}
	lay.id = r.WindowID(lay.id[:0])
	window := string(lay.id)
	lay.id = strconv.AppendUint(append(lay.id, '-'), uint64(r.Firing), 10)
	full := string(lay.id)
	key := window
	switch {
	case lay.history:
		key = full
	case r.Timing == result.Retract:
		lay.withdraw(window)
		return nil
	}
	row := lay.row(key)
	lay.results.query.setText(row, r.Query.Name)
	lay.windowID.setText(row, window)
	lay.start.setTime(row, r.Start)
	lay.end.setTime(row, r.End)
	lay.timing.setText(row, r.Timing.String())
	lay.firing.setInt(row, int64(r.Firing))
	lay.results.id.setText(row, full)
	lay.partial.setBool(row, r.Partial)
	if lay.events != nil {
		lay.events.setInt(row, r.Events)
		lay.watermark.setTime(row, r.Watermark)
		lay.emittedAt.setTime(row, r.EmittedAt)
	}
	if err := lay.putKey(row, r); err != nil {
		return err
	}
	if err := lay.putValues(row, r); err != nil {
		return err
	}
	if len(r.Sketches) > 0 {
		json := sketchesJSON(r)
		lay.sketches.setJSON(row, json)
		lay.bytes += len(json)
	}
	return nil
}

// place finds the partition of a row.
func (lay *layout) place(r *result.Result) error {
	switch {
	case lay.parts == nil:
		return nil
	case r.Start == event.MinTime || r.Start != r.Identity || r.Timing == result.Retract:
		return fmt.Errorf("a row of query %s is of a session or a global window, which has no partition for good: let the query go to a sink without partition_by", r.Query.Name)
	}
	lay.parts.need(r.Start, r.Watermark, r.Watermark != event.MinTime && r.Watermark != event.MaxTime)
	return nil
}

func (lay *layout) putKey(row int, r *result.Result) error {
	var err error
	if lay.fields, err = event.KeyFields(lay.fields[:0], []byte(r.Key), len(lay.keys)); err != nil {
		return fmt.Errorf("a row of query %s: %w", r.Query.Name, err)
	}
	for i, v := range lay.fields {
		if err := lay.keys[i].setValue(row, v); err != nil {
			return err
		}
	}
	lay.bytes += len(r.Key)
	return nil
}

// putValues leaves null in the row of a retraction.
func (lay *layout) putValues(row int, r *result.Result) error {
	if lay.results.values != nil {
		if r.Values != nil {
			json := valuesJSON(r)
			lay.results.values.setJSON(row, json)
			lay.bytes += len(json)
		}
		return nil
	}
	for i := range min(len(r.Values), len(lay.values)) {
		if err := lay.values[i].setValue(row, r.Values[i]); err != nil {
			return fmt.Errorf("a row of query %s: %w", r.Query.Name, err)
		}
		lay.bytes += len(r.Values[i].Str)
	}
	return nil
}

// valuesJSON is all aggregates of a row, by name.
func valuesJSON(r *result.Result) []byte {
	dst := []byte{'{'}
	for i, v := range r.Values {
		dst = appendName(dst, r.Query.Values[i])
		dst = v.AppendJSON(dst)
	}
	return append(dst, '}')
}

// sketchesJSON is the sketches of a row, by the name of their percentile.
func sketchesJSON(r *result.Result) []byte {
	dst := []byte{'{'}
	for _, s := range r.Sketches {
		dst = appendName(dst, s.Name)
		dst = event.AppendString(dst, s.Base64)
	}
	return append(dst, '}')
}

// appendName begins a member of an object.
func appendName(dst []byte, name string) []byte {
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	return append(event.AppendString(dst, name), ':')
}

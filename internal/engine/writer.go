package engine

import (
	"encoding/base64"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/result"
)

// writer collects the rows that a step gives, in batches of bounded size.
// Texts and values go into slabs that become strings and slices once for the
// whole batch.
type writer struct {
	// take is given each batch that is full, or at the end of a step, and
	// returns an empty one.
	take  func(*result.Batch) *result.Batch
	batch *result.Batch
	text  []byte
	ends  []textEnds
	now   int64
	// stopped keeps what is given from now on from being put out.
	stopped bool
}

// batchRows is how many results a batch holds at most: enough to share the
// cost of handing it over, few enough that sinks write while windows fire.
const batchRows = 512

// textEnds are where the key and its JSON end in text, and the values of one
// result in the batch's slab.
type textEnds struct{ key, json, values int }

// firing is what a merge side knows of a result beside its values.
type firing struct {
	key                  []byte
	start, end, identity int64
	timing               result.Timing
	number               uint32
	watermark            int64
}

// emit adds the result of a slot. A retraction has no values.
func (w *writer) emit(q *mergeQuery, f firing, comp *aggregate.Composite, slot uint32) {
	if w.stopped {
		return
	}
	w.batch.Results = append(w.batch.Results, result.Result{
		Query: q.plan.Info, Start: f.start, End: f.end, Identity: f.identity,
		Timing: f.timing, Firing: f.number, Watermark: f.watermark, EmittedAt: w.now,
		Partial: q.partial(f.start),
	})
	r := &w.batch.Results[len(w.batch.Results)-1]
	w.text = append(w.text, f.key...)
	keyEnd := len(w.text)
	w.text = event.AppendKeyJSON(w.text, f.key, q.names)
	if f.timing != result.Retract {
		r.Events = comp.Events(slot)
		w.batch.Slab = comp.Values(w.batch.Slab, slot, aggregate.Window{Seconds: seconds(f.start, f.end)})
		if q.plan.Def.IncludeSketches {
			r.Sketches = sketches(q.plan, comp, slot)
		}
	}
	w.ends = append(w.ends, textEnds{key: keyEnd, json: len(w.text), values: len(w.batch.Slab)})
	if len(w.ends) == batchRows {
		w.flush()
	}
}

// seconds is the length of a window, 0 of one without bounds. It may exceed
// what an int64 of nanoseconds holds: a session can last for centuries.
func seconds(start, end int64) float64 {
	if start == event.MinTime || end == event.MaxTime {
		return 0
	}
	return float64(uint64(end)-uint64(start)) / 1e9
}

// flush gives the collected rows their texts and values and hands them over.
func (w *writer) flush() {
	b := w.batch
	if b.Len() == 0 {
		return
	}
	text := string(w.text)
	var last textEnds
	for i, e := range w.ends {
		r := &b.Results[i]
		r.Key, r.KeyJSON = text[last.json:e.key], text[e.key:e.json]
		if r.Timing != result.Retract {
			r.Values = b.Slab[last.values:e.values:e.values]
		}
		last = e
	}
	w.text, w.ends = w.text[:0], w.ends[:0]
	w.batch = w.take(b)
}

func sketches(q *plan.Query, comp *aggregate.Composite, slot uint32) []result.Sketch {
	var out []result.Sketch
	for i, a := range q.Def.Aggregates {
		if a.Func == "percentile" {
			out = append(out, result.Sketch{Name: a.Name, Base64: base64.StdEncoding.EncodeToString(comp.Sketch(nil, i, slot))})
		}
	}
	return out
}

// late adds an event that came too late for every window of a query.
func (w *writer) late(q *plan.Query, b *exchange.Shared, row int32, watermark int64) {
	if w.stopped {
		return
	}
	w.batch.Late = append(w.batch.Late, lateEvent(q, b, row, watermark))
}

// side adds what a partition has put out by itself.
func (w *writer) side(late []result.LateEvent, dead []result.DeadLetter) {
	w.batch.Late = append(w.batch.Late, late...)
	w.batch.Dead = append(w.batch.Dead, dead...)
}

func lateEvent(q *plan.Query, b *exchange.Shared, row int32, watermark int64) result.LateEvent {
	return result.LateEvent{
		Query: q.Info.Name, Source: sourceOf(b.Origin, b.Offset[row]),
		Timestamp: b.Time[row], Watermark: watermark,
		Event: append([]byte(nil), b.Bytes(b.Raw[row])...),
	}
}

func sourceOf(o *event.Origin, offset int64) result.Source {
	return result.Source{Topic: o.Topic, Path: o.Path, Partition: o.Partition, Offset: offset}
}

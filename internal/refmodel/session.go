package refmodel

import (
	"math"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/window"
)

// takeSession puts an event into the session it forms with the sessions of
// its key that are alive.
func (q *running) takeSession(s Step, a arrival, own int64) {
	key := q.keyOf(a.Fields)
	// "An event occupies [t, t+gap)."
	end := plus(a.Time, int64(q.Window.Gap))
	merged := &holding{key: key, name: KeyText(key), start: a.Time, end: end}
	touched, rest := q.touching(merged, own)
	if len(touched) == 0 && !q.closed(end, own) && q.exceeds(key, 1) {
		merged.key = q.overflow()
		merged.name = KeyText(merged.key)
		touched, rest = q.touching(merged, own)
	}
	for _, h := range touched {
		merged.start, merged.end = min(merged.start, h.start), max(merged.end, h.end)
	}
	// "A session event is late only if the session it would form, merged, is
	// past the lateness."
	if q.closed(merged.end, own) {
		q.late(s, own)
		return
	}
	q.ledger.InWindows++
	q.absorb(merged, touched, a.Time, q.closed(plus(a.Time, int64(q.Window.Gap)), own))
	q.windows = append(rest, merged)
	merged.add(a)
	// "If a merged session ends at or before the watermark it fires at once
	// (late); if it now reaches beyond, it waits for the watermark and fires
	// on_time."
	merged.waiting = !q.passed(merged.end)
	q.fireByEvent(merged)
}

// touching splits the windows into those that the session overlaps or touches
// and the rest. Sessions past the lateness are gone for the event.
func (q *running) touching(m *holding, own int64) (touched, rest []*holding) {
	for _, h := range q.windows {
		alive := !q.closed(h.end, own)
		// "Intervals that overlap or touch merge."
		if alive && h.name == m.name && h.start <= m.end && m.start <= h.end {
			touched = append(touched, h)
		} else {
			rest = append(rest, h)
		}
	}
	return touched, rest
}

// absorb moves what the touched sessions hold into the merged one, which an
// event at time t has made of them that may have been saved by them.
func (q *running) absorb(m *holding, touched []*holding, t int64, saved bool) {
	var keeper *holding
	for _, h := range touched {
		m.events = append(m.events, h.events...)
		m.fresh = append(m.fresh, h.fresh...)
		m.withdrawn = append(m.withdrawn, h.withdrawn...)
		// "The count of a merged session is the sum."
		m.counter += h.counter
		// "A session's identity survives growth and merges (of two fired
		// ones, the earlier start wins)."
		if h.firings > 0 && (keeper == nil || h.start < keeper.start) {
			keeper = h
		}
	}
	m.events, m.fresh = byArrival(m.events), byArrival(m.fresh)
	m.own = math.MaxInt64
	if !saved {
		m.own = t
	}
	for _, h := range touched {
		m.own = min(m.own, h.own)
	}
	if keeper == nil {
		return
	}
	m.identity, m.firings = keeper.identity, keeper.firings
	m.lastStart, m.lastEnd = keeper.lastStart, keeper.lastEnd
	// "Discarding: … no retractions."
	if q.Accumulation == window.Discarding {
		return
	}
	for _, h := range touched {
		if h != keeper && h.firings > 0 {
			m.withdrawn = append(m.withdrawn, q.retraction(h))
		}
	}
}

// retraction: "a fired session that is absorbed is withdrawn by a result with
// `timing: retract` beside the merged row"; it "takes the next `firing`, the
// withdrawn bounds, and null values".
func (q *running) retraction(h *holding) Row {
	return Row{
		Query: q.Name, Key: h.key, Start: h.lastStart, End: h.lastEnd, Identity: h.identity,
		Timing: result.Retract, Firing: h.firings,
	}
}

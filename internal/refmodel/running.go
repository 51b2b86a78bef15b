package refmodel

import (
	"math/big"
	"sort"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/window"
)

// arrival is an event that counts in some window.
type arrival struct {
	Event
	seq int // the order of arrival over all partitions
}

// holding is a window of one key with its events.
type holding struct {
	key        []event.Value
	name       string // KeyText of key
	start, end int64
	events     []arrival
	// fresh are the events since the last firing.
	fresh []arrival
	// counter is what the count trigger has counted.
	counter uint64
	// waiting says that the firing by the watermark is outstanding.
	waiting bool
	// atEnd says that an end of the input has made that firing.
	atEnd    bool
	firings  uint32
	identity int64
	// own is the time of a session's earliest event that was not late by itself.
	// Unlike its start no other session of the key can have it: an event at that
	// time would now be late.
	own int64
	// lastStart and lastEnd are the bounds of the last row.
	lastStart, lastEnd int64
	// withdrawn are fired sessions that this one absorbed, to be retracted
	// with its next row.
	withdrawn []Row
}

// running is a query with its windows.
type running struct {
	query.Query
	where    condition
	aggs     []aggregator
	assign   func(t int64) (all []bounds, fits bool)
	out      *Outcome
	ledger   Ledger
	windows  []*holding
	seq      int
	step     int
	combined int64
	// maxKeys and maxWindows are the limits.
	maxKeys, maxWindows int
}

func newRunning(spec query.Query, out *Outcome) (*running, error) {
	where, err := parseCondition(spec.Where)
	if err != nil {
		return nil, err
	}
	aggs, err := newAggregators(spec.Aggregates)
	if err != nil {
		return nil, err
	}
	assign, err := assigner(spec.Window)
	if err != nil {
		return nil, err
	}
	return &running{
		Query: spec, where: where, aggs: aggs, assign: assign, out: out,
		ledger: Ledger{Query: spec.Name},
	}, nil
}

// at sets the step and the combined watermark for what follows.
func (q *running) at(step int, combined int64) { q.step, q.combined = step, combined }

// take judges one event and puts it where it belongs. own is the watermark
// that the earlier events of its partition left.
func (q *running) take(s Step, own int64, what judgement) {
	q.seq++
	q.ledger.Read++
	a := arrival{Event: s.Event, seq: q.seq}
	switch {
	case a.Bad:
		q.ledger.Dead++
	case what == aDuplicate:
		q.ledger.Duplicate++
	case !q.where(a.Fields):
		q.ledger.Filtered++
	case q.wrongType(a.Fields):
		// "A wrong type makes the event dead for the queries whose `where` it
		// passes and which compute on it."
		q.ledger.Dead++
	case !q.fits(a.Time):
		// "One that int64 nanoseconds cannot hold": here a bound of a window.
		q.ledger.Dead++
	case what == tooOld:
		q.late(s, own)
	case q.Window.Kind == window.KindSession:
		q.takeSession(s, a, own)
	default:
		q.takeFixed(s, a, own)
	}
}

// fits says whether the windows of an event at t have bounds that can be written.
func (q *running) fits(t int64) bool {
	if q.Window.Kind == window.KindSession {
		end := new(big.Int).Add(big.NewInt(t), big.NewInt(int64(q.Window.Gap)))
		return isTime(big.NewInt(t)) && isTime(end)
	}
	_, ok := q.assign(t)
	return ok
}

func (q *running) takeFixed(s Step, a arrival, own int64) {
	all, _ := q.assign(a.Time)
	// "Slide > size: an event in no window is counted as such."
	if len(all) == 0 {
		q.ledger.Unwindowed++
		return
	}
	// "An event counts in those of its windows that are not past [the
	// lateness]; it is late, whole, when all of them are."
	var open []bounds
	for _, b := range all {
		if !q.closed(b.end, own) {
			open = append(open, b)
		}
	}
	if len(open) == 0 {
		q.late(s, own)
		return
	}
	q.ledger.InWindows++
	key := q.keyOf(a.Fields)
	if q.exceeds(key, q.opens(key, open)) {
		key = q.overflow()
	}
	for _, b := range open {
		h := q.find(key, b)
		h.add(a)
		q.fireByEvent(h)
	}
}

// passed: "a window fires when watermark ≥ end − 1 ns". A global window has no
// end.
func (q *running) passed(end int64) bool {
	return q.Window.Kind != window.KindGlobal && q.combined >= end-1
}

// closed: "a window's state is kept until watermark ≥ end − 1 ns + L". Which
// windows an event joins is decided by its own partition's watermark.
func (q *running) closed(end, own int64) bool {
	if q.Window.Kind == window.KindGlobal || own == event.MinTime {
		return false
	}
	limit := plus(end-1, int64(q.AllowedLateness))
	return limit != event.MaxTime && own >= limit
}

func (q *running) late(s Step, own int64) {
	q.ledger.Late++
	q.out.Late = append(q.out.Late, Late{
		Query: q.Name, Partition: s.Partition, Offset: s.Event.Offset,
		Time: s.Event.Time, Watermark: own, Raw: s.Event.Raw,
	})
}

// find returns the window of a key with these bounds.
func (q *running) find(key []event.Value, b bounds) *holding {
	name := KeyText(key)
	if h := q.lookUp(name, b); h != nil {
		return h
	}
	// A window made when the watermark has passed it was empty then and has
	// no firing by the watermark to come.
	h := &holding{key: key, name: name, start: b.start, end: b.end, waiting: !q.passed(b.end)}
	q.windows = append(q.windows, h)
	return h
}

func (q *running) lookUp(name string, b bounds) *holding {
	for _, h := range q.windows {
		if h.start == b.start && h.end == b.end && h.name == name {
			return h
		}
	}
	return nil
}

func (h *holding) add(a arrival) {
	h.events = append(h.events, a)
	h.fresh = append(h.fresh, a)
	h.counter++
}

// fireByEvent fires a window that an event has just joined, if it has reason
// to: "an event causes at most one firing of a window".
func (q *running) fireByEvent(h *holding) {
	passed := q.passed(h.end)
	// "A firing by count sets the counter to 0, other firings leave it."
	byCount := q.Trigger.Count > 0 && h.counter >= q.Trigger.Count
	if byCount {
		h.counter = 0
	}
	// "An event for a fired window inside L updates it and fires it again,
	// immediately." "An event for a window that was empty when the watermark
	// passed, still inside the lateness, fires it at once." "With `on_time:
	// false` only count and `every` fire, inside the lateness too."
	byLateness := passed && !q.Trigger.NoOnTime
	if !byCount && !byLateness {
		return
	}
	// "Fired by an event it is `late` if the watermark had passed the end,
	// else `early`."
	timing := result.Early
	if passed {
		timing = result.Late
	}
	q.fire(h, timing)
}

// fireOnTime fires what the watermark has passed.
func (q *running) fireOnTime() {
	for _, h := range q.windows {
		if h.waiting && q.passed(h.end) {
			h.waiting = false
			q.fireOutstanding(h)
		}
	}
}

// fireOutstanding makes a window's on-time firing. "They fire again only with
// something new": those that an end of the input has fired before.
func (q *running) fireOutstanding(h *holding) {
	if q.Trigger.NoOnTime || (h.atEnd && len(h.fresh) == 0) {
		return
	}
	q.fire(h, result.OnTime)
}

// end: "at the end of a bounded input every window whose on-time firing is
// outstanding fires, once"; with `on_time: false` none does. "This end is not
// stored as a watermark": with more input the firing is outstanding again.
func (q *running) end() {
	for _, h := range q.windows {
		if h.waiting {
			q.fireOutstanding(h)
			h.atEnd = true
		}
	}
}

func (q *running) fire(h *holding, timing result.Timing) {
	// "Accumulating: each firing holds everything so far; the on-time firing
	// repeats an early one even if nothing is new. Discarding: each holds
	// what is new since the last; with nothing new there is no row."
	content := h.events
	if q.Accumulation == window.Discarding {
		content = h.fresh
		if len(content) == 0 {
			return
		}
	}
	// "A session's identity is fixed when it first fires."
	if h.firings == 0 {
		h.identity = h.start
		if q.Window.Kind == window.KindSession {
			h.identity = h.own
		}
	}
	for _, r := range h.withdrawn {
		r.Step, r.Watermark = q.step, q.combined
		q.out.Rows = append(q.out.Rows, r)
	}
	q.out.Rows = append(q.out.Rows, Row{
		Step: q.step, Query: q.Name, Key: h.key,
		Start: h.start, End: h.end, Identity: h.identity,
		Timing: timing, Firing: h.firings,
		Values: q.values(content, h), Events: int64(len(content)), Watermark: q.combined,
	})
	h.firings++
	h.fresh, h.withdrawn = nil, nil
	h.atEnd = false // an early firing leaves the on-time one to come
	h.lastStart, h.lastEnd = h.start, h.end
}

func (q *running) values(content []arrival, h *holding) []Want {
	want := make([]Want, len(q.aggs))
	for i, a := range q.aggs {
		want[i] = a.value(content, q.length(h))
	}
	return want
}

// length is the window's length in seconds, 0 for one without.
func (q *running) length(h *holding) float64 {
	if q.Window.Kind == window.KindGlobal {
		return 0
	}
	return float64(uint64(h.end)-uint64(h.start)) / 1e9
}

func (q *running) remains() []Window {
	var all []Window
	for _, h := range q.windows {
		all = append(all, Window{
			Query: q.Name, Key: h.key, Start: h.start, End: h.end,
			Events: int64(len(h.events)), Values: q.values(h.events, h), Fired: h.firings,
		})
	}
	return all
}

// byArrival puts merged events back in the order in which they came.
func byArrival(all []arrival) []arrival {
	sort.Slice(all, func(i, j int) bool { return all[i].seq < all[j].seq })
	return all
}

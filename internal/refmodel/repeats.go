package refmodel

import "github.com/llm-optimizer/processor/event"

// judgement is what deduplication says of an event.
type judgement int

const (
	anEvent judgement = iota
	aDuplicate
	tooOld
)

// repeats knows the ids that each partition has seen.
type repeats struct {
	field   string
	horizon int64
	// ids has, by partition, the times of the events that brought an id.
	ids map[int]map[string]int64
}

func newRepeats(p Program) *repeats {
	return &repeats{field: p.DedupField, horizon: p.Horizon, ids: map[int]map[string]int64{}}
}

// judge judges one event that meets its partition's watermark.
func (r *repeats) judge(s Step, own int64) judgement {
	if r.field == "" || s.Event.Bad {
		return anEvent
	}
	// "With dedup on an event older than that is late for every query."
	if r.passed(s.Event.Time, own) {
		return tooOld
	}
	id := s.Event.Fields[r.field]
	if id.Kind == event.Null || !id.Kind.IsScalar() {
		return anEvent
	}
	name := KeyText([]event.Value{id})
	seen := r.ids[s.Partition]
	if seen == nil {
		seen = map[string]int64{}
		r.ids[s.Partition] = seen
	}
	if t, ok := seen[name]; ok && !r.passed(t, own) {
		return aDuplicate
	}
	seen[name] = s.Event.Time
	return anEvent
}

// passed: "an id is kept until its partition's watermark passes event time +
// horizon".
func (r *repeats) passed(t, own int64) bool {
	limit := plus(t, r.horizon)
	return limit != event.MaxTime && own != event.MinTime && own >= limit-1
}

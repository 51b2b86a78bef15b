package prometheus

import (
	"cmp"
	"math"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

// window is what is shown of a key.
type window struct {
	layout *layout
	labels []string
	// end, identity and firing say which row it is of. No two windows of a key
	// have one identity.
	end, identity int64
	firing        uint32
	// values are in the order of the query, NaN for one that is no number.
	values  []float64
	updated time.Time
}

// take shows a row, unless a later window is shown or there is no room. The lock
// is held.
func (s *Sink) take(l *layout, r *result.Result, now time.Time) {
	at := place{r.Query.Name, r.Key}
	w := s.shown[at]
	switch {
	case w != nil && now.Sub(w.updated) >= s.expire():
		s.drop(at, w)
		w = nil
	case w != nil && !w.yieldsTo(r):
		return
	}
	if r.Timing == result.Retract {
		if w != nil && w.identity == r.Identity {
			s.drop(at, w)
		}
		return
	}
	if w != nil && w.layout != l { // the query was changed
		s.drop(at, w)
		w = nil
	}
	if w == nil {
		if w = s.room(l, at, now); w == nil {
			return
		}
		w.labels = l.labels(r.Key)
	}
	w.fill(r, now)
}

// yieldsTo reports whether a row is of a later window, or of this one and not of
// an earlier firing.
func (w *window) yieldsTo(r *result.Result) bool {
	if w.identity == r.Identity {
		return r.Firing >= w.firing
	}
	return r.End >= w.end
}

func (w *window) fill(r *result.Result, now time.Time) {
	w.end, w.identity, w.firing, w.updated = r.End, r.Identity, r.Firing, now
	w.values = w.values[:0]
	for i := range w.layout.values {
		v := math.NaN()
		if i < len(r.Values) && r.Values[i].Kind.IsNumber() {
			v = r.Values[i].Num
		}
		w.values = append(w.values, v)
	}
}

// room makes room for a key that is not shown yet; nil means that there is none.
func (s *Sink) room(l *layout, at place, now time.Time) *window {
	most := cmp.Or(s.MaxSeries, DefaultMaxSeries)
	if s.series+l.series > most && now.Sub(s.oldest) >= s.expire() {
		s.forget(now)
	}
	if s.series+l.series > most {
		s.dropped += uint64(l.series)
		if !s.warned && s.Log != nil {
			s.warned = true
			s.Log.Warn("the prometheus sink shows no more keys: raise max_series, shorten expire, or give the sink the queries alone that have few keys",
				"sink", s.name(), "max_series", most, "query", at.query)
		}
		return nil
	}
	w := &window{layout: l}
	if s.shown == nil {
		s.shown = map[place]*window{}
	}
	if len(s.shown) == 0 {
		s.oldest = now
	}
	s.shown[at] = w
	s.series += l.series
	return w
}

func (s *Sink) name() string { return cmp.Or(s.Name, "prometheus") }

func (s *Sink) expire() time.Duration { return cmp.Or(s.Expire, DefaultExpire) }

func (s *Sink) drop(at place, w *window) {
	delete(s.shown, at)
	s.series -= w.layout.series
}

// forget drops what has not come again for long.
func (s *Sink) forget(now time.Time) {
	s.oldest = now
	for at, w := range s.shown {
		switch {
		case now.Sub(w.updated) >= s.expire():
			s.drop(at, w)
		case w.updated.Before(s.oldest):
			s.oldest = w.updated
		}
	}
}

// bounded reports whether the window has an end.
func (w *window) bounded() bool { return w.end != event.MaxTime }

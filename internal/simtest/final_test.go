package simtest

import (
	"fmt"

	"github.com/llm-optimizer/processor/internal/refmodel"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/window"
)

// checkStory wants early firings, then on time, then late ones. Only a session
// that grew past the watermark begins again, and only a session is withdrawn.
func checkStory(d *differences, s story) {
	session := s.query.Window.Kind == window.KindSession
	accumulating := s.query.Accumulation == window.Accumulating
	stage := result.Early
	for i, r := range s.rows {
		h := engineHeader(r)
		switch r.Timing {
		case result.Retract:
			if !session || !accumulating || i != len(s.rows)-1 || r.Values != nil {
				d.add("withdrawn without reason, or not at last: %s", h)
			}
			continue
		case result.Early:
			if stage != result.Early && !session {
				d.add("early after the watermark: %s", h)
			}
		case result.OnTime:
			if stage != result.Early && !session {
				d.add("on time for the second time, or after a late firing: %s", h)
			}
			if s.query.Trigger.NoOnTime {
				d.add("on time though switched off: %s", h)
			}
		}
		stage = r.Timing
		if r.Events == 0 {
			d.add("a firing of nothing: %s", h)
		}
		if r.Identity != s.rows[0].Identity || (!session && (r.Start != s.rows[0].Start || r.End != s.rows[0].End)) {
			d.add("one window id for several windows: %s", h)
		}
	}
}

// compareFinal wants what remains after all firings to be what the windows
// hold, for queries whose windows all fire in the end.
func compareFinal(p *program, out *refmodel.Outcome, rows []result.Result, anyTie bool) (d differences) {
	all, d := stories(p, rows)
	for _, q := range p.queries {
		switch {
		case q.Trigger.NoOnTime:
			compareCounts(&d, q, out, all)
		case q.Accumulation == window.Accumulating:
			compareLast(&d, q, out, all, anyTie)
		default:
			compareTotals(&d, q, out, rows)
		}
	}
	return d
}

func windowName(query string, key string, start, end int64) string {
	return fmt.Sprintf("%s %s [%s, %s)", query, key, bound(start), bound(end))
}

func modelWindows(q query.Query, out *refmodel.Outcome) map[string]refmodel.Window {
	all := map[string]refmodel.Window{}
	for _, w := range out.Windows {
		if w.Query == q.Name {
			all[windowName(w.Query, refmodel.KeyText(w.Key), w.Start, w.End)] = w
		}
	}
	return all
}

// compareLast wants each window's last row to hold all of its events.
func compareLast(d *differences, q query.Query, out *refmodel.Outcome, all []story, anyTie bool) {
	rest := modelWindows(q, out)
	for _, s := range all {
		r := s.last()
		if s.query.Name != q.Name || r.Timing == result.Retract {
			continue
		}
		name := windowName(q.Name, refmodel.KeyText(keyOf(r)), r.Start, r.End)
		w, ok := rest[name]
		if !ok {
			d.add("no such window at last: %s", engineHeader(r))
			continue
		}
		delete(rest, name)
		if r.Events != w.Events {
			d.add("%s: the last row holds %d events, not %d", name, r.Events, w.Events)
		}
		compareValues(d, name, w.Values, r, anyTie)
	}
	for name := range rest {
		d.add("missing at last: %s", name)
	}
}

// compareTotals wants discarding rows to add up: for each window, or for each
// key where sessions may have merged after they fired.
func compareTotals(d *differences, q query.Query, out *refmodel.Outcome, rows []result.Result) {
	type total struct {
		events int64
		ids    float64
	}
	name := func(key string, start, end int64) string {
		if q.Window.Kind == window.KindSession {
			return q.Name + " " + key
		}
		return windowName(q.Name, key, start, end)
	}
	want, got := map[string]total{}, map[string]total{}
	for _, w := range out.Windows {
		if w.Query == q.Name {
			n := name(refmodel.KeyText(w.Key), w.Start, w.End)
			ids, _ := w.Values[1].Number()
			want[n] = total{want[n].events + w.Events, want[n].ids + ids}
		}
	}
	for _, r := range rows {
		if r.Query.Name == q.Name {
			n := name(refmodel.KeyText(keyOf(r)), r.Start, r.End)
			got[n] = total{got[n].events + r.Events, got[n].ids + r.Values[1].Num}
		}
	}
	for n, w := range want {
		if got[n] != w {
			d.add("%s: all firings add up to %+v, not %+v", n, got[n], w)
		}
		delete(got, n)
	}
	for n := range got {
		d.add("no such window: %s", n)
	}
}

// compareCounts wants windows that fire by count alone to do so after every n
// events, whatever arrived together; sessions also fire as they merge.
func compareCounts(d *differences, q query.Query, out *refmodel.Outcome, all []story) {
	if q.Window.Kind == window.KindSession || q.Trigger.Every > 0 {
		return
	}
	windows := modelWindows(q, out)
	for _, s := range all {
		if s.query.Name != q.Name {
			continue
		}
		r := s.last()
		name := windowName(q.Name, refmodel.KeyText(keyOf(r)), r.Start, r.End)
		w := windows[name]
		delete(windows, name)
		if want := w.Events / int64(q.Trigger.Count); int64(len(s.rows)) != want {
			d.add("%s: %d firings by count of %d events, not %d", name, len(s.rows), w.Events, want)
		}
		for i, r := range s.rows {
			want := int64(q.Trigger.Count)
			if q.Accumulation == window.Accumulating {
				want *= int64(i + 1)
			}
			if r.Events != want {
				d.add("%s firing %d holds %d events, not %d", name, i, r.Events, want)
			}
		}
	}
	for name, w := range windows {
		if w.Events >= int64(q.Trigger.Count) {
			d.add("%s: no firing by count of %d events", name, w.Events)
		}
	}
}

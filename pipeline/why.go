package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/internal/engine"
)

// Why says why windows are open, of one query or, with "", of all: at most limit
// of them, those that close next first. It waits for the stream to come to it,
// until ctx ends; then Unseen says why there are no windows in the answer.
func (p *Pipeline) Why(ctx context.Context, query string, limit int) (Why, error) {
	r, out, _ := p.at()
	if r == nil || p.run.over.Load() {
		return Why{Windows: []OpenGroup{}}, ErrNotRunning
	}
	if query != "" {
		if _, err := p.query(query); err != nil {
			return Why{Windows: []OpenGroup{}}, err
		}
	}
	w := p.holding(r, out)
	for i, q := range p.plan.Queries {
		if query != "" && q.Info.Name != query {
			continue
		}
		groups, total, err := r.Groups(ctx, i, limit)
		if err != nil {
			w.Windows, w.Total, w.Unseen = []OpenGroup{}, 0, err.Error()
			return w, nil //nolint:nilerr // the answer has it
		}
		w.Total += total
		for _, g := range groups {
			w.Windows = append(w.Windows, openGroup(q.Info.Name, g, r.Watermark()))
		}
	}
	slices.SortStableFunc(w.Windows, func(a, b OpenGroup) int {
		return cmp.Or(compareTimes(a.ClosesAt, b.ClosesAt), cmp.Compare(a.Query, b.Query))
	})
	w.Windows = w.Windows[:min(len(w.Windows), limit)]
	return w, nil
}

// compareTimes orders times; nil, for never, comes last.
func compareTimes(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(*b)
}

func openGroup(query string, g engine.Group, now int64) OpenGroup {
	o := OpenGroup{
		Query: query, Start: instant(g.Start), End: instant(g.End), Keys: g.Keys, Events: g.Events,
		Closed: g.Closed, ClosesAt: instant(g.ClosesAt), Missing: -1,
	}
	if now != event.MinTime && o.ClosesAt != nil {
		o.Missing = max(time.Duration(event.AddSat(g.ClosesAt, -now)).Seconds(), 0)
	}
	return o
}

// holding says where time stands and what holds it.
func (p *Pipeline) holding(r *engine.Runner, out *delivery.Delivery) Why {
	w := Why{
		Now: time.Now().UTC(), Watermark: instant(r.Watermark()), WatermarkSince: moment(r.WatermarkSince()),
		Bound: p.spec.Watermark.MaxOutOfOrderness.Seconds(), Windows: []OpenGroup{},
	}
	parts, _ := p.partitions(r)
	for i := range parts {
		if parts[i].Holds {
			w.Holder = &parts[i]
		}
	}
	switch blocked := p.blocked(out); {
	case r.Paused():
		w.Reason = "the pipeline is paused: nothing is read until it is resumed"
	case blocked != "":
		w.Reason = blocked
	default:
		w.Reason = p.reason(&w, len(parts))
	}
	return w
}

// blocked says which sinks keep everything else waiting; empty if none does.
func (p *Pipeline) blocked(out *delivery.Delivery) string {
	var sinks []string
	for _, l := range out.Status() {
		if !l.Blocks {
			continue
		}
		text := "sink " + l.Name
		if t := p.sinkStatus(l).Trouble; t.Since != nil {
			text += fmt.Sprintf(" (in trouble since %s: %s)", t.Since.Format(time.RFC3339), t.Error)
		}
		sinks = append(sinks, text)
	}
	if sinks == nil {
		return ""
	}
	return "all that may wait for a sink does, so nothing more is read until there is room: " + strings.Join(sinks, ", ")
}

// reason is the answer in a sentence or two, where the source is what counts.
func (p *Pipeline) reason(w *Why, parts int) string {
	h, trouble := w.Holder, p.sourceTrouble()
	switch {
	case trouble.Since != nil:
		return fmt.Sprintf("the source has been in trouble since %s: %s", trouble.Since.Format(time.RFC3339), trouble.Error)
	case parts == 0:
		return "there is no partition to read yet, so event time does not advance"
	case h == nil && p.spec.Watermark.WhenIdle == Hold:
		return "all partitions are idle or have ended, and watermark.when_idle is hold: event time stands still until one delivers"
	case h == nil:
		return "all partitions are idle or have ended: the wall clock moves event time, and windows close as it passes their ends"
	case h.Status == "waiting":
		return fmt.Sprintf("%s waits until another has been read (source.file.open): its first event is the earliest that is still to come", h.Name)
	case h.NewestEvent == nil && h.Watermark == nil:
		return fmt.Sprintf("%s has not delivered an event yet: until it does, or has been quiet for idle_timeout (%v), nothing closes", h.Name, p.spec.Watermark.IdleTimeout)
	}
	text := fmt.Sprintf("a window closes when every partition that is not idle has delivered an event %v (max_out_of_orderness) past its end; the slowest is %s",
		p.spec.Watermark.MaxOutOfOrderness, h.Name)
	if h.NewestEvent != nil {
		text += ", whose newest event is of " + h.NewestEvent.Format(time.RFC3339Nano)
	}
	if h.LagRecords != nil && *h.LagRecords > 0 {
		return text + fmt.Sprintf("; %d records of it are still to be read", *h.LagRecords)
	}
	if h.LastRead != nil && p.spec.Watermark.IdleTimeout > 0 {
		text += fmt.Sprintf("; it delivered last %v ago and counts as idle after %v without", w.Now.Sub(*h.LastRead).Round(time.Millisecond), p.spec.Watermark.IdleTimeout)
	}
	return text
}

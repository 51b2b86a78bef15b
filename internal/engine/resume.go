package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/source"
)

// resumeFrom begins where an earlier run stopped.
func (r *Runner) resumeFrom(e *Epochs) {
	r.tracker.Resume(e.Watermark)
	r.unknown = slices.Clone(e.Partitions)
	for _, p := range e.Partitions {
		r.nextID = max(r.nextID, p.ID+1)
	}
}

// recognize finds what an earlier run has read of each partition; new ones get
// a number and begin at position 0.
func (r *Runner) recognize(ctx context.Context, parts []source.Partition) ([]epoch.Partition, error) {
	out := make([]epoch.Partition, len(parts))
	if r.cfg.Epochs == nil {
		for i := range out {
			out[i].Watermark = event.MinTime
		}
		return out, nil
	}
	match, gone, err := r.match(ctx, parts)
	if err != nil {
		return nil, fmt.Errorf("finding out which partitions were read before: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	found := make([]bool, len(r.unknown))
	for i, sp := range parts {
		if m := match[i]; m >= 0 {
			out[i], found[m] = r.unknown[m], true
			out[i].Origin = sp.Origin()
			continue
		}
		out[i] = epoch.Partition{ID: r.nextID, Origin: sp.Origin(), Watermark: event.MinTime}
		r.nextID++
	}
	for _, g := range gone {
		found[g] = true
		r.gone = append(r.gone, r.unknown[g].ID)
	}
	rest := r.unknown[:0]
	for i, p := range r.unknown {
		if !found[i] {
			rest = append(rest, p)
		}
	}
	r.unknown = rest
	return out, nil
}

// match says which of the unknown partitions each one is, or -1. Only one
// goroutine at a time looks for partitions.
func (r *Runner) match(ctx context.Context, parts []source.Partition) (match, gone []int, err error) {
	if rec, ok := r.cfg.Source.(source.Recognizer); ok {
		saved := make([]source.Saved, len(r.unknown))
		for i, p := range r.unknown {
			saved[i] = source.Saved{Origin: p.Origin, Position: p.Position, Token: p.Token}
		}
		return rec.Recognize(ctx, parts, saved)
	}
	byOrigin := make(map[event.Origin]int, len(r.unknown))
	for i, p := range r.unknown {
		byOrigin[p.Origin] = i
	}
	for _, sp := range parts {
		i, ok := byOrigin[sp.Origin()]
		if !ok {
			i = -1
		}
		delete(byOrigin, sp.Origin()) // another one of that name is not the same
		match = append(match, i)
	}
	return match, nil, nil
}

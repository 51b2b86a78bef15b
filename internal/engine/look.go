package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/exchange"
)

// Window is an open window of one key, as it is at the moment.
type Window struct {
	Start, End int64
	// Key and Values are JSON objects, as in a result.
	Key, Values string
	Events      int64
	Fired       uint32
	// Closed says that the watermark has passed the end.
	Closed bool
}

// Group is the open windows with the same bounds; of sessions each is one.
type Group struct {
	Start, End int64
	// Keys is how many keys it has; of a sliding window, which is merged from
	// panes when it fires, how many its fullest pane has. Events are not known
	// of such a one and 0.
	Keys, Events int64
	Closed       bool
	// ClosesAt is the watermark at which it fires, or when it has, dies;
	// event.MaxTime for never.
	ClosesAt int64
}

// errEnded is why there is nothing to see.
var errEnded = errors.New("the run has ended")

// lookup is what somebody wants to see of one query in one shard. The mergers
// add windows that end early first, as far as that is cheap; best sorts.
type lookup struct {
	key     string // as JSON; "" is any
	limit   int
	windows []Window
	total   int
}

// full reports whether enough windows were found.
func (l *lookup) full() bool { return len(l.windows) >= l.limit }

// Windows returns open windows of a query, those that end first, at most limit
// of them, and how many there are (of sliding windows that share panes: at
// least). It waits for the shards to come to it, until ctx ends.
func (r *Runner) Windows(ctx context.Context, query int, key string, limit int) (windows []Window, total int, err error) {
	found := make([]lookup, len(r.shards))
	err = r.look(ctx, func(i int) {
		found[i] = lookup{key: key, limit: limit}
		r.shards[i].mergers[query].look(&found[i])
	})
	if err != nil {
		return nil, 0, err
	}
	for i := range found {
		windows, total = append(windows, found[i].windows...), total+found[i].total
	}
	slices.SortFunc(windows, func(a, b Window) int {
		return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.Start, b.Start), cmp.Compare(a.Key, b.Key))
	})
	return windows[:min(len(windows), limit)], total, nil
}

// Groups returns the open windows of a query by their bounds, those that close
// next first, at most limit of them, and how many there are.
func (r *Runner) Groups(ctx context.Context, query, limit int) (groups []Group, total int, err error) {
	found := make([][]Group, len(r.shards))
	counts := make([]int, len(r.shards))
	err = r.look(ctx, func(i int) {
		r.shards[i].mergers[query].groups(func(g Group) {
			counts[i]++
			found[i] = append(found[i], g)
			if len(found[i]) >= 4*limit {
				found[i] = first(found[i], limit)
			}
		})
	})
	if err != nil {
		return nil, 0, err
	}
	aligned := r.cfg.Plan.Queries[query].Aligned != nil
	for i := range found {
		groups, total = append(groups, found[i]...), total+counts[i]
	}
	sortGroups(groups)
	if aligned {
		before := len(groups)
		groups = joined(groups)
		total -= before - len(groups)
	}
	return groups[:min(len(groups), limit)], total, nil
}

func sortGroups(all []Group) {
	slices.SortFunc(all, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.ClosesAt, b.ClosesAt), cmp.Compare(a.End, b.End), cmp.Compare(a.Start, b.Start))
	})
}

// first is the n groups that close next.
func first(all []Group, n int) []Group {
	sortGroups(all)
	return all[:min(len(all), n)]
}

// joined puts the parts of windows that several shards have together.
func joined(all []Group) []Group {
	out := all[:0]
	for _, g := range all {
		if n := len(out) - 1; n >= 0 && out[n].Start == g.Start && out[n].End == g.End {
			out[n].Keys += g.Keys
			out[n].Events += g.Events
			continue
		}
		out = append(out, g)
	}
	return out
}

// look calls fn in the goroutine of each shard, between two flushes.
func (r *Runner) look(ctx context.Context, fn func(shard int)) error {
	seen := make(chan struct{}, len(r.shards))
	f := exchange.Flush{Kind: exchange.Look, Look: func(i int) {
		fn(i)
		seen <- struct{}{}
	}}
	if err := r.sendLook(ctx, f); err != nil {
		return err
	}
	for range r.shards {
		select {
		case <-seen:
		case <-r.over:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("waiting for a look at the windows, which wait for something themselves, such as a sink: %w", context.Cause(ctx))
		}
	}
	return nil
}

// sendLook sends a look to all shards. It does not wait in the line of those
// that hand flushes over: they wait for shards, and these perhaps for a sink.
func (r *Runner) sendLook(ctx context.Context, f exchange.Flush) error {
	const again = time.Millisecond
	for !r.mu.TryLock() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting to look at the windows, which are busy: %w", context.Cause(ctx))
		case <-time.After(again):
		}
	}
	defer r.mu.Unlock()
	select {
	case <-r.over:
		return errEnded
	default:
	}
	for s := range r.shards {
		one := f
		if err := r.exchange.Send(ctx, s, &one); err != nil {
			return err
		}
	}
	return nil
}

// closeExchange ends the shards; nothing is sent or looked at afterwards.
func (r *Runner) closeExchange() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.over)
	r.exchange.Close()
}

// window is what a slot holds, as JSON.
func (m *mergeQuery) window(key []byte, start, end int64, slot uint32) Window {
	values := m.comp.Values(nil, slot, aggregate.Window{Seconds: seconds(start, end)})
	text := []byte("{")
	for i, v := range values {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(event.AppendString(text, m.plan.Info.Values[i]), ':')
		text = v.AppendJSON(text)
	}
	return Window{
		Start: start, End: end, Key: m.keyJSON(key), Values: string(append(text, '}')), Events: m.comp.Events(slot),
	}
}

func (m *mergeQuery) keyJSON(key []byte) string {
	return string(event.AppendKeyJSON(nil, key, m.names))
}

// wants reports whether a key is the one that is looked for.
func (m *mergeQuery) wants(l *lookup, key []byte) bool { return l.key == "" || m.keyJSON(key) == l.key }

// group is a window's, with what the watermark makes of it.
func (m *mergeQuery) group(start, end int64, passed bool) Group {
	g := Group{Start: start, End: end, Closed: passed, ClosesAt: closesAt(end)}
	if passed {
		g.ClosesAt = m.diesAt(end)
	}
	return g
}

func (m *windows) liveKeys() int {
	n := 0
	for _, b := range m.byIndex {
		n = max(n, len(b.cells))
	}
	return n
}

func (m *windows) groups(fn func(Group)) {
	m.flush()
	for _, b := range m.byIndex {
		g := m.group(b.start, b.end, b.passed)
		g.Keys = int64(len(b.cells))
		for i := range b.cells {
			g.Events += m.comp.Events(b.cells[i].slot)
		}
		fn(g)
	}
}

func (m *windows) look(l *lookup) {
	m.flush()
	l.total = m.cells
	for _, b := range m.sorted() {
		for i := range b.cells {
			if l.full() {
				return
			}
			if key := b.keys.Key(i); m.wants(l, key) {
				w := m.window(key, b.start, b.end, b.cells[i].slot)
				w.Fired, w.Closed = b.cells[i].firing, b.passed
				l.windows = append(l.windows, w)
			}
		}
	}
}

func (m *panes) liveKeys() int {
	n := 0
	for _, b := range m.levels[len(m.levels)-1].buckets {
		n = max(n, len(b.cells))
	}
	return n
}

func (m *panes) groups(fn func(Group)) {
	for _, s := range m.scheduled {
		g := m.group(s.Start, s.End, s.passed)
		for _, b := range m.covering(s) {
			g.Keys = max(g.Keys, int64(len(b.cells)))
		}
		fn(g)
	}
}

func (m *panes) look(l *lookup) {
	m.flush()
	open := make([]*slidingWindow, 0, len(m.scheduled))
	for _, s := range m.scheduled {
		open = append(open, s)
	}
	slices.SortFunc(open, func(a, b *slidingWindow) int { return cmp.Compare(a.index, b.index) })
	for _, s := range open {
		cover := m.covering(s)
		fullest := 0
		for _, b := range cover {
			fullest = max(fullest, len(b.cells))
		}
		l.total += fullest
		m.lookAt(l, s, cover)
	}
}

// lookAt merges the keys of one window that are looked for, as firing does.
func (m *panes) lookAt(l *lookup, s *slidingWindow, cover []*bucket) {
	all := cover
	if s.own != nil {
		all = append(slices.Clone(cover), s.own)
	}
	for _, b := range all {
		for i := range b.cells {
			if len(l.windows)+m.scratch.Len() >= l.limit {
				break
			}
			if b.cells[i].slot != noSlot && m.wants(l, b.keys.Key(i)) {
				m.scratch.Put(b.keys.Hash(i), 0, b.keys.Key(i))
			}
		}
	}
	for i := range m.scratch.Len() {
		hash, key := m.scratch.Hash(i), m.scratch.Key(i)
		slot := m.comp.Alloc()
		fired := uint32(0)
		for _, b := range all {
			if n := b.keys.Find(hash, 0, key); n >= 0 && b.cells[n].slot != noSlot {
				m.dst, m.src = append(m.dst, slot), append(m.src, b.cells[n].slot)
			}
		}
		m.comp.Merge(m.dst, m.comp, m.src)
		m.dst, m.src = m.dst[:0], m.src[:0]
		if s.own != nil {
			if n := s.own.keys.Find(hash, 0, key); n >= 0 {
				fired = s.own.cells[n].firing
			}
		}
		w := m.window(key, s.Start, s.End, slot)
		w.Fired, w.Closed = fired, s.passed
		l.windows = append(l.windows, w)
		m.comp.Free(slot)
	}
	m.scratch.Clear()
}

func (m *sessions) liveKeys() int { return m.live }

func (m *sessions) groups(fn func(Group)) {
	m.flush()
	for n := range m.heads {
		for i := m.heads[n]; i != none; i = m.all[i].next {
			s := &m.all[i]
			g := m.group(s.start, s.end, m.now >= closesAt(s.end))
			g.Keys, g.Events = 1, m.comp.Events(s.slot)
			fn(g)
		}
	}
}

func (m *sessions) look(l *lookup) {
	m.flush()
	l.total = m.opened
	var found []int32
	byEnd := func(a, b int32) int {
		return cmp.Or(cmp.Compare(m.all[a].end, m.all[b].end), cmp.Compare(m.all[a].seq, m.all[b].seq))
	}
	for n := range m.heads {
		if m.heads[n] == none || !m.wants(l, m.keys.Key(n)) {
			continue
		}
		for i := m.heads[n]; i != none; i = m.all[i].next {
			found = append(found, i)
		}
		if len(found) > 4*l.limit {
			slices.SortFunc(found, byEnd)
			found = found[:l.limit]
		}
	}
	slices.SortFunc(found, byEnd)
	for _, i := range found[:min(len(found), l.limit)] {
		s := &m.all[i]
		w := m.window(m.keys.Key(int(s.key)), s.start, s.end, s.slot)
		w.Fired, w.Closed = s.firing, m.now >= closesAt(s.end)
		l.windows = append(l.windows, w)
	}
}

package engine

import (
	"cmp"
	"slices"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
)

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

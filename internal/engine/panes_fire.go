package engine

import (
	"cmp"
	"slices"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/window"
)

// covering is the buckets that make up a window, the widest that fit.
func (m *panes) covering(s *slidingWindow) []*bucket {
	m.cover = m.cover[:0]
	first, last := m.assigner.Panes(s.index)
	for i := first; i <= last; {
		l := len(m.levels) - 1
		for l > 0 && (floorMod(i, m.levels[l].span) != 0 || i+m.levels[l].span-1 > last) {
			l--
		}
		lv := &m.levels[l]
		if b := lv.buckets[window.FloorDiv(i, lv.span)]; b != nil {
			m.cover = append(m.cover, b)
		}
		i += lv.span
	}
	return m.cover
}

// pass makes the on-time firings of a window that the watermark has passed.
func (m *panes) pass(s *slidingWindow) {
	s.passed = true
	m.fireOnTime(s, 0)
}

// fireOnTime makes the on-time firings of a window: all keys of its panes and
// extras. mark says that the end of the input makes them.
func (m *panes) fireOnTime(s *slidingWindow, mark cellFlags) {
	cover := m.covering(s)
	for _, b := range cover {
		m.gather(b, b.cells)
	}
	if s.own != nil {
		m.gather(s.own, s.own.cells)
	}
	m.comp.Merge(m.dst, m.comp, m.src)
	for i := range m.scratch.Len() {
		key := m.scratch.Key(i)
		if number, fires := m.number(s, i, mark); fires {
			m.emit(s, key, m.slots[i], number, result.OnTime)
		}
		m.comp.Free(m.slots[i])
	}
	m.scratch.Clear()
	m.slots, m.dst, m.src = m.slots[:0], m.dst[:0], m.src[:0]
}

// number counts the on-time firing of a window for entry i of scratch. It does
// not fire when the end of an earlier run's input has made that firing and
// nothing has come since, which the count of events tells.
func (m *panes) number(s *slidingWindow, i int, mark cellFlags) (number uint32, fires bool) {
	atEnd := mark != 0 && m.keep != nil
	if m.plan.Lateness == 0 && s.own == nil && !atEnd {
		return 0, true // nobody will ask for the number again
	}
	own := m.own(s)
	at := m.ownCell(s, m.scratch.Hash(i), m.scratch.Key(i))
	events := uint64(m.comp.Events(m.slots[i]))
	if c := &own.cells[at]; c.flags&firedAtEnd != 0 && c.count == events {
		return 0, false
	}
	m.touch(own, at)
	c := &own.cells[at]
	c.firing++
	if atEnd && !m.discarding() {
		c.flags, c.count = c.flags|firedAtEnd, events
	}
	return c.firing - 1, true
}

// drain empties panes and extras once the end of the input has fired all
// windows: a discarding window that fires again in a later run has only what
// came since. As all windows that share a pane have fired it, it need not know
// which of them did.
func (m *panes) drain(all []*slidingWindow) {
	for l := range m.levels {
		for _, b := range m.levels[l].buckets {
			m.empty(l, b)
			b.keys.Clear()
			b.cells, b.stored = b.cells[:0], false
		}
	}
	for _, s := range all {
		if s.own == nil {
			continue
		}
		for i := range s.own.cells {
			if slot := s.own.cells[i].slot; slot != noSlot {
				m.touch(s.own, i)
				s.own.cells[i].slot = noSlot
				m.comp.Free(slot)
			}
		}
	}
}

// gather lists the cells of a bucket to be merged by key.
func (m *panes) gather(b *bucket, cells []cell) {
	for i := range cells {
		if cells[i].slot == noSlot {
			continue
		}
		n, isNew := m.scratch.Put(b.keys.Hash(i), 0, b.keys.Key(i))
		if isNew {
			m.slots = append(m.slots, m.comp.Alloc())
		}
		m.dst, m.src = append(m.dst, m.slots[n]), append(m.src, cells[i].slot)
	}
}

func (m *panes) emit(s *slidingWindow, key []byte, slot, number uint32, timing result.Timing) {
	m.out.emit(&m.mergeQuery, firing{
		key: key, start: s.Start, end: s.End, identity: s.Start,
		timing: timing, number: number, watermark: m.now,
	}, m.comp, slot)
}

func (m *panes) correct() { m.dirty = correctEach(&m.mergeQuery, m.dirty, m.correctWindow) }

func (m *panes) correctWindow(s *slidingWindow) {
	if s.own == nil || len(s.own.dirty) == 0 {
		return
	}
	cover := m.covering(s)
	for _, i := range s.own.dirty {
		c := &s.own.cells[i]
		c.flags &^= isDirty
		m.refire(s, cover, int(i))
	}
	s.own.dirty = s.own.dirty[:0]
}

// refire fires one key of a window again.
func (m *panes) refire(s *slidingWindow, cover []*bucket, i int) {
	hash, key := s.own.keys.Hash(i), s.own.keys.Key(i)
	slot := m.comp.Alloc()
	for _, b := range cover {
		if n := b.keys.Find(hash, 0, key); n >= 0 {
			m.dst, m.src = append(m.dst, slot), append(m.src, b.cells[n].slot)
		}
	}
	c := &s.own.cells[i]
	if c.slot != noSlot {
		m.dst, m.src = append(m.dst, slot), append(m.src, c.slot)
	}
	m.comp.Merge(m.dst, m.comp, m.src)
	m.dst, m.src = m.dst[:0], m.src[:0]
	m.touch(s.own, i)
	m.emit(s, key, slot, c.firing, result.Late)
	c.firing++
	m.comp.Free(slot)
}

func (m *panes) finish() {
	m.flush()
	m.correct()
	all := make([]*slidingWindow, 0, len(m.scheduled))
	for _, s := range m.scheduled {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *slidingWindow) int { return cmp.Compare(a.index, b.index) })
	for _, s := range all {
		if !s.passed {
			m.fireOnTime(s, firedAtEnd)
		}
	}
	if m.keep != nil && m.discarding() {
		m.drain(all)
	}
}

func floorMod(a, b int64) int64 { return a - window.FloorDiv(a, b)*b }

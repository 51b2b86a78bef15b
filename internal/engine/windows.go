package engine

import (
	"cmp"
	"slices"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/window"
)

// noPane holds no event time: the pane before the first one is looked up.
var noPane = window.Pane{Start: 1, End: 0}

// windows is the merger of aligned windows that accumulate by themselves: all
// but sessions and sliding windows that share panes.
type windows struct {
	mergeQuery
	assigner *window.Aligned
	byIndex  map[int64]*bucket
	last     *bucket // the bucket found last
	pane     window.Pane
	timers   timers[*bucket]
	dirty    []*bucket
	pool     bucketPool
	cells    int

	dst, src []uint32 // scratch of partials
}

func newWindows(m mergeQuery) *windows {
	return &windows{mergeQuery: m, assigner: m.plan.Aligned.Clone(), byIndex: map[int64]*bucket{}, pane: noPane}
}

func (m *windows) partials(p *exchange.Partials) {
	for i := range p.Table.Len() {
		pane, _ := m.assigner.Pane(p.Table.Pane(i))
		key, hash := p.Table.Key(i), p.Table.Hash(i)
		if m.limit != nil {
			hash, key = m.entry(pane, event.MinTime, hash, key)
		}
		for w := pane.First; w <= pane.Last; w++ {
			b := m.bucket(w)
			at := m.cell(b, hash, key)
			m.touch(b, at)
			c := &b.cells[at]
			c.flags |= hasNew
			m.dst, m.src = append(m.dst, c.slot), append(m.src, p.Slots[i])
		}
		m.countOver(p.Comp.Events(p.Slots[i]))
	}
	m.comp.Merge(m.dst, p.Comp, m.src)
	m.dst, m.src = m.dst[:0], m.src[:0]
}

func (m *windows) rows(r exchange.Rows, from, to int, others int64) {
	m.bind(r.Batch)
	sel := &r.Batch.Selections[m.plan.Info.Index]
	for _, at := range r.At[from:to] {
		row := sel.Index[at]
		t, met := r.Batch.Time[row], r.Batch.Met[row]
		if c := min(met, others); c > m.now {
			m.advance(c)
		}
		if t < m.pane.Start || t >= m.pane.End {
			m.pane, _ = m.assigner.Pane(t)
		}
		hash, key := sel.Hash[at], sel.Key(int(at))
		if m.limit != nil {
			hash, key = m.entry(m.pane, met, hash, key)
		}
		for w := m.pane.First; w <= m.pane.Last; w++ {
			b := m.bucket(w)
			if met >= m.diesAt(b.end) {
				continue // past this window's lateness, in time for a later one
			}
			m.addRow(b, hash, key, row)
		}
		m.countOver(1)
	}
}

// addRow adds one event to one window and fires it if the event causes that.
func (m *windows) addRow(b *bucket, hash uint64, key []byte, row int32) {
	i := m.cell(b, hash, key)
	m.touch(b, i)
	c := &b.cells[i]
	m.add(c.slot, row)
	c.flags |= hasNew
	c.count++
	trigger := &m.plan.Def.Trigger
	if trigger.Count > 0 && c.count >= trigger.Count {
		c.count = 0
		m.flush()
		m.fire(b, i, m.byEvent(b.end))
		return
	}
	if b.passed && !trigger.NoOnTime {
		m.markDirty(b, i)
	}
}

func (m *windows) markDirty(b *bucket, i int) {
	if b.cells[i].flags&isDirty != 0 {
		return
	}
	b.cells[i].flags |= isDirty
	if len(b.dirty) == 0 {
		m.dirty = append(m.dirty, b)
	}
	b.dirty = append(b.dirty, uint32(i))
}

// bucket returns an open window, opening it if need be.
func (m *windows) bucket(index int64) *bucket {
	if m.last != nil && m.last.index == index {
		return m.last
	}
	b := m.byIndex[index]
	if b == nil {
		iv := m.assigner.Window(index)
		b = m.pool.get(epoch.KindWindow, index, iv.Start, iv.End)
		m.byIndex[index] = b
		if !m.assigner.Global() {
			b.passed = m.now >= closesAt(b.end)
			due := closesAt(b.end)
			if b.passed {
				due = m.diesAt(b.end)
			}
			m.timers.push(timer[*bucket]{at: due, seq: b.start, what: b})
		}
	}
	m.last = b
	return b
}

// entry is the key under which an event of a pane that meets a watermark is
// counted: its own or, over a limit, that of the overflow group.
func (m *windows) entry(p window.Pane, met int64, hash uint64, key []byte) (uint64, []byte) {
	opens := 0
	for w := p.First; w <= p.Last; w++ {
		if b := m.bucket(w); met < m.diesAt(b.end) && b.keys.Find(hash, 0, key) < 0 {
			opens++
		}
	}
	return m.admit(hash, key, opens)
}

// cell returns the number of a key's cell in a window, new if need be.
func (m *windows) cell(b *bucket, hash uint64, key []byte) int {
	i, isNew := b.keys.Put(hash, 0, key)
	if isNew {
		b.cells = append(b.cells, cell{slot: m.comp.Alloc()})
		m.cells++
		m.limit.opened(key, 1)
	}
	return i
}

func (m *windows) advance(c int64) {
	m.now = max(m.now, c)
	for len(m.timers) > 0 && m.timers[0].at <= c {
		m.flush()
		b := m.timers.pop().what
		if !b.passed {
			m.pass(b)
			if purge := m.diesAt(b.end); purge > c {
				m.timers.push(timer[*bucket]{at: purge, seq: b.start, what: b})
				continue
			}
		}
		m.correctBucket(b)
		m.purge(b)
	}
}

// pass makes the on-time firings of a window that the watermark has passed.
func (m *windows) pass(b *bucket) {
	b.passed = true
	m.fireOnTime(b, 0)
}

// fireOnTime makes the on-time firings of a window, but for those that the end
// of an earlier run's input made and that have nothing new. mark says what
// makes them now.
func (m *windows) fireOnTime(b *bucket, mark cellFlags) {
	if m.plan.Def.Trigger.NoOnTime {
		return
	}
	for i := range b.cells {
		if b.cells[i].flags&(firedAtEnd|hasNew) == firedAtEnd {
			continue
		}
		m.fire(b, i, result.OnTime)
		b.cells[i].flags |= mark
	}
}

// fire emits one window of one key. A discarding firing with nothing new gives
// no row.
func (m *windows) fire(b *bucket, i int, timing result.Timing) {
	c := &b.cells[i]
	if m.discarding() && c.flags&hasNew == 0 {
		return
	}
	m.touch(b, i)
	m.out.emit(&m.mergeQuery, firing{
		key: b.keys.Key(i), start: b.start, end: b.end, identity: b.start,
		timing: timing, number: c.firing, watermark: m.now,
	}, m.comp, c.slot)
	c.firing++
	c.flags &^= hasNew | firedAtEnd // an early firing leaves the on-time one to come
	if m.discarding() {
		m.comp.Reset(c.slot)
	}
}

func (m *windows) correct() { m.dirty = correctEach(&m.mergeQuery, m.dirty, m.correctBucket) }

func (m *windows) correctBucket(b *bucket) {
	for _, i := range b.dirty {
		c := &b.cells[i]
		c.flags &^= isDirty
		if c.flags&hasNew != 0 {
			m.fire(b, int(i), result.Late)
		}
	}
	b.dirty = b.dirty[:0]
}

func (m *windows) purge(b *bucket) {
	m.dropStored(b)
	for i := range b.cells {
		m.comp.Free(b.cells[i].slot)
		m.limit.closed(b.keys.Key(i), 1)
	}
	m.cells -= len(b.cells)
	delete(m.byIndex, b.index)
	if m.last == b {
		m.last = nil
	}
	m.pool.put(b) // without dirty cells: a mention in m.dirty does nothing any more
}

// sorted is the open windows in the order of their ends.
func (m *windows) sorted() []*bucket {
	all := make([]*bucket, 0, len(m.byIndex))
	for _, b := range m.byIndex {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *bucket) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.start, b.start)) })
	return all
}

func (m *windows) tick() {
	m.flush()
	for _, b := range m.sorted() {
		for i := range b.cells {
			if b.cells[i].flags&hasNew != 0 {
				m.fire(b, i, m.byEvent(b.end))
			}
		}
	}
}

func (m *windows) finish() {
	m.flush()
	m.correct()
	for _, b := range m.sorted() {
		if !b.passed {
			m.fireOnTime(b, firedAtEnd)
		}
	}
}

func (m *windows) lastEnd() int64 {
	end := event.MinTime
	for _, b := range m.byIndex {
		if !b.passed && b.end != event.MaxTime {
			end = max(end, b.end)
		}
	}
	return end
}

func (m *windows) open() int { return m.cells }

func (m *windows) bytes() int {
	n := m.liveBytes()
	for _, b := range m.byIndex {
		n += b.keys.Bytes() + 24*len(b.cells)
	}
	return n
}

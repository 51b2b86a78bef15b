package engine

import (
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/keytab"
	"github.com/llm-optimizer/processor/window"
)

// panes is the merger of sliding windows that share panes: an event is added
// once, and a window is merged from its panes when it fires.
//
// A window of many panes would merge thousands of them, so there are levels:
// level l has a bucket for each run of fanout^l panes, and every event is added
// to one bucket of each level. A window is then covered by a few buckets of
// each level, as a range by the nodes of a B-ary tree.
//
// An event that is past the lateness of some of its windows, by the watermark
// of its own partition, but not of all, is added to the others' own cells
// (extras) and to no pane.
type panes struct {
	mergeQuery
	assigner *window.Aligned
	levels   []level
	pane     window.Pane
	timers   timers[paneTimer]
	// scheduled are the windows that have timers, known their numbers.
	scheduled map[int64]*slidingWindow
	known     ranges
	cells     int // in the panes
	dirty     []*slidingWindow
	// ownPool is for the windows' own cells; each level has a pool, too. A
	// bucket of a higher level holds many times as many keys: were its memory
	// passed on to a pane, all buckets would be as large in the end.
	ownPool bucketPool

	// opening is the windows that an event would open, for a limit.
	opening []*slidingWindow

	scratch  keytab.Table
	slots    []uint32
	dst, src []uint32
	cover    []*bucket
}

// fanout is how many buckets of one level make one of the next.
const fanout = 8

// level is the buckets of fanout^l panes each, by their index at that level.
type level struct {
	span    int64
	buckets map[int64]*bucket
	last    *bucket
	pool    bucketPool
}

// slidingWindow is what a window has beside its panes.
type slidingWindow struct {
	window.Interval
	index  int64
	passed bool
	// own has, with lateness, a cell for each key that fired or has extras.
	own *bucket
	// keys is how many keys the window is open for, counted for a limit alone.
	keys int
}

// paneTimer is a window that fires or dies, or a bucket of a level that no
// window needs any more.
type paneTimer struct {
	window *slidingWindow
	level  int
	bucket *bucket
}

func newPanes(m mergeQuery) *panes {
	p := &panes{mergeQuery: m, assigner: m.plan.Aligned.Clone(), scheduled: map[int64]*slidingWindow{}, pane: noPane}
	for span := int64(1); ; span *= fanout {
		p.levels = append(p.levels, level{span: span, buckets: map[int64]*bucket{}})
		if 2*fanout*span > p.assigner.PanesPerWindow() {
			return p
		}
	}
}

func (m *panes) partials(p *exchange.Partials) {
	for i := range p.Table.Len() {
		m.enter(p.Table.Pane(i))
		hash, key := m.entry(p.Table.Hash(i), p.Table.Key(i))
		for l := range m.levels {
			m.dst = append(m.dst, m.slot(m.bucket(l), hash, key))
			m.src = append(m.src, p.Slots[i])
		}
		m.countOver(p.Comp.Events(p.Slots[i]))
	}
	m.comp.Merge(m.dst, p.Comp, m.src)
	m.dst, m.src = m.dst[:0], m.src[:0]
}

func (m *panes) rows(r exchange.Rows, from, to int, others int64) {
	m.bind(r.Batch)
	sel := &r.Batch.Selections[m.plan.Info.Index]
	for _, at := range r.At[from:to] {
		row := sel.Index[at]
		met := r.Batch.Met[row]
		if c := min(met, others); c > m.now {
			m.advance(c)
		}
		m.enter(r.Batch.Time[row])
		hash, key := sel.Hash[at], sel.Key(int(at))
		firstEnd := m.assigner.Window(m.pane.First).End
		if whole := met < m.diesAt(firstEnd); whole {
			hash, key = m.entry(hash, key)
			for l := range m.levels {
				m.add(m.slot(m.bucket(l), hash, key), row)
			}
			m.countOver(1)
			if m.now < closesAt(firstEnd) {
				continue
			}
			for w := m.pane.First; w <= m.pane.Last && m.passed(w); w++ {
				s := m.schedule(w)
				at := m.ownCell(s, hash, key)
				m.markDirty(w, s.own, at)
			}
			continue
		}
		if m.limit != nil {
			hash, key = m.entryOwn(met, hash, key)
		}
		for w := m.pane.First; w <= m.pane.Last; w++ {
			if met >= m.diesAt(m.assigner.Window(w).End) {
				continue
			}
			own := m.own(m.schedule(w))
			i := m.ownCell(m.scheduled[w], hash, key)
			m.touch(own, i)
			if c := &own.cells[i]; c.slot == noSlot {
				c.slot = m.comp.Alloc()
			}
			m.add(own.cells[i].slot, row)
			if m.passed(w) {
				m.markDirty(w, own, i)
			}
		}
		m.countOver(1)
	}
}

// noSlot marks a cell without an accumulator of its own.
const noSlot = ^uint32(0)

func (m *panes) passed(w int64) bool { return m.now >= closesAt(m.assigner.Window(w).End) }

// enter makes the pane of event time t the present one.
func (m *panes) enter(t int64) {
	if t >= m.pane.Start && t < m.pane.End {
		return
	}
	m.pane, _ = m.assigner.Pane(t)
}

// bucket returns the present pane's bucket of a level, new if need be.
func (m *panes) bucket(l int) *bucket {
	lv := &m.levels[l]
	index := window.FloorDiv(m.pane.Index, lv.span)
	if lv.last != nil && lv.last.index == index {
		return lv.last
	}
	b := lv.buckets[index]
	if b == nil {
		b = lv.pool.get(kindOfLevel(l), index, m.pane.Start, m.pane.End)
		lv.buckets[index] = b
		// The last window that holds the bucket's last pane outlives it.
		lastWindow := m.assigner.LastWindow(index*lv.span + lv.span - 1)
		dies := m.diesAt(m.assigner.Window(lastWindow).End)
		m.timers.push(timer[paneTimer]{at: dies, seq: event.MaxTime, what: paneTimer{level: l, bucket: b}})
	}
	if l == 0 && len(b.cells) == 0 {
		m.known.add(m.pane.First, m.pane.Last, func(w int64) { m.schedule(w) })
	}
	lv.last = b
	return b
}

// kindOfLevel is what durable state calls a bucket: it keeps the panes, of
// which the other levels are made again.
func kindOfLevel(l int) epoch.Kind {
	if l == 0 {
		return epoch.KindPane
	}
	return 0
}

// schedule returns window w, with timers if it has none yet.
func (m *panes) schedule(w int64) *slidingWindow {
	s := m.scheduled[w]
	if s != nil {
		return s
	}
	s = &slidingWindow{Interval: m.assigner.Window(w), index: w}
	s.passed = m.passed(w)
	due := closesAt(s.End)
	if s.passed {
		due = m.diesAt(s.End)
	}
	m.scheduled[w] = s
	m.timers.push(timer[paneTimer]{at: due, seq: s.Start, what: paneTimer{window: s}})
	return s
}

// slot returns a key's accumulators in a bucket, new if need be.
func (m *panes) slot(b *bucket, hash uint64, key []byte) uint32 {
	i, isNew := b.keys.Put(hash, 0, key)
	if isNew {
		b.cells = append(b.cells, cell{slot: m.comp.Alloc()})
		m.cells++
	}
	if b.kind != 0 {
		m.touch(b, i)
	}
	return b.cells[i].slot
}

// own returns the bucket of a window's own cells.
func (m *panes) own(s *slidingWindow) *bucket {
	if s.own == nil {
		s.own = m.ownPool.get(epoch.KindOwn, s.index, s.Start, s.End)
	}
	return s.own
}

// ownCell returns the number of a key's own cell in a window, new if need be.
func (m *panes) ownCell(s *slidingWindow, hash uint64, key []byte) int {
	own := m.own(s)
	if m.limit != nil && own.keys.Find(hash, 0, key) < 0 {
		opens := 0
		if !m.limit.over(key) && !m.isOpen(s, hash, key) {
			opens = 1
		}
		s.keys += opens
		m.limit.opened(key, opens)
	}
	i, isNew := own.keys.Put(hash, 0, key)
	if isNew {
		own.cells = append(own.cells, cell{slot: noSlot})
	}
	return i
}

func (m *panes) markDirty(w int64, own *bucket, i int) {
	if own.cells[i].flags&isDirty != 0 {
		return
	}
	own.cells[i].flags |= isDirty
	if len(own.dirty) == 0 {
		m.dirty = append(m.dirty, m.scheduled[w])
	}
	own.dirty = append(own.dirty, uint32(i))
}

func (m *panes) advance(c int64) {
	m.now = max(m.now, c)
	for len(m.timers) > 0 && m.timers[0].at <= c {
		m.flush()
		t := m.timers.pop().what
		switch {
		case t.bucket != nil:
			m.purge(t.level, t.bucket)
		case !t.window.passed:
			m.pass(t.window)
			if dies := m.diesAt(t.window.End); dies > c {
				m.timers.push(timer[paneTimer]{at: dies, seq: t.window.Start, what: t})
				continue
			}
			m.forget(t.window)
		default:
			m.correctWindow(t.window)
			m.forget(t.window)
		}
	}
}

// forget drops a window that is past the lateness.
func (m *panes) forget(s *slidingWindow) {
	if m.limit != nil {
		m.limit.windows -= s.keys
	}
	if s.own != nil {
		m.dropStored(s.own)
		for i, c := range s.own.cells {
			if c.slot != noSlot {
				m.comp.Free(c.slot)
			}
			m.limit.closed(s.own.keys.Key(i), 0)
		}
		m.ownPool.put(s.own)
		s.own = nil
	}
	m.known.drop(s.index)
	delete(m.scheduled, s.index) // a mention in m.dirty does nothing any more
}

// purge drops a bucket of panes that no window needs any more.
func (m *panes) purge(l int, b *bucket) {
	m.empty(l, b)
	lv := &m.levels[l]
	delete(lv.buckets, b.index)
	if lv.last == b {
		lv.last = nil
	}
	lv.pool.put(b)
}

// empty gives back what a bucket of panes holds, here and in durable state.
func (m *panes) empty(l int, b *bucket) {
	if l == 0 {
		m.dropStored(b)
	}
	for i := range b.cells {
		m.comp.Free(b.cells[i].slot)
		if l == 0 {
			m.limit.closed(b.keys.Key(i), 0)
		}
	}
	m.cells -= len(b.cells)
}

func (m *panes) tick() {} // a query with processing-time firings shares no panes

func (m *panes) lastEnd() int64 {
	end := event.MinTime
	for _, s := range m.scheduled {
		if !s.passed {
			end = max(end, s.End)
		}
	}
	return end
}

// open counts the cells of panes, which is near to the windows of keys: a
// window has a row for each key of its panes.
func (m *panes) open() int { return m.cells / len(m.levels) }

func (m *panes) bytes() int {
	n := m.liveBytes() + m.scratch.Bytes()
	for _, lv := range m.levels {
		for _, b := range lv.buckets {
			n += b.keys.Bytes() + 24*len(b.cells)
		}
	}
	return n
}

package engine

import (
	"cmp"
	"slices"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/keytab"
	"github.com/llm-optimizer/processor/result"
)

// sessions is the merger of session windows. An event occupies [t, t+gap);
// intervals of one key that overlap or touch are one session. Events come one
// by one: which session an event joins can depend on the one before it.
type sessions struct {
	mergeQuery
	gap   int64
	keys  keytab.Table
	heads []int32 // by key number: the first session of the key, or none
	live  int     // keys that have sessions
	// spareKeys and spareHeads are what compact builds the next ones in.
	spareKeys  keytab.Table
	spareHeads []int32
	all        []session
	free       []int32
	timers     timers[sessionTimer]
	dirty      []sessionTimer
	opened     int
	// seq numbers sessions in the order of their creation; unsaved lists those
	// that durable state lacks changes of, by the side of the barrier.
	seq     int64
	unsaved [2][]int32

	candidates []int32
}

// none is the end of a list of sessions.
const none = -1

// session is one session of one key. Freed ones keep their generation, which
// tells timers that theirs is gone.
type session struct {
	start, end int64
	// identity is where the session starts; once it has fired it is fixed and
	// survives growth. Events that only the session saved from being late do not
	// count: after a session has fired and died, such a one may give a younger
	// one its start, and two would have one identity.
	identity int64
	// firedStart and firedEnd are the bounds of the last row.
	firedStart, firedEnd int64
	// seq is the session's number, which names it in durable state.
	seq   int64
	count uint64
	key   uint32
	// prev and next link the sessions of the key, the one that ends last
	// first: an event of our days finds its session near the head.
	prev, next int32
	slot       uint32
	firing     uint32
	gen        uint32
	flags      sessionFlags
	// retracts are the fired sessions this one absorbed since it last fired.
	retracts []firing
}

// sessionBytes is the size of a session.
const sessionBytes = 136

type sessionFlags uint8

const (
	sessionHasNew sessionFlags = 1 << iota
	sessionDirty
	// sessionFired: its identity is fixed.
	sessionFired
	// sessionOwed: its on-time firing is outstanding.
	sessionOwed
	// sessionStored: durable state has it.
	sessionStored
)

// sessionChangedOn are the marks of sessions that have changed, by side.
var sessionChangedOn = [2]sessionFlags{1 << 6, 1 << 7}

type sessionTimer struct {
	session int32
	gen     uint32
}

func newSessions(m mergeQuery) *sessions {
	return &sessions{mergeQuery: m, gap: m.plan.Gap}
}

func (m *sessions) partials(*exchange.Partials) {
	panic("engine: session windows take no partials")
}

func (m *sessions) rows(r exchange.Rows, from, to int, others int64) {
	m.bind(r.Batch)
	sel := &r.Batch.Selections[m.plan.Info.Index]
	for _, at := range r.At[from:to] {
		row := sel.Index[at]
		if c := min(r.Batch.Met[row], others); c > m.now {
			m.advance(c)
		}
		m.event(r.Batch, row, sel.Hash[at], sel.Key(int(at)))
	}
}

// event adds one event to its session, which it may open, extend, or make of
// several.
func (m *sessions) event(b *exchange.Shared, row int32, hash uint64, key []byte) {
	t, met := b.Time[row], b.Met[row]
	start, end := t, t+m.gap
	number := m.keys.Find(hash, 0, key)
	m.find(number, start, end, met)
	if m.limit != nil && len(m.candidates) == 0 && met < m.diesAt(end) {
		var over bool
		if hash, key, over = m.limit.admit(m.plan, hash, key, 1); over {
			m.ledger.overflow.Add(1)
			number = m.keys.Find(hash, 0, key)
			m.find(number, start, end, met)
		}
	}
	if len(m.candidates) == 0 && met >= m.diesAt(end) {
		m.ledger.late.Add(1)
		m.out.late(m.plan, b, row, met)
		return
	}
	m.ledger.inWindows.Add(1)
	var s int32
	if len(m.candidates) == 0 {
		s = m.create(hash, key, number, start, end)
		m.touch(s)
	} else {
		s = m.join(start, end, met >= m.diesAt(end))
	}
	m.add(m.all[s].slot, row)
	m.all[s].count++
	m.all[s].flags |= sessionHasNew
	m.settle(s)
}

// find lists the sessions of a key that [start, end) overlaps or touches,
// earliest first. Those that are past the lateness for the event's own
// partition are gone as far as it is concerned, though other partitions may
// keep them here.
func (m *sessions) find(number int, start, end, met int64) {
	m.candidates = m.candidates[:0]
	if number < 0 {
		return
	}
	for i := m.heads[number]; i != none && m.all[i].end >= start; i = m.all[i].next {
		if s := &m.all[i]; s.start <= end && met < m.diesAt(s.end) {
			m.candidates = append(m.candidates, i)
		}
	}
	if len(m.candidates) > 1 {
		slices.SortFunc(m.candidates, func(a, b int32) int { return cmp.Compare(m.all[a].start, m.all[b].start) })
	}
}

// create opens a session.
func (m *sessions) create(hash uint64, key []byte, number int, start, end int64) int32 {
	if number < 0 {
		n, isNew := m.keys.Put(hash, 0, key)
		if number = n; isNew {
			m.heads = append(m.heads, none)
		}
	}
	m.seq++
	i := m.place(number, session{start: start, end: end, identity: start, seq: m.seq})
	s := &m.all[i]
	if m.now < closesAt(end) {
		s.flags = sessionOwed
	}
	m.schedule(i, m.due(s))
	return i
}

// place makes room for a session of a key and links it.
func (m *sessions) place(number int, as session) int32 {
	if m.heads[number] == none {
		m.live++
	}
	m.limit.opened(m.keys.Key(number), 1)
	m.opened++
	var i int32
	if n := len(m.free); n > 0 {
		i, m.free = m.free[n-1], m.free[:n-1]
	} else {
		i = int32(len(m.all))
		m.all = append(m.all, session{})
	}
	s := &m.all[i]
	as.key, as.slot, as.gen = uint32(number), m.comp.Alloc(), s.gen
	as.retracts = append(s.retracts[:0], as.retracts...)
	*s = as
	m.link(i, none)
	return i
}

// schedule sets a session's timer.
func (m *sessions) schedule(i int32, at int64) {
	s := &m.all[i]
	m.timers.push(timer[sessionTimer]{at: at, seq: s.start, tie: s.seq, what: sessionTimer{i, s.gen}})
}

// due is when the watermark next has something to do with a session.
func (m *sessions) due(s *session) int64 {
	if m.now < closesAt(s.end) {
		return closesAt(s.end)
	}
	return m.diesAt(s.end)
}

// join makes one session of the candidates and [start, end). The fired one
// that starts first keeps its identity; other fired ones are withdrawn. saved says
// that the event would be late without them.
func (m *sessions) join(start, end int64, saved bool) int32 {
	keep := m.candidates[0]
	for _, i := range m.candidates {
		if m.all[i].flags&sessionFired != 0 {
			keep = i
			break
		}
	}
	m.touch(keep)
	s := &m.all[keep]
	if len(m.candidates) > 1 {
		m.flush()
	}
	for _, i := range m.candidates {
		if i != keep {
			m.absorb(s, i)
		}
	}
	s.start, s.end = min(s.start, start), max(s.end, end)
	if s.flags&sessionFired == 0 && !saved {
		s.identity = min(s.identity, start)
	}
	if s.prev != none && m.all[s.prev].end < s.end {
		m.unlink(keep)
		m.link(keep, none)
	}
	return keep
}

// absorb merges session i into s.
func (m *sessions) absorb(s *session, i int32) {
	o := &m.all[i]
	s.start, s.end = min(s.start, o.start), max(s.end, o.end)
	if s.flags&sessionFired == 0 {
		s.identity = min(s.identity, o.identity)
	}
	s.count += o.count
	s.flags |= o.flags & sessionHasNew
	m.comp.Merge([]uint32{s.slot}, m.comp, []uint32{o.slot})
	if !m.discarding() {
		s.retracts = append(s.retracts, o.retracts...)
		if o.flags&sessionFired != 0 {
			s.retracts = append(s.retracts, firing{
				start: o.firedStart, end: o.firedEnd, identity: o.identity, timing: result.Retract, number: o.firing,
			})
		}
	}
	m.remove(i)
}

// settle decides what an event has caused: a firing by count, a late firing,
// or an on-time firing that is outstanding (again).
func (m *sessions) settle(i int32) {
	s := &m.all[i]
	trigger := &m.plan.Def.Trigger
	closed := m.now >= closesAt(s.end)
	switch {
	case closed:
		s.flags &^= sessionOwed
	case s.flags&sessionOwed == 0:
		m.owe(i)
	}
	if trigger.Count > 0 && s.count >= trigger.Count {
		s.count = 0
		m.flush()
		m.fire(i, m.byEvent(s.end))
		return
	}
	if closed && !trigger.NoOnTime && s.flags&sessionDirty == 0 {
		s.flags |= sessionDirty
		m.dirty = append(m.dirty, sessionTimer{i, s.gen})
	}
}

// owe makes an on-time firing outstanding. A session that had been passed by
// the watermark has a timer for its death, which may now come too late.
func (m *sessions) owe(i int32) {
	s := &m.all[i]
	s.gen++
	s.flags = s.flags&^sessionDirty | sessionOwed
	m.schedule(i, closesAt(s.end))
}

func (m *sessions) fire(i int32, timing result.Timing) {
	s := &m.all[i]
	if m.discarding() && s.flags&sessionHasNew == 0 {
		return
	}
	m.touch(i)
	s.flags |= sessionFired
	key := m.keys.Key(int(s.key))
	for _, r := range s.retracts {
		r.key, r.watermark = key, m.now
		m.out.emit(&m.mergeQuery, r, m.comp, s.slot)
	}
	s.retracts = s.retracts[:0]
	m.out.emit(&m.mergeQuery, firing{
		key: key, start: s.start, end: s.end, identity: s.identity,
		timing: timing, number: s.firing, watermark: m.now,
	}, m.comp, s.slot)
	s.firing++
	s.firedStart, s.firedEnd = s.start, s.end
	s.flags &^= sessionHasNew
	if m.discarding() {
		m.comp.Reset(s.slot)
	}
}

func (m *sessions) advance(c int64) {
	m.now = max(m.now, c)
	for len(m.timers) > 0 && m.timers[0].at <= c {
		m.flush()
		t := m.timers.pop().what
		s := &m.all[t.session]
		if s.gen != t.gen {
			continue // absorbed
		}
		if s.flags&sessionOwed != 0 && closesAt(s.end) <= c {
			m.touch(t.session)
			s.flags &^= sessionOwed
			if !m.plan.Def.Trigger.NoOnTime {
				m.fire(t.session, result.OnTime)
			}
		}
		if dies := m.diesAt(s.end); dies <= c {
			m.correctOne(t)
			m.remove(t.session)
			continue
		}
		m.schedule(t.session, m.due(s))
	}
	m.compact()
}

func (m *sessions) correct() { m.dirty = correctEach(&m.mergeQuery, m.dirty, m.correctOne) }

// correctOne fires a session that has ended and has something new. One that
// grew past the watermark meanwhile waits for it.
func (m *sessions) correctOne(t sessionTimer) {
	s := &m.all[t.session]
	if s.gen != t.gen || s.flags&sessionDirty == 0 {
		return
	}
	s.flags &^= sessionDirty
	if s.flags&sessionOwed == 0 && s.flags&sessionHasNew != 0 {
		m.fire(t.session, result.Late)
	}
}

// link puts a session into its key's list, behind after and behind all that
// end later.
func (m *sessions) link(i, after int32) {
	s := &m.all[i]
	next := m.heads[s.key]
	if after != none {
		next = m.all[after].next
	}
	for next != none && m.all[next].end > s.end {
		after, next = next, m.all[next].next
	}
	s.prev, s.next = after, next
	if next != none {
		m.all[next].prev = i
	}
	if after == none {
		m.heads[s.key] = i
	} else {
		m.all[after].next = i
	}
}

func (m *sessions) unlink(i int32) {
	s := &m.all[i]
	if s.next != none {
		m.all[s.next].prev = s.prev
	}
	if s.prev == none {
		m.heads[s.key] = s.next
	} else {
		m.all[s.prev].next = s.next
	}
}

// remove frees a session.
func (m *sessions) remove(i int32) {
	s := &m.all[i]
	m.dropStored(i)
	m.unlink(i)
	if m.heads[s.key] == none {
		m.live--
	}
	m.limit.closed(m.keys.Key(int(s.key)), 1)
	m.opened--
	m.comp.Free(s.slot)
	s.gen++
	m.free = append(m.free, i)
}

// compact rebuilds the key table once most of its keys have no session: it
// cannot remove them one by one.
func (m *sessions) compact() {
	const enough = 4096
	if m.keys.Len() < enough || m.keys.Len() < 2*m.live {
		return
	}
	keys, heads := m.spareKeys, m.spareHeads[:0]
	for n := range m.heads {
		if m.heads[n] == none {
			continue
		}
		number, _ := keys.Put(m.keys.Hash(n), 0, m.keys.Key(n))
		heads = append(heads, m.heads[n])
		for i := m.heads[n]; i != none; i = m.all[i].next {
			m.all[i].key = uint32(number)
		}
	}
	m.spareKeys, m.spareHeads = m.keys, m.heads
	m.spareKeys.Clear()
	m.keys, m.heads = keys, heads
}

// inOrder lists the open sessions that have a flag by their ends.
func (m *sessions) inOrder(flag sessionFlags) []int32 {
	var open []int32
	for n := range m.heads {
		for i := m.heads[n]; i != none; i = m.all[i].next {
			if m.all[i].flags&flag != 0 {
				open = append(open, i)
			}
		}
	}
	slices.SortFunc(open, func(a, b int32) int {
		x, y := &m.all[a], &m.all[b]
		return cmp.Or(cmp.Compare(x.end, y.end), cmp.Compare(x.start, y.start), cmp.Compare(x.seq, y.seq))
	})
	return open
}

func (m *sessions) tick() {
	m.flush()
	for _, i := range m.inOrder(sessionHasNew) {
		m.fire(i, m.byEvent(m.all[i].end))
	}
}

func (m *sessions) finish() {
	m.flush()
	m.correct()
	if m.plan.Def.Trigger.NoOnTime {
		return
	}
	for _, i := range m.inOrder(sessionOwed) {
		m.touch(i)
		m.all[i].flags &^= sessionOwed
		m.fire(i, result.OnTime)
	}
}

func (m *sessions) lastEnd() int64 {
	end := event.MinTime
	for n := range m.heads {
		for i := m.heads[n]; i != none; i = m.all[i].next {
			if m.all[i].flags&sessionOwed != 0 {
				end = max(end, m.all[i].end)
			}
		}
	}
	return end
}

func (m *sessions) open() int { return m.opened }

func (m *sessions) bytes() int {
	return m.liveBytes() + m.keys.Bytes() + 4*len(m.heads) + sessionBytes*m.opened + 32*len(m.timers)
}

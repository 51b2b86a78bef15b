package engine

import (
	"github.com/llm-optimizer/processor/internal/epoch"
)

// touch notes that a session is about to change. It comes before the change.
func (m *sessions) touch(i int32) {
	if m.keep == nil {
		return
	}
	s, side := &m.all[i], m.keep.side
	if s.flags&sessionChangedOn[side] != 0 {
		return
	}
	if s.flags&sessionChangedOn[1-side] != 0 {
		m.saveSession(i)
	}
	s.flags |= sessionChangedOn[side]
	m.keep.touched++
	m.unsaved[side] = append(m.unsaved[side], i)
}

// saveSession encodes a pending session into the epoch.
func (m *sessions) saveSession(i int32) {
	k, s := m.keep, &m.all[i]
	s.flags = s.flags&^sessionChangedOn[1-k.side] | sessionStored
	m.sessionKey(s)
	k.value = m.appendSession(epoch.Begin(k.value[:0]), s)
	k.set()
}

func (m *sessions) sessionKey(s *session) {
	m.keep.key = epoch.AppendWindowKey(m.keep.key[:0], m.plan.StateHash, epoch.KindSession, s.seq, m.keys.Key(int(s.key)))
}

// save implements merger. A session that is gone, or has been saved because it
// was about to change, has lost its mark; so has one that took its place.
func (m *sessions) save(n int) int {
	side := 1 - m.keep.side
	list := m.unsaved[side]
	for len(list) > 0 && n > 0 {
		i := list[len(list)-1]
		list = list[:len(list)-1]
		if m.all[i].flags&sessionChangedOn[side] != 0 {
			m.saveSession(i)
			n--
		}
	}
	m.unsaved[side] = list
	return n
}

// dropStored takes a session that dies out of durable state, once the epoch
// that is being encoded has it as it was.
func (m *sessions) dropStored(i int32) {
	if m.keep == nil {
		return
	}
	s := &m.all[i]
	if s.flags&sessionChangedOn[1-m.keep.side] != 0 {
		m.saveSession(i)
	}
	if s.flags&sessionStored != 0 {
		m.sessionKey(s)
		m.keep.next.Delete(m.keep.key)
	}
	s.flags = 0
}

package engine

import "github.com/llm-optimizer/processor/window"

// entry is the key under which the present pane counts an event: its own or,
// over a limit, that of the overflow group.
func (m *panes) entry(hash uint64, key []byte) (uint64, []byte) {
	if m.limit == nil {
		return hash, key
	}
	b := m.bucket(0)
	if b.keys.Find(hash, 0, key) >= 0 {
		return hash, key
	}
	m.findOpening(hash, key)
	if hash, key = m.admit(hash, key, len(m.opening)); b.keys.Find(hash, 0, key) >= 0 {
		return hash, key
	}
	m.openPane(key)
	return hash, key
}

// openPane counts the present pane as one that has a key, and the windows found
// as open for it.
func (m *panes) openPane(key []byte) {
	m.limit.opened(key, len(m.opening))
	if m.limit.over(key) {
		return
	}
	for _, s := range m.opening {
		s.keys++
	}
}

// entryOwn is the same for an event that joins, by the watermark it met, only
// some windows of the present pane.
func (m *panes) entryOwn(met int64, hash uint64, key []byte) (uint64, []byte) {
	opens := 0
	for w := m.pane.First; w <= m.pane.Last; w++ {
		if s := m.schedule(w); met < m.diesAt(s.End) && !m.isOpen(s, hash, key) {
			opens++
		}
	}
	return m.admit(hash, key, opens)
}

// isOpen reports whether a window has something of a key.
func (m *panes) isOpen(s *slidingWindow, hash uint64, key []byte) bool {
	if s.own != nil && s.own.keys.Find(hash, 0, key) >= 0 {
		return true
	}
	for _, b := range m.covering(s) {
		if b.keys.Find(hash, 0, key) >= 0 {
			return true
		}
	}
	return false
}

// findOpening lists the windows that a key that is new to the present pane would
// open: those that none of the key's other panes is in, of which the nearest
// before and behind decide, and that have nothing of the key beside panes.
func (m *panes) findOpening(hash uint64, key []byte) {
	m.opening = m.opening[:0]
	first, last := m.pane.First, m.pane.Last
	from, _ := m.assigner.Panes(first)
	if i := m.paneBefore(m.pane.Index-1, from, hash, key); i >= from {
		first = m.assigner.LastWindow(i) + 1
	}
	_, to := m.assigner.Panes(last)
	if i := m.paneAfter(m.pane.Index+1, to, hash, key); i <= to {
		for ; last >= first; last-- {
			if _, end := m.assigner.Panes(last); end < i {
				break
			}
		}
	}
	for w := first; w <= last; w++ {
		s := m.schedule(w)
		// A restored pane may have outlived its first windows.
		if m.now < m.diesAt(s.End) && (s.own == nil || s.own.keys.Find(hash, 0, key) < 0) {
			m.opening = append(m.opening, s)
		}
	}
}

// paneBefore is the last pane up to i that has a key, or less than from.
func (m *panes) paneBefore(i, from int64, hash uint64, key []byte) int64 {
	for i >= from {
		l := len(m.levels) - 1
		for l > 0 && (floorMod(i+1, m.levels[l].span) != 0 || m.has(l, i, hash, key)) {
			l--
		}
		if l == 0 && m.has(0, i, hash, key) {
			break
		}
		i -= m.levels[l].span
	}
	return i
}

// paneAfter is the first pane from i on that has a key, or more than to.
func (m *panes) paneAfter(i, to int64, hash uint64, key []byte) int64 {
	for i <= to {
		l := len(m.levels) - 1
		for l > 0 && (floorMod(i, m.levels[l].span) != 0 || m.has(l, i, hash, key)) {
			l--
		}
		if l == 0 && m.has(0, i, hash, key) {
			break
		}
		i += m.levels[l].span
	}
	return i
}

// has reports whether the bucket of a level that holds a pane has a key.
func (m *panes) has(l int, pane int64, hash uint64, key []byte) bool {
	lv := &m.levels[l]
	b := lv.buckets[window.FloorDiv(pane, lv.span)]
	return b != nil && b.keys.Find(hash, 0, key) >= 0
}

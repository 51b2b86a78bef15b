package engine

import (
	"errors"
	"slices"

	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/keytab"
)

// stored is a window of a key as durable state holds it. Its slices are valid
// during the call only.
type stored struct {
	kind    epoch.Kind
	time    int64
	hash    uint64
	key     []byte
	payload []byte
}

// Restore puts back a window that an earlier run has saved, before Run.
func (r *Runner) Restore(query int, kind epoch.Kind, time int64, key, payload []byte) error {
	e := stored{kind: kind, time: time, hash: keytab.Hash(key), key: key, payload: payload}
	s := r.shards[keytab.Shard(e.hash, len(r.shards))]
	if err := s.mergers[query].restore(&e); err != nil {
		return corrupt(err)
	}
	return nil
}

// Restored ends restoring.
func (r *Runner) Restored() {
	for _, s := range r.shards {
		for _, m := range s.mergers {
			if w, ok := m.(*windows); ok && r.cfg.EveryEvent {
				w.reorder()
			}
		}
		s.publish(exchange.Advance)
	}
}

// The reasons why a stored window is none of its query.
var (
	errKind     = errors.New("the query has no windows of that kind")
	errNoWindow = errors.New("no window of the query begins there")
	errNoState  = errors.New("it has no accumulators")
)

// restore implements merger.
func (m *windows) restore(e *stored) error {
	c, place, state, err := readCell(e.payload)
	switch {
	case err != nil:
		return err
	case e.kind != epoch.KindWindow:
		return errKind
	case state == nil:
		return errNoState
	}
	index, ok := m.assigner.StartingAt(e.time)
	if !ok {
		return errNoWindow
	}
	b := m.bucket(index)
	b.stored = true
	i, _ := b.keys.Put(e.hash, 0, e.key)
	c.slot = m.comp.Alloc()
	b.cells = append(b.cells, c)
	b.places = append(b.places, place)
	m.cells++
	m.limit.opened(b.keys.Key(i))
	return m.comp.LoadState(c.slot, state)
}

// reorder puts the keys of every window back into the order of their first
// events, which is the order of their rows.
func (m *windows) reorder() {
	for _, b := range m.byIndex {
		order := make([]int, len(b.cells))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(x, y int) int { return int(b.places[x]) - int(b.places[y]) })
		var keys keytab.Table
		cells := make([]cell, 0, len(b.cells))
		for _, i := range order {
			keys.Put(b.keys.Hash(i), 0, b.keys.Key(i))
			cells = append(cells, b.cells[i])
		}
		b.keys, b.cells, b.places = keys, cells, nil
	}
}

// restore implements merger. Panes are kept, and the levels above them made
// again.
func (m *panes) restore(e *stored) error {
	c, _, state, err := readCell(e.payload)
	switch {
	case err != nil:
		return err
	case e.kind == epoch.KindOwn:
		return m.restoreOwn(e, c, state)
	case e.kind != epoch.KindPane:
		return errKind
	case state == nil:
		return errNoState
	}
	if m.enter(e.time); m.pane.Start != e.time {
		return errNoWindow
	}
	pane := m.bucket(0)
	pane.stored = true
	i, _ := pane.keys.Put(e.hash, 0, e.key)
	c.slot = m.comp.Alloc()
	pane.cells = append(pane.cells, c)
	m.cells++
	m.limit.opened(pane.keys.Key(i))
	if err := m.comp.LoadState(c.slot, state); err != nil {
		return err
	}
	for l := 1; l < len(m.levels); l++ {
		m.comp.Merge([]uint32{m.slot(m.bucket(l), e.hash, e.key)}, m.comp, []uint32{c.slot})
	}
	return nil
}

func (m *panes) restoreOwn(e *stored, c cell, state []byte) error {
	index, ok := m.assigner.StartingAt(e.time)
	if !ok {
		return errNoWindow
	}
	own := m.own(m.schedule(index))
	own.stored = true
	own.keys.Put(e.hash, 0, e.key)
	if state != nil {
		c.slot = m.comp.Alloc()
	}
	own.cells = append(own.cells, c)
	if state == nil {
		return nil
	}
	return m.comp.LoadState(c.slot, state)
}

// restore implements merger.
func (m *sessions) restore(e *stored) error {
	s, state, err := readSession(e.payload)
	switch {
	case err != nil:
		return err
	case e.kind != epoch.KindSession:
		return errKind
	}
	number, isNew := m.keys.Put(e.hash, 0, e.key)
	if isNew {
		m.heads = append(m.heads, none)
	}
	s.seq = e.time
	s.flags |= sessionStored
	m.seq = max(m.seq, s.seq)
	i := m.place(number, s)
	m.schedule(i, m.due(&m.all[i]))
	return m.comp.LoadState(m.all[i].slot, state)
}

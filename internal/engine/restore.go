package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"

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

// Restoring puts the windows of an earlier run back, before Run. Each shard has
// a goroutine that loads its own, as loading costs more than reading. Add and
// then Wait are for one goroutine; Wait must be called.
type Restoring struct {
	r     *Runner
	lanes []restoreLane
	wait  sync.WaitGroup
	once  sync.Once
	err   error
}

// restoreLane is the way to one shard.
type restoreLane struct {
	block *restoreBlock
	full  chan *restoreBlock
	empty chan *restoreBlock
}

// restoreBlock is some windows on their way: their keys and payloads, back to
// back, in data.
type restoreBlock struct {
	items []restoreItem
	data  []byte
}

type restoreItem struct {
	query        int
	e            stored // without its slices
	key, payload int
}

// Restore begins to put windows back.
func (r *Runner) Restore() *Restoring {
	const blocks = 4 // on their way to a shard
	x := &Restoring{r: r, lanes: make([]restoreLane, len(r.shards))}
	for i := range x.lanes {
		l := &x.lanes[i]
		l.block = &restoreBlock{}
		l.full, l.empty = make(chan *restoreBlock, blocks), make(chan *restoreBlock, blocks+1)
		for range blocks {
			l.empty <- &restoreBlock{}
		}
		x.wait.Go(func() { x.load(r.shards[i], l) })
	}
	return x
}

// Add puts one window back, some time before Wait returns.
func (x *Restoring) Add(query int, kind epoch.Kind, time int64, key, payload []byte) {
	const enough = 64 << 10
	hash := keytab.Hash(key)
	l := &x.lanes[keytab.Shard(hash, len(x.lanes))]
	b := l.block
	b.items = append(b.items, restoreItem{query, stored{kind: kind, time: time, hash: hash}, len(key), len(payload)})
	b.data = append(append(b.data, key...), payload...)
	if len(b.data) >= enough {
		l.full <- b
		l.block = <-l.empty
	}
}

// Wait waits for all windows to be back.
func (x *Restoring) Wait() error {
	for i := range x.lanes {
		x.lanes[i].full <- x.lanes[i].block
		close(x.lanes[i].full)
	}
	x.wait.Wait()
	if x.err != nil {
		return x.err
	}
	for _, s := range x.r.shards {
		for _, m := range s.mergers {
			if w, ok := m.(*windows); ok && x.r.cfg.EveryEvent {
				w.reorder()
			}
		}
		s.publish(exchange.Advance, 0)
	}
	return nil
}

// load loads what comes for one shard; after an error it only empties blocks.
func (x *Restoring) load(s *shard, l *restoreLane) {
	var err error
	for b := range l.full {
		at := 0
		for i := range b.items {
			it := &b.items[i]
			it.e.key, it.e.payload = b.data[at:at+it.key], b.data[at+it.key:at+it.key+it.payload]
			at += it.key + it.payload
			if err == nil {
				err = s.restore(it.query, &it.e)
			}
		}
		b.items, b.data = b.items[:0], b.data[:0]
		l.empty <- b
	}
	if err != nil {
		x.once.Do(func() { x.err = err })
	}
}

// restore puts one window back, or says which one it could not.
func (s *shard) restore(query int, e *stored) error {
	m := s.mergers[query]
	if err := m.restore(e); err != nil {
		hash := s.hashes[query]
		return fmt.Errorf("%s: %w", epoch.DescribeKey(epoch.AppendWindowKey(nil, hash, e.kind, e.time, e.key)), corrupt(err))
	}
	return nil
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
	m.limit.opened(b.keys.Key(i), 1)
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
	if !m.assigner.Fits(e.time) {
		return errNoWindow
	}
	if m.enter(e.time); m.pane.Start != e.time {
		return errNoWindow
	}
	pane := m.bucket(0)
	pane.stored = true
	if m.limit != nil {
		m.findOpening(e.hash, e.key)
		m.openPane(e.key)
	}
	pane.keys.Put(e.hash, 0, e.key)
	c.slot = m.comp.Alloc()
	pane.cells = append(pane.cells, c)
	m.cells++
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
	s := m.schedule(index)
	if state != nil {
		c.slot = m.comp.Alloc()
	}
	at := m.ownCell(s, e.hash, e.key)
	s.own.stored = true
	s.own.cells[at] = c
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

package epoch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/state"
)

// Facts are all that decides how a run begins.
type Facts struct {
	// Store names the store in messages.
	Store string
	// Snapshot is what the store holds, Err why that cannot be known; then
	// Snapshot is ignored. Err may come from windows and rows, too.
	Snapshot *Snapshot
	Err      error
	// Checkpoints may be restored, oldest first: not those that were tried
	// already.
	Checkpoints []string

	// Pipeline, Queries and Sinks are what is configured. Of a query only Name
	// and Hash are read; Sinks are names.
	Pipeline string
	Queries  []Query
	Sinks    []string
	// Since is what a query of a new state has for its Since.
	Since int64
	// MaxOutOfOrderness is the bound of disorder in nanoseconds.
	MaxOutOfOrderness int64

	// Fresh asks to begin anew, RestoreCorrupt to restore a checkpoint if the
	// store is damaged.
	Fresh, RestoreCorrupt bool
	// DropSinks are sinks whose rows that were not delivered may be lost.
	DropSinks []string
}

// Action is how a run begins.
type Action uint8

// The actions.
const (
	// Refuse ends the run before it has touched anything.
	Refuse Action = iota
	// Start begins a new state.
	Start
	// Resume goes on where the last epoch ended.
	Resume
	// Restore puts a checkpoint in place of the store; then the facts are other
	// ones and are to be decided on again. A sink that holds a later epoch than
	// the checkpoint refuses then: whether rows may come twice is for the user
	// to say.
	Restore
)

// String names the action.
func (a Action) String() string { return [...]string{"refuse", "start", "resume", "restore"}[a] }

// Decision is how a run begins, and what becomes of what the state knows.
type Decision struct {
	Action Action
	// Reason says why a run is refused, and the way on.
	Reason error
	// Checkpoint is the one to restore.
	Checkpoint string
	// MoveAside: before a new state begins, Store.Reset moves the old one away.
	MoveAside bool

	// Queries are those that are configured, in that order.
	Queries []Known
	// DropQueries are those of the state that are not configured any more,
	// changed ones as they were.
	DropQueries []Query
	// DropPlaces are the names of sinks to forget. One that the state does not
	// know begins at the present epoch.
	DropPlaces []string
	// Lost are the sinks that are dropped, or left behind by a new state, with
	// rows that were not delivered.
	Lost []Behind
}

// Known is a configured query and what the state knows of it.
type Known struct {
	// Query has the ledger so far. Since of a new or changed one is the
	// greatest event time that was read before it.
	Query
	// Change says what it is to the state.
	Change Change
}

// Change says what a query is to a state.
type Change uint8

// The changes.
const (
	// Kept: the state has it, with the same definition.
	Kept Change = iota
	// New: the state has none of that name.
	New
	// Changed: the state has one of that name with another definition, of
	// which nothing can be used.
	Changed
)

// String names the change.
func (c Change) String() string { return [...]string{"kept", "new", "changed"}[c] }

// Behind is a sink to which rows were not delivered.
type Behind struct {
	Sink string
	// First and Last are the epochs between which its rows are.
	First, Last uint64
}

func (b Behind) String() string {
	if b.First == b.Last {
		return fmt.Sprintf("sink %q lacks the rows of epoch %d", b.Sink, b.First)
	}
	return fmt.Sprintf("sink %q lacks the rows of %d epochs (%d to %d)", b.Sink, b.Last-b.First+1, b.First, b.Last)
}

// Behind returns the sinks that lack rows, in the order of their names.
func (s *Snapshot) Behind() []Behind {
	var list []Behind
	for name, p := range s.Places {
		if b := (Behind{name, max(p.Epoch+1, s.OutboxFirst), s.OutboxLast}); b.First <= b.Last {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(x, y Behind) int { return strings.Compare(x.Sink, y.Sink) })
	return list
}

// Decide says how a run begins. It only thinks.
func Decide(f *Facts) Decision {
	switch {
	case f.Err != nil:
		return f.unreadable()
	case f.Snapshot.Header == nil:
		return f.start(false)
	case f.Snapshot.Header.Pipeline != f.Pipeline:
		return refuse("%s holds the state of the pipeline %q, this one is %q: give each a state.path of its own, or move that one away",
			f.Store, f.Snapshot.Header.Pipeline, f.Pipeline)
	case f.Fresh:
		return f.start(true)
	default:
		return f.resume()
	}
}

func refuse(format string, args ...any) Decision {
	return Decision{Reason: fmt.Errorf(format, args...)}
}

// unreadable decides about a store that cannot be read.
func (f *Facts) unreadable() Decision {
	damaged, foreign := errors.Is(f.Err, state.ErrCorrupt), errors.Is(f.Err, state.ErrVersion)
	last := len(f.Checkpoints) - 1
	switch {
	case f.Fresh && (damaged || foreign):
		return f.start(true)
	case foreign:
		return refuse("the state in %s: %w: run the version of the program that wrote it, or begin anew with --fresh", f.Store, f.Err)
	case !damaged:
		return refuse("the state in %s: %w", f.Store, f.Err)
	case last < 0:
		return refuse("the state in %s: %w: there is no checkpoint to restore; begin anew with --fresh", f.Store, f.Err)
	case f.RestoreCorrupt:
		return Decision{Action: Restore, Checkpoint: f.Checkpoints[last]}
	default:
		return refuse("the state in %s: %w: restore the checkpoint %s with `processor state restore`, or set state.on_corruption: restore, or begin anew with --fresh",
			f.Store, f.Err, f.Checkpoints[last])
	}
}

// start begins a new state.
func (f *Facts) start(aside bool) Decision {
	if len(f.DropSinks) > 0 {
		return refuse("--drop-sink %s: a state that begins anew knows no sinks: leave it out", f.DropSinks[0])
	}
	d := Decision{Action: Start, MoveAside: aside}
	for _, q := range f.Queries {
		d.Queries = append(d.Queries, Known{Query{Name: q.Name, Hash: q.Hash, Since: f.Since}, New})
	}
	if aside && f.Err == nil {
		d.Lost = f.Snapshot.Behind()
	}
	return d
}

// resume goes on with a state.
func (f *Facts) resume() Decision {
	d := Decision{Action: Resume}
	if err := f.sinks(&d); err != nil {
		return Decision{Reason: err}
	}
	f.queries(&d)
	return d
}

// sinks compares the sinks that are configured with those of the state.
func (f *Facts) sinks(d *Decision) error {
	s := f.Snapshot
	for _, name := range f.DropSinks {
		if _, ok := s.Places[name]; !ok {
			return fmt.Errorf("--drop-sink %s: the state in %s knows no sink of that name%s", name, f.Store, s.sinkNames())
		}
		if slices.Contains(f.Sinks, name) {
			return fmt.Errorf("--drop-sink %s: that sink is still configured: take it out, or leave the flag out", name)
		}
	}
	for _, b := range s.Behind() {
		if slices.Contains(f.Sinks, b.Sink) {
			continue
		}
		if !slices.Contains(f.DropSinks, b.Sink) {
			return fmt.Errorf("%s and is not configured any more: configure it again under that name, or give its rows up with --drop-sink %s", b, b.Sink)
		}
		d.Lost = append(d.Lost, b)
	}
	for name := range s.Places {
		if !slices.Contains(f.Sinks, name) {
			d.DropPlaces = append(d.DropPlaces, name)
		}
	}
	slices.Sort(d.DropPlaces)
	return nil
}

// sinkNames lists the sinks that the state knows, for the end of a message.
func (s *Snapshot) sinkNames() string {
	if len(s.Places) == 0 {
		return ""
	}
	var names []string
	for name := range s.Places {
		names = append(names, name)
	}
	slices.Sort(names)
	return "; it knows " + strings.Join(names, ", ")
}

// queries compares the queries that are configured with those of the state.
func (f *Facts) queries(d *Decision) {
	used := make([]bool, len(f.Snapshot.Record.Queries))
	since := f.Snapshot.since(f.MaxOutOfOrderness)
	for _, q := range f.Queries {
		k := Known{Query{Name: q.Name, Hash: q.Hash, Since: since}, New}
		for i, old := range f.Snapshot.Record.Queries {
			switch {
			case old.Name != q.Name:
			case old.Hash == q.Hash:
				k, used[i] = Known{old, Kept}, true
			case k.Change == New:
				k.Change = Changed
			}
		}
		d.Queries = append(d.Queries, k)
	}
	for i, old := range f.Snapshot.Record.Queries {
		if !used[i] {
			d.DropQueries = append(d.DropQueries, old)
		}
	}
}

// since returns the greatest event time that was read, event.MinTime if no
// partition has a watermark: a watermark is that far behind it.
func (s *Snapshot) since(bound int64) int64 {
	most := event.MinTime
	for _, p := range s.Partitions {
		if p.Watermark != event.MinTime {
			most = max(most, event.AddSat(event.AddSat(p.Watermark, bound), 1))
		}
	}
	return most
}

package epoch

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/state"
)

// exampleFacts are those of a state at epoch 10 that has the rows of epochs 4
// to 9, and of a configuration that fits.
func exampleFacts() *Facts {
	return &Facts{
		Store: "state/p", Pipeline: "p", MaxOutOfOrderness: 5e9,
		Queries: []Query{{Name: "a", Hash: 1}, {Name: "b", Hash: 2}},
		Sinks:   []string{"file", "stdout"},
		Snapshot: &Snapshot{
			Header:      &Header{Pipeline: "p"},
			Record:      Record{Number: 10, Queries: []Query{{Name: "a", Hash: 1, Since: event.MinTime, Counts: Counts{Read: 7}}, {Name: "b", Hash: 2, Since: 3}}},
			Places:      map[string]Place{"file": {Sink: "file", Epoch: 9, Token: []byte{1}}, "stdout": {Sink: "stdout", Epoch: 10}},
			OutboxFirst: 4, OutboxLast: 9,
		},
	}
}

func corruptError() error {
	return corrupt(partitionKey(7), errors.New("its checksum is 1, not 2"))
}

// describe writes a decision as one text.
func describe(d Decision) string {
	parts := []string{d.Action.String()}
	add := func(ok bool, format string, args ...any) {
		if ok {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(d.Reason != nil, "%v", d.Reason)
	add(d.Checkpoint != "", "from %s", d.Checkpoint)
	add(d.MoveAside, "aside")
	for _, q := range d.Queries {
		add(true, "%s %s", q.Name, q.Change)
	}
	for _, q := range d.DropQueries {
		add(true, "drop query %s %d", q.Name, q.Hash)
	}
	for _, name := range d.DropPlaces {
		add(true, "drop sink %s", name)
	}
	for _, b := range d.Lost {
		add(true, "%s", b)
	}
	return strings.Join(parts, "; ")
}

func TestDecide(t *testing.T) {
	const anew = "; a new; b new"
	for name, c := range map[string]struct {
		change func(f *Facts)
		want   string
	}{
		"resume":                     {func(*Facts) {}, "resume; a kept; b kept"},
		"an empty store":             {func(f *Facts) { f.Snapshot = &Snapshot{} }, "start" + anew},
		"an empty store and --fresh": {func(f *Facts) { f.Snapshot, f.Fresh = &Snapshot{}, true }, "start" + anew},
		"an empty store and --drop-sink": {func(f *Facts) { f.Snapshot, f.DropSinks = &Snapshot{}, []string{"old"} },
			"refuse; --drop-sink old: a state that begins anew knows no sinks: leave it out"},
		"fresh": {func(f *Facts) { f.Fresh = true },
			"start; aside" + anew},
		"fresh with rows that were not delivered": {func(f *Facts) { f.Fresh, f.Snapshot.Places["file"] = true, Place{Sink: "file", Epoch: 8} },
			"start; aside" + anew + `; sink "file" lacks the rows of epoch 9`},
		"fresh with two sinks behind": {func(f *Facts) {
			f.Fresh, f.Snapshot.Places = true, map[string]Place{"x": {Sink: "x", Epoch: 8}, "a": {Sink: "a"}}
		},
			"start; aside" + anew + `; sink "a" lacks the rows of 6 epochs (4 to 9); sink "x" lacks the rows of epoch 9`},
		"fresh and --drop-sink": {func(f *Facts) { f.Fresh, f.DropSinks = true, []string{"file"} },
			"refuse; --drop-sink file: a state that begins anew knows no sinks: leave it out"},

		"another pipeline": {func(f *Facts) { f.Pipeline = "q" },
			`refuse; state/p holds the state of the pipeline "p", this one is "q": give each a state.path of its own, or move that one away`},
		"another pipeline and --fresh": {func(f *Facts) { f.Pipeline, f.Fresh = "q", true },
			`refuse; state/p holds the state of the pipeline "p", this one is "q": give each a state.path of its own, or move that one away`},

		"a newer format": {func(f *Facts) { f.Err = fmt.Errorf("%w 9", state.ErrVersion) },
			"refuse; the state in state/p: unknown format version 9: run the version of the program that wrote it, or begin anew with --fresh"},
		"a newer format with checkpoints to restore": {func(f *Facts) {
			f.Err, f.RestoreCorrupt, f.Checkpoints = fmt.Errorf("%w 9", state.ErrVersion), true, []string{"c1"}
		}, "refuse; the state in state/p: unknown format version 9: run the version of the program that wrote it, or begin anew with --fresh"},
		"a newer format and --fresh": {func(f *Facts) { f.Err, f.Fresh = state.ErrVersion, true }, "start; aside" + anew},

		"damage": {func(f *Facts) { f.Err, f.Checkpoints = corruptError(), []string{"c1", "c2"} },
			"refuse; the state in state/p: partition 7: corrupt: its checksum is 1, not 2: restore the checkpoint c2 with `processor state restore`, or set state.on_corruption: restore, or begin anew with --fresh"},
		"damage without a checkpoint": {func(f *Facts) { f.Err, f.RestoreCorrupt = corruptError(), true },
			"refuse; the state in state/p: partition 7: corrupt: its checksum is 1, not 2: there is no checkpoint to restore; begin anew with --fresh"},
		"damage, restoring": {func(f *Facts) { f.Err, f.RestoreCorrupt, f.Checkpoints = corruptError(), true, []string{"c1", "c2"} },
			"restore; from c2"},
		"damage and --fresh": {func(f *Facts) {
			f.Err, f.RestoreCorrupt, f.Checkpoints, f.Fresh, f.Snapshot = corruptError(), true, []string{"c1"}, true, nil
		}, "start; aside" + anew},
		"damage, --fresh and --drop-sink": {func(f *Facts) { f.Err, f.Fresh, f.DropSinks = corruptError(), true, []string{"x"} },
			"refuse; --drop-sink x: a state that begins anew knows no sinks: leave it out"},
		"another error": {func(f *Facts) { f.Err, f.RestoreCorrupt, f.Checkpoints = state.ErrInUse, true, []string{"c1"} },
			"refuse; the state in state/p: in use by another process"},
		"another error and --fresh": {func(f *Facts) { f.Err, f.Fresh = state.ErrInUse, true },
			"refuse; the state in state/p: in use by another process"},

		"a new query":              {func(f *Facts) { f.Queries = append(f.Queries, Query{Name: "c", Hash: 3}) }, "resume; a kept; b kept; c new"},
		"a changed query":          {func(f *Facts) { f.Queries[0].Hash = 9 }, "resume; a changed; b kept; drop query a 1"},
		"a query that is gone":     {func(f *Facts) { f.Queries = f.Queries[1:] }, "resume; b kept; drop query a 1"},
		"queries in another order": {func(f *Facts) { f.Queries[0], f.Queries[1] = f.Queries[1], f.Queries[0] }, "resume; b kept; a kept"},

		"a new sink":                            {func(f *Facts) { f.Sinks = append(f.Sinks, "kafka") }, "resume; a kept; b kept"},
		"a sink that is gone and lacks nothing": {func(f *Facts) { f.Sinks = []string{"stdout"} }, "resume; a kept; b kept; drop sink file"},
		"a sink that is gone and lacks rows": {func(f *Facts) { f.Sinks, f.Snapshot.Places["file"] = []string{"stdout"}, Place{Sink: "file", Epoch: 6} },
			`refuse; sink "file" lacks the rows of 3 epochs (7 to 9) and is not configured any more: configure it again under that name, or give its rows up with --drop-sink file`},
		"a sink that lacks rows of which the first are gone": {func(f *Facts) { f.Sinks, f.Snapshot.Places["file"] = []string{"stdout"}, Place{Sink: "file", Epoch: 1} },
			`refuse; sink "file" lacks the rows of 6 epochs (4 to 9) and is not configured any more: configure it again under that name, or give its rows up with --drop-sink file`},
		"a sink that is dropped with its rows": {func(f *Facts) {
			f.Sinks, f.DropSinks, f.Snapshot.Places["file"] = []string{"stdout"}, []string{"file"}, Place{Sink: "file", Epoch: 8}
		}, `resume; a kept; b kept; drop sink file; sink "file" lacks the rows of epoch 9`},
		"a sink that is dropped and lacks nothing": {func(f *Facts) { f.Sinks, f.DropSinks = []string{"stdout"}, []string{"file"} },
			"resume; a kept; b kept; drop sink file"},
		"a sink that lacks nothing as there are no rows": {func(f *Facts) {
			f.Sinks, f.Snapshot.Places["file"] = []string{"stdout"}, Place{Sink: "file", Epoch: 2}
			f.Snapshot.OutboxFirst, f.Snapshot.OutboxLast = 0, 0
		}, "resume; a kept; b kept; drop sink file"},
		"a sink that nobody knows is dropped": {func(f *Facts) { f.DropSinks = []string{"fille"} },
			"refuse; --drop-sink fille: the state in state/p knows no sink of that name; it knows file, stdout"},
		"a sink is dropped and nobody knows any": {func(f *Facts) { f.DropSinks, f.Snapshot.Places = []string{"fille"}, nil },
			"refuse; --drop-sink fille: the state in state/p knows no sink of that name"},
		"a sink that is configured is dropped": {func(f *Facts) { f.DropSinks = []string{"file"} },
			"refuse; --drop-sink file: that sink is still configured: take it out, or leave the flag out"},
		"a sink is renamed": {func(f *Facts) { f.Sinks = []string{"out", "stdout"} }, "resume; a kept; b kept; drop sink file"},
	} {
		f := exampleFacts()
		c.change(f)
		if got := describe(Decide(f)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// TestReasonsWrapTheirCause: a caller can tell damage from a store in use.
func TestReasonsWrapTheirCause(t *testing.T) {
	for _, cause := range []error{state.ErrCorrupt, state.ErrVersion, state.ErrInUse} {
		f := exampleFacts()
		f.Err = fmt.Errorf("%w", cause)
		if d := Decide(f); !errors.Is(d.Reason, cause) {
			t.Errorf("the reason %v hides %v", d.Reason, cause)
		}
	}
}

// TestKeptQueriesKeepTheirLedger, others begin with nothing.
func TestKeptQueriesKeepTheirLedger(t *testing.T) {
	f := exampleFacts()
	f.Queries[1].Hash = 5
	f.Snapshot.Partitions = []Partition{{Watermark: 100}, {ID: 1, Watermark: event.MinTime}, {ID: 2, Watermark: 90}}
	d := Decide(f)
	if kept := d.Queries[0].Query; kept != f.Snapshot.Record.Queries[0] {
		t.Errorf("a kept query has %+v", kept)
	}
	if changed := (d.Queries[1].Query); changed != (Query{Name: "b", Hash: 5, Since: 100 + 5e9 + 1}) {
		t.Errorf("a changed query has %+v", changed)
	}
}

func TestSince(t *testing.T) {
	for _, c := range []struct {
		watermarks []int64
		bound      int64
		want       int64
	}{
		{nil, 5, event.MinTime},
		{[]int64{event.MinTime, event.MinTime}, 5, event.MinTime},
		{[]int64{10, 30, 20}, 5, 36},
		{[]int64{event.MinTime, -100}, 5, -94},
		{[]int64{event.MaxTime - 3}, 5, event.MaxTime},
		{[]int64{event.MaxTime}, 0, event.MaxTime},
		{[]int64{event.MinTime + 1}, 0, event.MinTime + 2},
		{[]int64{1}, math.MaxInt64, event.MaxTime},
	} {
		var s Snapshot
		for _, w := range c.watermarks {
			s.Partitions = append(s.Partitions, Partition{Watermark: w})
		}
		if got := s.since(c.bound); got != c.want {
			t.Errorf("watermarks %v with a bound of %d: %d, want %d", c.watermarks, c.bound, got, c.want)
		}
	}
}

package simtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/state"
)

// worn is a machine after some lives, with a table that gets the results too,
// and with the files of its state as they were after each life.
type worn struct {
	*machine
	table taken
	older []tree
	// whole says that no life has lost what was not synced.
	whole bool
}

// taken is a table that may be taken over.
type taken struct {
	table
	// found is the newest epoch of the state that it was asked to resume with.
	found uint64
}

// errAhead is what the table says to a state that is behind it.
var errAhead = errors.New("start once with --redeliver")

// isAhead reports whether a sink has refused a state that is behind it, or
// knows nothing of it.
func isAhead(err error) bool {
	return errors.Is(err, errAhead) || err != nil && strings.Contains(err.Error(), "the state knows nothing of it")
}

// Resume takes the table over if that is asked for.
func (s *taken) Resume(ctx context.Context, m sink.Mark, newest uint64, redeliver bool) (uint64, error) {
	s.found = newest
	held, err := s.table.Resume(ctx, m, newest, redeliver)
	switch {
	case err == nil:
		return held, nil
	case redeliver:
		s.mark = m
		return m.Epoch, nil
	}
	return 0, fmt.Errorf("%w: %w", errAhead, err)
}

// wear lets a machine live some lives, all of which may end with the power, and
// in which checkpoints are made.
func wear(t *rapid.T) *worn {
	p := drawProgram(t, onePartition(t))
	w := &worn{machine: newMachine(t, &p), whole: true}
	for range rapid.IntRange(1, 3).Draw(t, "lives") {
		percent := rapid.SampledFrom([]int{100, 100, 100, 100, 0, 50}).Draw(t, "kept")
		w.whole = w.whole && percent == 100
		every := rapid.SampledFrom([]time.Duration{0, time.Millisecond}).Draw(t, "every")
		w.losing(t, pipeline.EveryEvent, percent, func(spec *pipeline.Spec) {
			w.addTable(spec)
			spec.State.CheckpointEvery = every
		})
		w.older = append(w.older, w.stateTree(t))
		if rapid.Bool().Draw(t, "checkpoint") {
			w.checkpoint(t)
		}
	}
	w.disks = w.copied()
	return w
}

// addTable adds the table to the sinks.
func (w *worn) addTable(spec *pipeline.Spec) {
	spec.Sinks = append(spec.Sinks, sink.Config{Name: "table", Sink: &w.table})
}

// checkpoint makes a checkpoint while nothing runs, as an operator does, if
// there is a state.
func (w *worn) checkpoint(t *rapid.T) {
	if _, ok := w.stateTree(t)["state/db/GUARD"]; !ok {
		return
	}
	store := w.store(nil)
	db, err := store.Open(t.Context())
	if err != nil {
		t.Fatalf("open: %v\n%v", err, w)
	}
	err = pipeline.Checkpoint(t.Context(), store, db.(state.Checkpointer), time.Now(), 3)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatalf("checkpoint: %v\n%v", err, w)
	}
}

// begin runs the program on to the end of its input.
func (w *worn) begin(t *rapid.T, how pipeline.OnCorruption, redeliver bool) error {
	spec, _, slow := w.draw(t, pipeline.EveryEvent, nil)
	w.addTable(&spec)
	spec.State.OnCorruption, spec.State.Redeliver = how, redeliver
	_, err := w.run(t, spec, 0, slow)
	w.told = append(w.told, fmt.Sprintf("%s, redeliver %v: %v", how, redeliver, err))
	return err
}

// exact compares what the files and the table hold with an undisturbed run;
// the table may hold rows again.
func (w *worn) exact(t *rapid.T, again bool) {
	run, wrong := w.lines.run(w.disks)
	wrong.report(t, w.p, w)
	summary, err := w.run(t, w.spec(drawSetting(t, pipeline.EveryEvent), w.store(nil), nil), 0, 0)
	if err != nil {
		t.Fatalf("the last run: %v\n%v\n%v", err, w.p, w)
	}
	run.Summary = summary
	exactly(t, w.machine, run)
	w.compareTable(run.Rows, again).report(t, w.p, w)
}

// compareTable wants each row in the table, and no other one: once, or where
// it was taken over at least once, with the right one last.
func (w *worn) compareTable(want []result.Result, again bool) (d differences) {
	times, last := map[string]int{}, map[string]string{}
	for _, r := range w.table.Results {
		text := string(r.AppendJSON(nil, false))
		times[text]++
		last[string(r.WindowID(nil))] = text
	}
	right := map[string]string{}
	for _, r := range want {
		text := string(r.AppendJSON(nil, false))
		right[string(r.WindowID(nil))] = text
		if times[text] == 0 || times[text] > 1 && !again {
			d.add("the table holds %d times %s", times[text], text)
		}
		delete(times, text)
	}
	for text, n := range times {
		d.add("the table holds %d times what is no row: %s", n, text)
	}
	for id, text := range last {
		if right[id] != text {
			d.add("the last row of %s in the table is %s, not %s", id, text, right[id])
		}
	}
	return d
}

// outcomes counts how damaged states are met, so that a property that tests
// nothing is seen.
type outcomes struct {
	mu    sync.Mutex
	total int
	count map[string]map[string]int
}

func (o *outcomes) add(i injury, what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count == nil {
		o.count = map[string]map[string]int{}
	}
	if o.count[what] == nil {
		o.count[what] = map[string]int{}
	}
	o.count[what][i.what+" "+i.class]++
	o.total++
}

// want fails unless each outcome was seen, of many.
func (o *outcomes) want(t *testing.T, all ...string) {
	for what, by := range o.count {
		t.Logf("%s: %v", what, by)
	}
	for _, what := range all {
		if o.total >= 50 && len(o.count[what]) == 0 {
			t.Errorf("no damage was ever met like this: %s", what)
		}
	}
}

// A state with a damaged file is refused, and nothing of it is changed; or it
// goes on and the outputs are exact. Where the end of the log of a machine
// that has lost its power is cut off, nobody can tell: then the state goes on
// from an epoch before, and a sink that knows of later ones refuses.
func TestDamagedStateIsRefused(t *testing.T) {
	var seen outcomes
	rapid.Check(t, func(t *rapid.T) {
		w := wear(t)
		i, ok := w.damage(t, rapid.SampledFrom([]string{"db .log", "db .log", "db MANIFEST", "db ", "db ", "checkpoints "}).Draw(t, "place"), w.older)
		if !ok {
			return
		}
		w.told = append(w.told, i.String())
		before, files := w.stateTree(t), w.outputTree()
		rows, newest := len(w.table.Results), w.newest
		err := w.begin(t, pipeline.FailOnCorruption, false)
		if strings.Contains(diff(nil, w.stateTree(t)), asidePrefix) {
			t.Fatalf("a checkpoint was restored that nobody asked for\n%v\n%v", w.p, w)
		}
		switch {
		case err == nil:
			if w.table.found < newest {
				w.unnoticed(t, i)
			}
			seen.add(i, "goes on")
			w.exact(t, false)
		case isAhead(err):
			seen.add(i, "goes back unnoticed")
			w.unchanged(t, files)
			w.unnoticed(t, i)
			w.takeOver(t, err, pipeline.FailOnCorruption)
		case errors.Is(err, state.ErrCorrupt), errors.Is(err, state.ErrVersion):
			seen.add(i, "refused")
			after := w.stateTree(t)
			if strings.HasSuffix(i.class, ".sst") {
				// It is found by who reads it, and the state is open then.
				maps.DeleteFunc(before, ofDatabase)
				maps.DeleteFunc(after, ofDatabase)
			}
			if d := diff(files, w.outputTree()) + diff(before, after); d != "" || rows != len(w.table.Results) {
				t.Fatalf("a start that was refused has changed %s\n%v\n%v", d, w.p, w)
			}
			w.mend(t, i)
			if err := w.begin(t, pipeline.FailOnCorruption, false); err != nil {
				t.Fatalf("after it was mended: %v\n%v\n%v", err, w.p, w)
			}
			w.exact(t, false)
		default:
			t.Fatalf("the error is none of damage: %v\n%v\n%v", err, w.p, w)
		}
	})
	seen.want(t, "goes on", "refused")
}

func ofDatabase(name, _ string) bool { return strings.HasPrefix(name, "state/db/") }

// asidePrefix is what the folders begin with that are moved aside.
const asidePrefix = "state/db.aside-"

// unnoticed refuses a state that went back without a word, unless what was
// damaged is the end of a log that may have been lost as well.
func (w *worn) unnoticed(t *rapid.T, i injury) {
	if w.whole || i.class != "db .log" {
		t.Fatalf("a state goes back unnoticed, from epoch %d to %d\n%v\n%v", w.newest, w.table.found, w.p, w)
	}
}

// unchanged wants the outputs as they were.
func (w *worn) unchanged(t *rapid.T, files tree) {
	if d := diff(files, w.outputTree()); d != "" {
		t.Fatalf("a start that was refused has changed outputs: %s\n%v\n%v", d, w.p, w)
	}
}

// takeOver goes on after the table has refused, which then holds each row at
// least once. Where there is nothing in the state the files refuse all the
// same, and whoever sees that begins anew.
func (w *worn) takeOver(t *rapid.T, refused error, how pipeline.OnCorruption) {
	if errors.Is(refused, errAhead) {
		refused = w.begin(t, how, true)
	}
	switch {
	case refused == nil:
		w.exact(t, true)
	case !isAhead(refused):
		t.Fatalf("run: %v\n%v\n%v", refused, w.p, w)
	}
}

// diff names what differs between two trees.
func diff(before, after tree) string {
	var b strings.Builder
	for name, held := range before {
		if now, ok := after[name]; !ok {
			fmt.Fprintf(&b, " -%s", name)
		} else if now != held {
			fmt.Fprintf(&b, " %s", name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			fmt.Fprintf(&b, " +%s", name)
		}
	}
	return b.String()
}

// A damaged state goes back to the newest checkpoint that is whole, and files
// with it. The table cannot: it refuses until it is taken over, and then holds
// each row at least once.
func TestDamagedStateGoesBack(t *testing.T) {
	var seen outcomes
	rapid.Check(t, func(t *rapid.T) {
		w := wear(t)
		checkpoints, err := w.store(nil).Checkpoints(t.Context())
		if err != nil {
			t.Fatalf("checkpoints: %v", err)
		}
		i, ok := w.damage(t, "db ", w.older)
		if !ok {
			return
		}
		w.told = append(w.told, i.String())
		if rapid.IntRange(0, 2).Draw(t, "a checkpoint, too") == 0 {
			if more, ok := w.damage(t, "checkpoints ", w.older); ok {
				w.told = append(w.told, more.String())
				maps.Copy(i.was, more.was)
			}
		}
		whole := slices.DeleteFunc(checkpoints, i.harms)
		files := w.outputTree()
		err = w.begin(t, pipeline.RestoreOnCorruption, false)
		switch {
		case err == nil:
			how := "goes on"
			if strings.Contains(diff(nil, w.stateTree(t)), asidePrefix) {
				how = "restored"
			}
			seen.add(i, how)
			w.exact(t, false)
		case errors.Is(err, state.ErrCorrupt) && strings.Contains(err.Error(), "there is no checkpoint to restore"):
			seen.add(i, "refused")
			if len(whole) > 0 {
				t.Fatalf("the checkpoints %v are whole: %v\n%v\n%v", whole, err, w.p, w)
			}
			w.unchanged(t, files)
		case isAhead(err):
			seen.add(i, "taken over")
			w.unchanged(t, files)
			w.takeOver(t, err, pipeline.RestoreOnCorruption)
		default:
			t.Fatalf("run: %v\n%v\n%v", err, w.p, w)
		}
	})
	seen.want(t, "goes on", "restored", "refused")
}

package delivery

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/result"
)

// early is a delivery at least once to one slow sink, and rows that are numbered
// in the order in which they are made.
type early struct {
	t    *testing.T
	d    *Delivery
	sink recorder
	made []string
	// epochs are the rows of the epochs that are not committed yet.
	epochs [][]string
	newest uint64
}

func newEarly(t *testing.T, pending ...[]string) *early {
	t.Helper()
	e := &early{t: t, sink: recorder{blocked: make(chan struct{}, 1000)}, newest: uint64(len(pending))}
	e.d = New([]Lane{laneTo(Results, &e.sink)}, func(err error) { t.Error(err) })
	o := Outbox{Newest: e.newest, Early: true}
	for i, rows := range pending {
		o.Pending = append(o.Pending, Pending{uint64(i) + 1, 1})
		e.made = append(e.made, rows...)
	}
	o.Places = placesAt("test", 0)
	o.Read = func(_ context.Context, n uint64, fn func(*result.Batch) error) error {
		if n <= uint64(len(pending)) {
			return fn(batch(e.d, pending[n-1]...))
		}
		return fmt.Errorf("nothing is known of epoch %d", n)
	}
	if err := e.d.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.d.Resume(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	e.d.Run(context.Background())
	return e
}

// emit makes rows of the epoch that is so many after the next one to commit.
func (e *early) emit(ahead, rows int) {
	for len(e.epochs) <= ahead {
		e.epochs = append(e.epochs, nil)
	}
	for range rows {
		row := fmt.Sprint("row ", len(e.made))
		e.made, e.epochs[ahead] = append(e.made, row), append(e.epochs[ahead], row)
		if err := e.d.Send(e.t.Context(), batch(e.d, row)); err != nil {
			e.t.Fatal(err)
		}
	}
}

func (e *early) commit() {
	e.newest++
	var rows []string
	if len(e.epochs) > 0 {
		rows, e.epochs = e.epochs[0], e.epochs[1:]
	}
	if len(rows) == 0 {
		e.d.Committed(e.newest, nil, 0)
		return
	}
	e.d.Committed(e.newest, []*result.Batch{batch(e.d, rows...)}, int64(len(rows)))
}

// write lets the sink do so many writes.
func (e *early) write(n int) {
	for range n {
		e.sink.blocked <- struct{}{}
	}
}

// check wants all rows, and the last of each two that follow each other to be
// the later one: a row may come again, but what replaces it then does, too.
func (e *early) check() {
	e.t.Helper()
	close(e.sink.blocked)
	if err := e.d.Close(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
	last := -1
	for _, row := range e.made {
		at := -1
		for i, r := range e.sink.rows {
			if r == row {
				at = i
			}
		}
		if at < 0 {
			e.t.Errorf("%s is missing", row)
		} else if at < last {
			e.t.Errorf("%s came last before one that it replaces", row)
		}
		last = max(last, at)
	}
	if e.t.Failed() {
		e.t.Logf("the sink has %q", e.sink.rows)
	}
}

// Rows of an epoch that begins while another is being committed may not fit.
func TestEarlyRowsThatDoNotFitComeWithTheirEpoch(t *testing.T) {
	for ahead := range 2 {
		e := newEarly(t)
		e.emit(0, 1)
		e.emit(ahead, 3*queueDepth)
		e.commit()
		e.commit()
		e.check()
	}
}

// A row that replaces one that did not fit must not overtake it.
func TestEarlyRowsDoNotOvertakeTheOutbox(t *testing.T) {
	e := newEarly(t)
	e.emit(0, 3*queueDepth)
	waitFor(t, func() bool { // the lane takes what did fit
		e.write(1)
		e.d.book.mu.Lock()
		defer e.d.book.mu.Unlock()
		return len(e.d.lanes[0].follower.early) == 0
	})
	for range 3 {
		e.commit()
		e.emit(0, 2)
	}
	e.commit()
	e.check()
}

// Nor those that wait since an earlier run.
func TestEarlyRowsDoNotOvertakeThoseOfAnEarlierRun(t *testing.T) {
	e := newEarly(t, []string{"old 1", "old 2"}, []string{"old 3"})
	for range 2 {
		e.emit(0, 2)
		e.commit()
	}
	e.check()
}

// A lane that has caught up gets rows early again, once.
func TestEarlyRowsAfterCatchingUp(t *testing.T) {
	e := newEarly(t)
	e.emit(0, 3*queueDepth)
	e.write(1000)
	for range 3 {
		e.commit()
		waitFor(t, func() bool { return e.d.Waiting() == 0 })
	}
	e.emit(0, 1)
	waitFor(t, func() bool {
		e.sink.mu.Lock()
		defer e.sink.mu.Unlock()
		return slices.Contains(e.sink.rows, e.made[len(e.made)-1])
	})
	before := len(e.sink.rows)
	e.commit()
	e.check()
	if len(e.sink.rows) != before {
		t.Errorf("%q came again", e.sink.rows[before:])
	}
}

func placesAt(sink string, n uint64) map[string]epoch.Place {
	return map[string]epoch.Place{sink: {Sink: sink, Epoch: n}}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
	}
}

package sinktest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// Place is where a sink.Marker writes. It outlives the sinks that write there.
type Place struct {
	// Sink returns a new sink over what is there.
	Sink func() sink.Marker
	// Crash, if it is there, is called when the last sink is dropped as by a
	// crash, without Close.
	Crash func()
	// Held looks at the destination.
	Held func() Held
}

// RunMarker checks what a sink does with its marks: run after run, crashing
// before each of its calls, it must hold every row once and in order in the
// end. open returns a new, empty place.
func RunMarker(t *testing.T, open func(t *testing.T) Place) {
	t.Helper()
	for _, c := range markerChecks {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t.Context(), func() Place { return open(t) }); err != nil {
				t.Fatal(err)
			}
		})
	}
}

var markerChecks = []struct {
	name  string
	check func(context.Context, func() Place) error
}{
	{"one run", checkOneRun},
	{"a crash at each call", checkCrashes},
	{"a crash at each call of a recovery", checkSecondCrashes},
	{"marks that state does not know", checkForgotten},
	{"runs without rows", checkIdleRuns},
}

// errCrash ends a run of the suite.
var errCrash = errors.New("crash")

// crashAt returns a function that crashes when it is called for the nth time,
// from 0.
func crashAt(n int) func() error {
	return func() error {
		if n--; n < 0 {
			return errCrash
		}
		return nil
	}
}

func never() error { return nil }

// script is enough for each order of Write and Commit.
func script() *Outbox {
	return &Outbox{Epochs: []Epoch{
		{Rows: []*result.Batch{batch(0, 3, 1, 0), batch(3, 2, 0, 1)}, Commit: true, Record: true},
		{Rows: []*result.Batch{batch(5, 1, 0, 0)}, Commit: true},
		{Rows: []*result.Batch{batch(6, 2, 1, 1)}},
		{},
		{Rows: []*result.Batch{batch(8, 40, 0, 0)}, Commit: true, Record: true},
		{Rows: []*result.Batch{batch(48, 1, 0, 0)}, Commit: true, Record: true},
	}}
}

func checkOneRun(ctx context.Context, open func() Place) error {
	p, o := open(), script()
	if err := o.Run(ctx, p.Sink(), never); err != nil {
		return err
	}
	return compare(p.Held(), o.All())
}

func checkCrashes(ctx context.Context, open func() Place) error {
	return eachCrash(func(n int) (bool, error) {
		p, o := open(), script()
		crashed, err := o.runs(ctx, p, n)
		if err != nil {
			return false, fmt.Errorf("a crash before call %d: %w", n+1, err)
		}
		return crashed, nil
	})
}

// checkSecondCrashes crashes in the middle, and then in the run after that.
func checkSecondCrashes(ctx context.Context, open func() Place) error {
	const first = 9
	return eachCrash(func(n int) (bool, error) {
		p, o := open(), script()
		crashed, err := o.runs(ctx, p, first, n)
		if err != nil {
			return false, fmt.Errorf("crashes before call %d, and before call %d of the run after it: %w", first+1, n+1, err)
		}
		return crashed, nil
	})
}

// eachCrash calls f with 0, 1 and so on until it reports no crash.
func eachCrash(f func(n int) (bool, error)) error {
	for n := 0; ; n++ {
		if crashed, err := f(n); err != nil || !crashed {
			return err
		}
	}
}

// runs crashes a run before each of the calls, then runs to the end and
// compares. It reports whether the last of the crashes came to pass.
func (o *Outbox) runs(ctx context.Context, p Place, calls ...int) (crashed bool, err error) {
	for _, n := range calls {
		if crashed, err = o.crash(ctx, p, n); err != nil {
			return false, err
		}
	}
	if err := o.Run(ctx, p.Sink(), never); err != nil {
		return crashed, fmt.Errorf("the run to the end: %w", err)
	}
	return crashed, compare(p.Held(), o.All())
}

// crash crashes a run before its nth call, and reports whether it had one.
func (o *Outbox) crash(ctx context.Context, p Place, n int) (bool, error) {
	err := o.Run(ctx, p.Sink(), crashAt(n))
	if !errors.Is(err, errCrash) {
		return false, err
	}
	if p.Crash != nil {
		p.Crash()
	}
	return true, nil
}

// checkForgotten runs with a state that knows the first mark alone, as one that
// was restored.
func checkForgotten(ctx context.Context, open func() Place) error {
	p, o := open(), script()
	if _, err := o.crash(ctx, p, 4); err != nil {
		return err
	}
	first := o.place
	if err := o.Run(ctx, p.Sink(), never); err != nil {
		return err
	}
	o.place = first
	if err := o.Run(ctx, p.Sink(), never); err != nil {
		return fmt.Errorf("with the first mark: %w", err)
	}
	return compare(p.Held(), o.All())
}

// checkIdleRuns starts and stops without anything new.
func checkIdleRuns(ctx context.Context, open func() Place) error {
	p, o := open(), script()
	for range 3 {
		if err := o.Run(ctx, p.Sink(), never); err != nil {
			return err
		}
	}
	return compare(p.Held(), o.All())
}

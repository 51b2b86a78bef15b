package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/decode"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// planOf plans one query that counts by k.
func planOf(t *testing.T, w window.Spec, trigger window.Trigger) *plan.Plan {
	t.Helper()
	p, problems := plan.Build(plan.Input{Pipeline: "test", Queries: []query.Query{{
		Name: "q", Key: []query.KeyField{{Name: "k", Expr: "k"}}, Window: w, Trigger: trigger,
		Aggregates: []aggregate.Spec{aggregate.Count()},
	}}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

// events makes a batch of events at one time, in seconds.
func events(t *testing.T, p *plan.Plan, at int, keys ...string) *exchange.Shared {
	t.Helper()
	dec, err := decode.New(p.Schema, decode.Options{Format: "json", TimePath: []string{"ts"}, TimeFormat: "unix_s"})
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for _, k := range keys {
		data = fmt.Appendf(data, `{"ts":%d,"k":%q}`+"\n", at, k)
	}
	b := exchange.NewShared(func(*exchange.Shared) {})
	if _, err := newPreparer(p, dec, nil).prepare(&source.Chunk{Data: data}, &event.Origin{Path: "test"}, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// feedEvents takes events through a shard.
func feedEvents(t *testing.T, k *kept, p *plan.Plan, at int, keys ...string) {
	t.Helper()
	b := events(t, p, at, keys...)
	b.Retain(1)
	k.comb.meet(b, make([]epoch.Counts, len(b.Selections)), nil, nil)
	k.comb.add(b)
	f := &exchange.Flush{Others: event.MaxTime, Combined: k.comb.wm.Current()}
	k.comb.take(0, f)
	k.comb.flushed()
	if err := k.step(f); err != nil {
		t.Fatal(err)
	}
}

// A clock that stops while a shard is behind must neither fail the run nor
// leave a flush half sent.
func TestTheClockDoesNotStopWithinAFlush(t *testing.T) {
	p := planOf(t, window.Tumbling(time.Hour), window.Trigger{Every: time.Second})
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{Plan: p, Workers: 1})
		hard, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		r.cancel = cancel
		ctx, stop := context.WithCancel(hard)
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.runClock(ctx, hard)
		}()
		time.Sleep(time.Minute) // nobody reads: it waits within a flush
		stop()
		synctest.Wait()
		if hard.Err() != nil {
			t.Fatalf("the clock stopped the run: %v", context.Cause(hard))
		}
		for in := r.exchange.Receive(0); ; {
			select {
			case <-in:
				continue
			case <-done:
			}
			break
		}
	})
}

// What shards hand over of an epoch that was given up must not get into
// another one, which would have other positions.
func TestNoEpochFollowsOneThatWasGivenUp(t *testing.T) {
	p := planOf(t, window.Tumbling(time.Hour), window.Trigger{})
	r := New(Config{Plan: p, Workers: 1, Epochs: &Epochs{
		Watermark: event.MinTime, Since: []int64{event.MinTime},
		Commit: func(context.Context, *Cut) error { t.Error("an epoch was committed"); return nil },
	}})
	hard, cancel := context.WithCancelCause(t.Context())
	r.cancel = cancel
	why := errors.New("given up")
	cancel(why)
	if err := r.epoch(hard); !errors.Is(err, why) {
		t.Errorf("the epoch ends with %v", err)
	}
}

// An epoch is encoded beside the stream, also when the stream leaves the shard
// no rest and brings new keys all the time: it must not take longer than what
// it holds.
func TestEpochsDoNotGrowWhileAShardHasNoRest(t *testing.T) {
	p := planOf(t, window.Tumbling(time.Hour), window.Trigger{})
	k := newKept(p, beginning(p))
	n := 0
	flush := func() {
		keys := make([]string, 2000)
		for i := range keys {
			keys[i] = fmt.Sprint("key ", n)
			n++
		}
		feedEvents(t, k, p, 1, keys...)
	}
	for range 10 {
		flush()
	}
	for epoch := range 5 {
		k.cutNow()
		flushes := 0
		for k.saving {
			k.saveSome(k.keep.slice())
			flush()
			flushes++
		}
		if flushes > 12 {
			t.Fatalf("epoch %d takes %d flushes and began after 10", epoch, flushes)
		}
	}
}

// An early firing of a later run leaves the on-time one to come, as it would
// had the input not ended in between.
func TestAnEarlyFiringAfterTheEndLeavesTheOnTimeOne(t *testing.T) {
	p := planOf(t, window.Tumbling(10*time.Second), window.Trigger{Count: 2})
	k := newKept(p, beginning(p))
	var rows []string
	k.out.take = func(b *result.Batch) *result.Batch {
		for _, r := range b.Results {
			rows = append(rows, fmt.Sprint(r.Timing, r.Firing, " ", r.Events))
		}
		return &result.Batch{}
	}
	step := func(f *exchange.Flush) {
		if err := k.step(f); err != nil {
			t.Fatal(err)
		}
	}
	feedEvents(t, k, p, 1, "a")
	step(&exchange.Flush{Kind: exchange.Finish})
	feedEvents(t, k, p, 2, "a") // as many as were counted before the end
	step(&exchange.Flush{Kind: exchange.Advance, Combined: int64(time.Minute)})
	want := []string{"on_time 0 1", "early 1 2", "on_time 2 2"}
	if !slices.Equal(rows, want) {
		t.Errorf("rows are %q, want %q", rows, want)
	}
}

// Late events and dead letters that wait for their epoch count with their
// bytes.
func TestRowsThatWaitCountWithTheirBytes(t *testing.T) {
	raw := make([]byte, 1<<20)
	b := &result.Batch{Late: []result.LateEvent{{Event: raw}}, Dead: []result.DeadLetter{{Raw: raw}}}
	if n := bytesOf(b); n < 2*len(raw) {
		t.Errorf("2 MiB count as %d bytes", n)
	}
}

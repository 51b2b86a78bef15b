package pipeline_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
)

// told is an observer that notes what it is told.
func told(name string, to *[]string) pipeline.Observer {
	note := func(what string) { *to = append(*to, name+" "+what) }
	return pipeline.Observer{
		Processed:  func(int, time.Duration) { note("processed") },
		Results:    func([]result.Result, int) { note("results") },
		Late:       func([]result.LateEvent) { note("late") },
		Dead:       func([]result.DeadLetter) { note("dead") },
		Delivered:  func(pipeline.Delivered) { note("delivered") },
		Epoch:      func(pipeline.EpochDone) { note("epoch") },
		Checkpoint: func(pipeline.CheckpointDone) { note("checkpoint") },
	}
}

// tell calls each hook that is there, whatever hooks there are.
func tell(o pipeline.Observer) {
	for _, hook := range reflect.ValueOf(o).Fields() {
		if hook.IsNil() {
			continue
		}
		var args []reflect.Value
		for in := range hook.Type().Ins() {
			args = append(args, reflect.Zero(in))
		}
		hook.Call(args)
	}
}

func TestObserversTellsAll(t *testing.T) {
	var got []string
	tell(pipeline.Observers(told("a", &got), pipeline.Observer{}, told("b", &got)))
	var want []string
	for _, hook := range []string{"processed", "results", "late", "dead", "delivered", "epoch", "checkpoint"} {
		want = append(want, "a "+hook, "b "+hook)
	}
	check(t, "what they are told", got, want...)
	if n := reflect.TypeFor[pipeline.Observer]().NumField(); len(want) != 2*n {
		t.Errorf("an Observer has %d hooks; this test knows of %d", n, len(want)/2)
	}

	got = nil
	one := pipeline.Observer{Epoch: func(e pipeline.EpochDone) { got = append(got, "epoch") }}
	joined := pipeline.Observers(one)
	if joined.Results != nil || joined.Late != nil {
		t.Error("hooks that nobody has are called")
	}
	tell(joined)
	if !slices.Equal(got, []string{"epoch"}) {
		t.Errorf("one is told %q", got)
	}
	tell(pipeline.Observers())
}

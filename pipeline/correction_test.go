package pipeline_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// A session that waits for a correction and then grows past the watermark, all
// within one batch, is on time again; what comes late after that is a
// correction of its own and must not be taken for the one that was pending.
func TestACorrectionAfterASessionHasGrownAgain(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in.jsonl")
	text := at(0) + "\n" + `{"t":30,"k":"b"}` + "\n" + at(5) + "\n" + at(14) + "\n" + at(22) + "\n" + `{"t":100,"k":"b"}` + "\n" + at(3) + "\n"
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out seen
	p := build(t, pipeline.New("correction").From(&source.File{Path: in}).EventTime("t", event.UnixSec).OutOfOrderness(0).
		Query("q").KeyBy("k").Window(window.Session(10*time.Second)).AllowedLateness(1000*time.Second).
		Aggregate(aggregate.Count().As("n")).To(&out))
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = "[0,10) on_time n=1, [0,32) late n=5, [0,32) on_time n=4, [100,110) on_time n=1, [30,40) on_time n=1"
	if got := out.take(); got != want {
		t.Errorf("rows are %q, want %q", got, want)
	}
}

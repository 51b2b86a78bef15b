package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/window"
)

// pinned is a sink that finds rows by the bounds of their window.
type pinned struct{ rows }

func (*pinned) FixedBounds() bool { return true }

// TestWindowsWithoutFixedBounds are refused by a sink that needs them.
func TestWindowsWithoutFixedBounds(t *testing.T) {
	for _, c := range []struct {
		window window.Spec
		says   string
	}{
		{window.Tumbling(time.Minute), ""},
		{window.Sliding(time.Hour, time.Minute), ""},
		{window.Calendar(window.Day, "UTC"), ""},
		{window.Session(time.Minute), "has session windows"},
		{window.Global(), "has global windows"},
	} {
		spec := keep(t).spec
		spec.Source, spec.Sinks = events(1), only(&pinned{})
		spec.Queries[0].Window = c.window
		spec.Queries[0].Trigger.Count = 1
		_, err := pipeline.Build(spec)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: the error is %v, want %q", c.window.Kind, err, c.says)
		}
	}
}

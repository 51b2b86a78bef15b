package pipeline_test

import (
	"slices"
	"time"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/window"
)

// ticks begins a pipeline that counts events at times of 2026-03-29, in order.
func ticks(w window.Spec, times ...string) *pipeline.Builder {
	at := func(s string) time.Time {
		t, err := time.Parse(time.DateTime, "2026-03-29 "+s)
		if err != nil {
			return time.Time{} // a dead letter
		}
		return t
	}
	return pipeline.New("ticks").
		From(pipeline.FromSeq(slices.Values(times), at)).
		OutOfOrderness(0).
		Emit(pipeline.EveryEvent). // so that what comes late does not depend on batches
		Query("count").Window(w).Aggregate(aggregate.Count().As("events")).
		To(printer{})
}

// Tumbling windows follow each other without gaps.
func ExampleBuilder_Window_tumbling() {
	runAndPrint(ticks(window.Tumbling(time.Minute), "10:00:00", "10:00:59", "10:01:00"))
	// Output:
	// 10:00:00-10:01:00 {} events=2
	// 10:01:00-10:02:00 {} events=1
}

// Sliding windows overlap: an event is in several.
func ExampleBuilder_Window_sliding() {
	runAndPrint(ticks(window.Sliding(2*time.Minute, time.Minute), "10:00:30", "10:01:30"))
	// Output:
	// 09:59:00-10:01:00 {} events=1
	// 10:00:00-10:02:00 {} events=2
	// 10:01:00-10:03:00 {} events=1
}

// A session lasts as long as events keep coming.
func ExampleBuilder_Window_session() {
	runAndPrint(ticks(window.Session(30*time.Second), "10:00:00", "10:00:20", "10:00:45", "10:05:00"))
	// Output:
	// 10:00:00-10:01:15 {} events=3
	// 10:05:00-10:05:30 {} events=1
}

// Calendar windows have the boundaries of a time zone. On this day Berlin
// leaves out an hour: its day has 23.
func ExampleBuilder_Window_calendar() {
	runAndPrint(ticks(window.Calendar(window.Day, "Europe/Berlin"), "12:00:00", "21:59:59", "22:00:00"))
	// Output:
	// 23:00:00-22:00:00 {} events=2
	// 22:00:00-22:00:00 {} events=1
}

// With allowed lateness an event that comes after its window fired corrects it.
func ExampleBuilder_AllowedLateness() {
	runAndPrint(ticks(window.Tumbling(time.Minute), "10:00:00", "10:01:00", "10:00:30").AllowedLateness(time.Minute))
	// Output:
	// 10:00:00-10:01:00 {} events=1
	// 10:00:00-10:01:00 {} events=2 (late)
	// 10:01:00-10:02:00 {} events=1
}

// A count trigger also fires early, after every so many events.
func ExampleBuilder_Trigger() {
	runAndPrint(ticks(window.Tumbling(time.Minute), "10:00:10", "10:00:20", "10:00:30").Trigger(window.Trigger{Count: 2}))
	// Output:
	// 10:00:00-10:01:00 {} events=2 (early)
	// 10:00:00-10:01:00 {} events=3
}

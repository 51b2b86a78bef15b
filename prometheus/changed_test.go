package prometheus

import (
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

// Rows that a crash has left in the outbox may be of an earlier definition of
// their query.
func TestRowsOfAnEarlierDefinition(t *testing.T) {
	s, n := new(Sink), event.Float
	now := &result.Query{Name: "q", Keys: []string{"tenant", "model"}, Values: []string{"p95_ms", "requests", "cost"}}
	if err := s.Describe([]*result.Query{now}); err != nil {
		t.Fatal(err)
	}
	write(t, s, row(1, result.OnTime, 0, event.Text("x"), n(3), n(4)))
	compare(t, s, "a row of before", state(1, "3", "4")...)
	changed := row(2, result.OnTime, 0, event.Text("x"), n(5), n(6), n(7))
	changed.Query = now
	changed.Key = string(event.AppendKeyValue([]byte(changed.Key), event.Text("y")))
	write(t, s, changed)
	compare(t, s, "beside it one of now", "processor_result_cost model=y query=q tenant=x 7",
		"processor_result_p95_ms model=x query=q 4", "processor_result_p95_ms model=y query=q tenant=x 5",
		"processor_result_requests model=x query=q 3", "processor_result_requests model=y query=q tenant=x 6",
		"processor_result_window_end_timestamp_seconds model=x query=q 60", "processor_result_window_end_timestamp_seconds model=y query=q tenant=x 120")
}

// With the same key the new definition's row takes the place.
func TestARowOfALaterDefinitionReplaces(t *testing.T) {
	s, n := new(Sink), event.Float
	write(t, s, row(1, result.OnTime, 0, event.Text("x"), n(3), n(4)))
	changed := row(2, result.OnTime, 0, event.Text("x"), n(5))
	changed.Query = &result.Query{Name: "q", Keys: minute.Keys, Values: []string{"cost"}}
	write(t, s, changed)
	compare(t, s, "a row of another definition", "processor_result_cost model=x query=q 5", "processor_result_window_end_timestamp_seconds model=x query=q 120")
	if want := 2; s.series != want {
		t.Errorf("%d series are counted, want %d", s.series, want)
	}
	write(t, s, row(3, result.Retract, 1, event.Text("x")))
	compare(t, s, "a retraction of another window", "processor_result_cost model=x query=q 5", "processor_result_window_end_timestamp_seconds model=x query=q 120")
}

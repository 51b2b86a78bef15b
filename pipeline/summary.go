package pipeline

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/llm-optimizer/processor/result"
)

// Summary is what a run did, or has done so far.
type Summary struct {
	// Events is the number of decoded events, Dead of records that were not,
	// Refused of events that some query refused for a wrong type.
	Events, Dead, Refused int64
	// Late counts late events and Results results of this run, over all queries.
	Late, Results int64
	Elapsed       time.Duration
	// Watermark is the combined watermark, event.MinTime before there is one.
	Watermark int64
	// OpenWindows counts open windows, one for each key.
	OpenWindows int64
	// Interrupted says that the run was ended from outside. DroppedWindows
	// windows were open then and are gone, as state is in memory.
	Interrupted    bool
	DroppedWindows int64
	// KeptWindows windows were open at the end and stay in State, as the last
	// Epoch has them; State is empty with state in memory.
	KeptWindows int64
	State       string
	Epoch       uint64
	// Queries has a ledger for each query, in their order: of the whole life of
	// the state.
	Queries []Ledger
	// Nulls says of each field that a query groups by or computes on how often
	// it was null in this run. Producers such as the Collector write NaN as
	// null.
	Nulls []Nulls
}

// Ledger accounts for every event one query read: Read is the sum of
// InWindows, Late, Dead, Filtered, Unwindowed and Duplicate.
type Ledger struct {
	Query string `json:"query"`
	// Read counts all records: decoded events and those that were not.
	Read int64 `json:"read"`
	// InWindows joined a window. Overflow of them did so under the overflow
	// key, because of a limit.
	InWindows int64 `json:"in_windows"`
	Overflow  int64 `json:"overflow"`
	// Late came after all of their windows were past the allowed lateness.
	Late int64 `json:"late"`
	// Dead could not be decoded, or had a wrong type.
	Dead int64 `json:"dead"`
	// Filtered were left out by where or by an operator.
	Filtered int64 `json:"filtered"`
	// Unwindowed fell into the gaps of sliding windows.
	Unwindowed int64 `json:"unwindowed"`
	// Duplicate had the id of an earlier event.
	Duplicate int64 `json:"duplicate"`
	// Results counts firings.
	Results int64 `json:"results"`
}

// Nulls is how often a field of a query was null, of the events that passed its
// filter.
type Nulls struct {
	Query string
	// Field is the field or expression; Key says that the query groups by it.
	Field       string
	Key         bool
	Rows, Nulls int64
}

// Check returns an error when the ledger does not add up.
func (l Ledger) Check() error {
	if sum := l.InWindows + l.Late + l.Dead + l.Filtered + l.Unwindowed + l.Duplicate; sum != l.Read {
		return fmt.Errorf("the ledger of query %s does not add up: %d read, %d accounted for", l.Query, l.Read, sum)
	}
	return nil
}

// sampler logs, now and then, one of the rows that go to no sink. All of them
// are counted.
type sampler struct {
	log      *slog.Logger
	mu       sync.Mutex
	lastLate time.Time
	lastDead time.Time
}

// samplePeriod is how often at most a row of each kind is logged.
const samplePeriod = 10 * time.Second

func (s *sampler) late(rows []result.LateEvent) {
	if len(rows) > 0 && s.due(&s.lastLate) {
		s.log.Warn("late event (give late_events a sink to keep them)", "sample", string(rows[0].AppendJSON(nil)))
	}
}

func (s *sampler) dead(rows []result.DeadLetter) {
	if len(rows) > 0 && s.due(&s.lastDead) {
		s.log.Warn("dead letter (give dead_letters a sink to keep them)", "sample", string(rows[0].AppendJSON(nil)))
	}
}

func (s *sampler) due(last *time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(*last) < samplePeriod {
		return false
	}
	*last = now
	return true
}

package engine

import (
	"sync/atomic"

	"github.com/llm-optimizer/processor/internal/epoch"
)

// ledger accounts for every event a query has read. One goroutine at a time
// writes it; others may look.
type ledger struct {
	read, inWindows, late, dead, filtered, unwindowed, duplicate, overflow, results atomic.Int64
}

// add adds what has been counted elsewhere.
func (l *ledger) add(c *epoch.Counts) {
	l.read.Add(c.Read)
	l.inWindows.Add(c.InWindows)
	l.late.Add(c.Late)
	l.dead.Add(c.Dead)
	l.filtered.Add(c.Filtered)
	l.unwindowed.Add(c.Unwindowed)
	l.duplicate.Add(c.Duplicate)
	l.overflow.Add(c.Overflow)
	l.results.Add(c.Results)
}

// counts is what the ledger holds.
func (l *ledger) counts() epoch.Counts {
	return epoch.Counts{
		Read: l.read.Load(), InWindows: l.inWindows.Load(), Late: l.late.Load(), Dead: l.dead.Load(),
		Filtered: l.filtered.Load(), Unwindowed: l.unwindowed.Load(), Duplicate: l.duplicate.Load(), Overflow: l.overflow.Load(), Results: l.results.Load(),
	}
}

// ledgers are one for each query.
type ledgers []ledger

func (l ledgers) counts() []epoch.Counts {
	out := make([]epoch.Counts, len(l))
	for i := range l {
		out[i] = l[i].counts()
	}
	return out
}

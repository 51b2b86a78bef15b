package engine

import (
	"errors"
	"fmt"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/keytab"
	"github.com/llm-optimizer/processor/internal/plan"
)

// Limits bound the state of each query. 0 is no limit.
type Limits struct {
	Keys, Windows int
	Memory        int64
	// Stop ends the pipeline when a limit would be exceeded; otherwise what would
	// exceed it is counted under one group, OverflowKey.
	Stop bool
}

// Any reports whether there is a limit at all.
func (l Limits) Any() bool { return l.Keys > 0 || l.Windows > 0 || l.Memory > 0 }

// OverflowKey stands in every key field of the group of keys over a limit.
const OverflowKey = "__overflow__"

// ErrLimit is why a pipeline with `on_exceed: stop` stops.
var ErrLimit = errors.New("limit reached")

// limiter holds one query to its limits. A nil limiter allows everything, and
// costs nothing.
type limiter struct {
	limits Limits
	// live counts what is held of each key: windows, or panes and what windows
	// have beside them. windows counts open windows, each for each of its keys.
	live    map[string]int
	windows int
	memory  func() int64
	// exceed is told of a limit that stops the pipeline.
	exceed func(error)

	key  []byte
	hash uint64
}

func newLimiter(l Limits, keyFields int, memory func() int64, exceed func(error)) *limiter {
	if !l.Any() {
		return nil
	}
	lim := &limiter{limits: l, live: map[string]int{}, memory: memory, exceed: exceed}
	for range keyFields {
		lim.key = event.AppendKeyValue(lim.key, event.Text(OverflowKey))
	}
	lim.hash = keytab.Hash(lim.key)
	return lim
}

// admit returns the key under which an event is counted in all its windows: its
// own, or that of the overflow group when its own would open one key or window
// too many. opens is how many windows its own would open.
func (l *limiter) admit(q *plan.Query, hash uint64, key []byte, opens int) (uint64, []byte, bool) {
	if opens == 0 {
		return hash, key, false
	}
	var why string
	switch _, known := l.live[string(key)]; {
	case l.limits.Keys > 0 && !known && len(l.live) >= l.limits.Keys:
		why = fmt.Sprintf("query %s has %d live keys (limits.keys)", q.Def.Name, len(l.live))
	case l.limits.Windows > 0 && l.windows+opens > l.limits.Windows:
		why = fmt.Sprintf("query %s has %d open windows (limits.windows)", q.Def.Name, l.windows)
	case l.limits.Memory > 0 && l.memory() >= l.limits.Memory:
		why = fmt.Sprintf("query %s would open a window, but state holds %d bytes (limits.memory)", q.Def.Name, l.memory())
	default:
		return hash, key, false
	}
	if l.limits.Stop {
		l.exceed(fmt.Errorf("%w: %s; raise it, or set limits.on_exceed to overflow", ErrLimit, why))
		return hash, key, false
	}
	return l.hash, l.key, true
}

// over reports whether a key is that of the overflow group.
func (l *limiter) over(key []byte) bool { return string(key) == string(l.key) }

// opened counts what is held of a key from now on, and the windows that it opens.
func (l *limiter) opened(key []byte, windows int) {
	if l != nil && !l.over(key) {
		l.live[string(key)]++
		l.windows += windows
	}
}

// closed takes back what opened has counted.
func (l *limiter) closed(key []byte, windows int) {
	if l == nil || l.over(key) {
		return
	}
	l.windows -= windows
	if l.live[string(key)]--; l.live[string(key)] == 0 {
		delete(l.live, string(key))
	}
}

package pipeline

import (
	"maps"
	"sync"

	"github.com/llm-optimizer/processor/result"
)

// deadReasons are why records are dead letters, as docs/results.md explains.
var deadReasons = []string{"json", "utf8", "not_object", "depth", "too_large", "no_time", "time", "future", "number", "type"}

// reasons counts dead letters by their reason. Those that are known are there
// from the start: a counter that begins with its first value hides it.
type reasons struct {
	mu sync.Mutex
	n  map[string]int64
}

func (r *reasons) add(dead []result.DeadLetter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = noReasons()
	}
	for i := range dead {
		r.n[dead[i].Reason]++
	}
}

func (r *reasons) counts() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		return noReasons()
	}
	return maps.Clone(r.n)
}

func noReasons() map[string]int64 {
	n := map[string]int64{}
	for _, reason := range deadReasons {
		n[reason] = 0
	}
	return n
}

package pipeline

import (
	"maps"
	"sync"

	"github.com/llm-optimizer/processor/result"
)

// reasons counts dead letters by their reason, of which there are few.
type reasons struct {
	mu sync.Mutex
	n  map[string]int64
}

func (r *reasons) add(dead []result.DeadLetter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = map[string]int64{}
	}
	for i := range dead {
		r.n[dead[i].Reason]++
	}
}

func (r *reasons) counts() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		return map[string]int64{}
	}
	return maps.Clone(r.n)
}

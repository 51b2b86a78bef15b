package engine

import (
	"sync"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/internal/exchange"
)

// partialsPool passes empty partials of one query from shards back to
// combiners. It keeps what was needed at once: the number is bounded by the
// depth of the exchange.
type partialsPool struct {
	proto *aggregate.Composite
	mu    sync.Mutex
	free  []*exchange.Partials
}

func (p *partialsPool) get() *exchange.Partials {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		x := p.free[n-1]
		p.free = p.free[:n-1]
		return x
	}
	return &exchange.Partials{Comp: p.proto.Clone()}
}

func (p *partialsPool) put(x *exchange.Partials) {
	x.Clear()
	p.mu.Lock()
	p.free = append(p.free, x)
	p.mu.Unlock()
}

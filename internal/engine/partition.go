package engine

import (
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
)

// partition is one source partition while it runs. A pump reads its chunks,
// any worker prepares them, and the turnstile combines them in order.
type partition struct {
	id     int // in the tracker
	part   source.Partition
	origin event.Origin
	free   chan *work
	seq    uint64 // of the pump

	// The turnstile: whoever finds busy unset works off what is ready in
	// order, so that no worker ever waits for another.
	mu    sync.Mutex
	ready map[uint64]*work
	next  uint64
	busy  bool

	// Owned by whoever holds busy.
	combiner  *combiner
	idle      bool
	unflushed bool
	lastFlush time.Time
	// read is how far the combiner has got, and what the source wants to know
	// to find that place again.
	read  int64
	token []byte
	// newest is the greatest event time, events how many there were.
	newest, events int64

	progress progress
	// spans are of the batches since the last flush, of those that have one.
	spans []trace.Span

	// saved is the same as of the last flush: what an epoch records. Guarded
	// by the runner's mu, as is changed: it differs from the last epoch's.
	saved   epoch.Partition
	seen    epoch.SeenIDs
	changed bool
}

// work is one item of a partition's order: a chunk on its way to becoming a
// batch, or a mark.
type work struct {
	mark  mark
	seq   uint64
	part  *partition
	chunk source.Chunk
	// came is when the source handed the chunk over.
	came  time.Time
	batch *exchange.Shared
	dead  []result.DeadLetter
	// refused are the rows behind those of dead that queries refused.
	refused []refusal
	// counts is the chunk's ledger, by query.
	counts []epoch.Counts
	// passed is by query how many rows passed its filter, nulls how many of
	// them had null in each field that it checks.
	passed []int64
	nulls  [][]int64
	// span is nil for most chunks, and without tracing for all.
	span trace.Span
}

// keepNulls takes over what a preparer has counted, by exchange.
func (w *work) keepNulls(p *preparer) {
	w.passed, p.passed = p.passed, w.passed
	w.nulls, p.nulls = p.nulls, w.nulls
}

// empty gives a work item buffers that hold nothing yet.
func (w *work) empty() {
	w.chunk = source.Chunk{}
	w.batch = exchange.NewShared(func(*exchange.Shared) { w.part.free <- w })
}

// shrink lets go of the buffers of a partition that has become idle: hundreds
// of quiet ones would hold a megabyte each. Only its pump calls it, with the
// item it has taken.
func (p *partition) shrink(taken *work) {
	taken.empty()
	for range len(p.free) {
		w := <-p.free
		w.empty()
		p.free <- w
	}
}

// mark says what a work item without a chunk asks for.
type mark uint8

const (
	noMark      mark = iota
	flushMark        // what is combined must not wait longer
	releaseMark      // batches that wait for a flush are needed
	idleMark         // nothing to read for the idle timeout
	endMark          // the partition has ended
	stopMark         // the run stops: flush, and leave the watermark alone
)

// deliver puts a prepared work item into the partition's order and handles all
// that are next.
func (p *partition) deliver(w *work, handle func(*partition, *work)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready[w.seq] = w
	if p.busy {
		return
	}
	p.busy = true
	for {
		w, ok := p.ready[p.next]
		if !ok {
			p.busy = false
			return
		}
		delete(p.ready, p.next)
		p.next++
		p.mu.Unlock()
		handle(p, w)
		p.mu.Lock()
	}
}

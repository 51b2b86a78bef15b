package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// A chunk takes records up to these limits, and the last one whole.
const (
	chunkBytes   = 128 << 10
	chunkRecords = 1 << 12
)

// fill moves records from the front of the queue into a chunk: their values,
// each before a line end, and what Attribute was asked for. Markers of
// transactions are passed over, also those behind a full chunk.
func (p *partition) fill(c *source.Chunk, head []*kgo.Record) {
	n, bytes, passed := 0, 0, p.passed // only the reader moves it while the queue holds something
	var last time.Time
	for _, r := range head {
		visible := !r.Attrs.IsControl() && r.Offset >= passed
		switch {
		case p.stop >= 0 && r.Offset >= p.stop:
			visible = false
			passed = max(passed, p.stop)
		case visible && (len(c.Data) >= chunkBytes || len(c.Spans) >= chunkRecords):
			p.drop(n, bytes, passed, last)
			return
		}
		n, bytes = n+1, bytes+cost(r)
		if visible {
			p.put(c, r)
			last = r.Timestamp
		}
		if p.stop < 0 || r.Offset < p.stop {
			passed = max(passed, r.Offset+1)
		}
		r.Recycle()
	}
	p.drop(n, bytes, passed, last)
}

// put appends one record to the chunk. A tombstone is an empty record.
func (p *partition) put(c *source.Chunk, r *kgo.Record) {
	off := len(c.Data)
	c.Data = append(append(c.Data, r.Value...), '\n')
	c.Spans = append(c.Spans, event.Ref{Off: uint32(off), Len: uint32(len(r.Value))})
	c.Offsets = append(c.Offsets, r.Offset)
	attributes := p.c.src.attributes
	for len(c.Attributes) < len(attributes) {
		c.Attributes = append(c.Attributes, event.Column{})
	}
	for i := range attributes {
		attributes[i].put(c, &c.Attributes[i], r)
	}
	if p.c.src.envelopes {
		putEnvelope(c, r.Headers)
	}
}

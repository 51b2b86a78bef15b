package aggregate

import (
	"encoding/binary"
	"fmt"

	"github.com/llm-optimizer/processor/event"
)

// formatVersion begins every encoded slot. A reader refuses others.
const formatVersion = 1

// Composite is the accumulators of all aggregates of one query, for many
// groups. A group is a slot: a number that Alloc hands out and that every state
// uses as its index. Aggregates over the same column and filter share a state
// where they can, so that each is read once.
//
// Once warm it allocates nothing but the texts of values and custom
// accumulators. It belongs to one goroutine at a time.
type Composite struct {
	layout *layout
	states []state
	events slab[int64]
	// next is the first slot that was never used; free are those given back.
	next uint32
	free []uint32
	// slots and index are the rows that passed a filter.
	slots []uint32
	index []int32
}

// NewComposite plans the aggregates. inputs says where each finds its columns.
// An invalid spec, or an input that does not fit its spec, is an error.
func NewComposite(specs []Spec, inputs []Input) (*Composite, error) {
	l, err := newLayout(specs, inputs)
	if err != nil {
		return nil, err
	}
	return &Composite{layout: l, states: l.newStates()}, nil
}

// Clone returns an empty Composite of the same layout: the two can be merged.
func (c *Composite) Clone() *Composite {
	return &Composite{layout: c.layout, states: c.layout.newStates()}
}

// Alloc returns an empty slot.
func (c *Composite) Alloc() uint32 {
	if n := len(c.free); n > 0 {
		slot := c.free[n-1]
		c.free = c.free[:n-1]
		return slot
	}
	slot := c.next
	c.next++
	if slot&pageMask == 0 {
		n := slot + pageSlots
		c.events.grow(n)
		for _, st := range c.states {
			st.grow(n)
		}
	}
	return slot
}

// Free empties a slot and keeps it for Alloc. The caller must not use it again.
func (c *Composite) Free(slot uint32) {
	c.Reset(slot)
	c.free = append(c.free, slot)
}

// Reset empties a slot that stays in use.
func (c *Composite) Reset(slot uint32) {
	*c.events.at(slot) = 0
	for _, st := range c.states {
		st.reset(slot)
	}
}

// Clear frees all slots at once and keeps the memory.
func (c *Composite) Clear() {
	c.events.zero(c.next)
	for _, st := range c.states {
		st.clear(c.next)
	}
	c.next, c.free = 0, c.free[:0]
}

// Update adds rows, which have passed the query's filter. cols are what inputs
// refer to; the others may be nil.
func (c *Composite) Update(rows Rows, cols []*event.Column) {
	pages := c.events.pages
	for _, slot := range rows.Slot {
		pages[slot>>pageShift][slot&pageMask]++
	}
	for _, f := range c.layout.filters {
		passed := rows
		if f.column >= 0 {
			passed = c.filter(rows, cols[f.column])
		}
		for i := f.from; i < f.to; i++ {
			var col *event.Column
			if at := c.layout.states[i].Column; at >= 0 {
				col = cols[at]
			}
			c.states[i].update(passed, col)
		}
	}
}

// filter returns the rows for which the column is true, in scratch space.
func (c *Composite) filter(rows Rows, where *event.Column) Rows {
	c.slots, c.index = c.slots[:0], c.index[:0]
	for i, row := range rows.Index {
		if where.Kind[row] == event.True {
			c.slots = append(c.slots, rows.Slot[i])
			c.index = append(c.index, row)
		}
	}
	return Rows{Slot: c.slots, Index: c.index, Batch: rows.Batch}
}

// Merge adds slot src[i] of from to slot dst[i]. from stays as it is; it is a
// clone, or was made from the same specs, or is c itself as long as no slot is
// both in dst and in src.
func (c *Composite) Merge(dst []uint32, from *Composite, src []uint32) {
	for i, slot := range src {
		*c.events.at(dst[i]) += *from.events.at(slot)
	}
	for i, st := range c.states {
		st.merge(dst, from.states[i], src)
	}
}

// Events is how many rows were added to a slot.
func (c *Composite) Events(slot uint32) int64 { return *c.events.at(slot) }

// Values appends the aggregates of a slot to dst, in the order of the specs.
func (c *Composite) Values(dst []event.Value, slot uint32, w Window) []event.Value {
	for i := range c.layout.outputs {
		o := &c.layout.outputs[i]
		if o.state < 0 {
			dst = append(dst, o.count(*c.events.at(slot), w))
			continue
		}
		dst = append(dst, c.states[o.state].value(o, slot, w))
	}
	return dst
}

// Sketch appends the sketch behind a percentile, by its place among the specs,
// in DDSketch's protobuf encoding: it can be merged with other sketches of 1 %
// accuracy and cubic interpolation. For other functions it appends nothing.
func (c *Composite) Sketch(dst []byte, spec int, slot uint32) []byte {
	o := &c.layout.outputs[spec]
	if o.fn != fnPercentile {
		return dst
	}
	return c.states[o.state].(*sketchState).appendProto(dst, slot)
}

// AppendState appends the encoding of a slot: a format version, the number of
// rows, and each state. Equal contents give equal bytes but for rounding, and
// but for the order in which sums were made. See Err for custom accumulators.
func (c *Composite) AppendState(dst []byte, slot uint32) []byte {
	dst = append(dst, formatVersion)
	dst = binary.AppendUvarint(dst, uint64(*c.events.at(slot)))
	for _, st := range c.states {
		dst = st.append(dst, slot)
	}
	return dst
}

// LoadState replaces the contents of a slot by what AppendState wrote, of a
// Composite made from the same specs. After an error the slot is empty.
func (c *Composite) LoadState(slot uint32, enc []byte) error {
	c.Reset(slot)
	if err := c.load(slot, &decoder{buf: enc}); err != nil {
		c.Reset(slot)
		return fmt.Errorf("load aggregates: %w", err)
	}
	return nil
}

func (c *Composite) load(slot uint32, d *decoder) error {
	if v := d.byte(); d.err == nil && v != formatVersion {
		return fmt.Errorf("format version %d; this program reads version %d", v, formatVersion)
	}
	*c.events.at(slot) = d.positive()
	for i, st := range c.states {
		if d.err != nil {
			return d.err
		}
		if st.load(slot, d); d.err != nil {
			return fmt.Errorf("%s: %w", c.layout.describe(i), d.err)
		}
	}
	if d.err == nil && len(d.buf) > 0 {
		return fmt.Errorf("%d bytes too many: written for other aggregates?", len(d.buf))
	}
	return d.err
}

// Err is the first error of a custom accumulator that could not be encoded.
// AppendState goes on, with an encoding that LoadState refuses.
func (c *Composite) Err() error {
	for _, st := range c.states {
		if custom, ok := st.(*customState); ok && custom.err != nil {
			return custom.err
		}
	}
	return nil
}

// InUse is how many slots are allocated, and how many ever were at once: of
// the memory held, that share is in use.
func (c *Composite) InUse() (slots, most int) { return int(c.next) - len(c.free), int(c.next) }

// Bytes is the memory held, roughly.
func (c *Composite) Bytes() int {
	total := c.events.bytes(8) + cap(c.free)*4 + cap(c.slots)*4 + cap(c.index)*4
	for _, st := range c.states {
		total += st.bytes()
	}
	return total
}

// Describe tells the states, a line each, such as
//
//	moments(latency_ms): avg, min, max, stddev
//	percentiles(latency_ms): p50, p95, p99
func (c *Composite) Describe() []string {
	var lines []string
	if names := c.layout.list(-1); names != "" {
		lines = append(lines, "events: "+names)
	}
	for i := range c.layout.states {
		lines = append(lines, c.layout.describe(i))
	}
	return lines
}

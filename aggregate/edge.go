package aggregate

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"

	"github.com/llm-optimizer/processor/event"
)

// edge is the value of the first or the last event of a slot.
type edge struct {
	time, offset int64
	num          float64
	// ref is the block of the text, 0 if there is none.
	ref, length uint32
	class       class
	// kind is Null while the slot is empty.
	kind event.Kind
}

const edgeBytes = 40

// edgeState keeps the value of the earliest event of a slot, or of the latest,
// by event time, then offset. Ties go by arrival within a partition's rows;
// between merged slots, which may come from different partitions, by value, so
// that the order of merges does not matter.
type edgeState struct {
	slab slab[edge]
	text arena[byte]
	last bool
}

func (s *edgeState) grow(n uint32) { s.slab.grow(n) }

func (s *edgeState) reset(slot uint32) {
	p := s.slab.at(slot)
	if p.ref != 0 {
		s.text.release(p.ref, p.class)
	}
	*p = edge{}
}

func (s *edgeState) clear(n uint32) {
	s.slab.zero(n)
	s.text.reset()
}

func (s *edgeState) bytes() int { return s.slab.bytes(edgeBytes) + s.text.bytes(1) }

func (s *edgeState) update(rows Rows, col *event.Column) {
	b := rows.Batch
	for i, row := range rows.Index {
		k := col.Kind[row]
		if k == event.Null || !k.IsScalar() {
			continue
		}
		p := s.slab.at(rows.Slot[i])
		time, offset := b.Time[row], b.Offset[row]
		if p.kind != event.Null && !s.beats(p, time, offset) {
			continue
		}
		p.time, p.offset, p.kind, p.num = time, offset, k, 0
		if k.IsNumber() {
			p.num = col.Num[row]
		}
		var text []byte
		if k == event.String || k == event.Integer {
			text = b.Bytes(col.Str[row])
		}
		s.setText(p, text)
	}
}

// beats reports whether a row that arrives takes the place of the slot's.
func (s *edgeState) beats(p *edge, time, offset int64) bool {
	c := cmp.Compare(time, p.time)
	if c == 0 {
		c = cmp.Compare(offset, p.offset)
	}
	if s.last {
		return c >= 0
	}
	return c < 0
}

// setText keeps a copy of the text, in the block that is there if it fits.
func (s *edgeState) setText(p *edge, text []byte) {
	p.length = uint32(len(text))
	if len(text) == 0 {
		return
	}
	if p.ref == 0 || len(text) > p.class.size() {
		if p.ref != 0 {
			s.text.release(p.ref, p.class)
		}
		p.class = classOf(len(text))
		p.ref = s.text.alloc(p.class)
	}
	copy(s.text.at(p.ref, len(text)), text)
}

func (s *edgeState) textOf(p *edge) []byte {
	if p.length == 0 {
		return nil
	}
	return s.text.at(p.ref, int(p.length))
}

func (s *edgeState) merge(dst []uint32, from state, src []uint32) {
	f := from.(*edgeState)
	for i, slot := range src {
		p, o := s.slab.at(dst[i]), f.slab.at(slot)
		if o.kind == event.Null || p.kind != event.Null && (s.compare(p, f, o) >= 0) == s.last {
			continue
		}
		p.time, p.offset, p.kind, p.num = o.time, o.offset, o.kind, o.num
		s.setText(p, f.textOf(o))
	}
}

// compare orders two slots by time, offset and value.
func (s *edgeState) compare(p *edge, f *edgeState, o *edge) int {
	return cmp.Or(
		cmp.Compare(p.time, o.time),
		cmp.Compare(p.offset, o.offset),
		cmp.Compare(p.kind, o.kind),
		cmp.Compare(p.num, o.num),
		bytes.Compare(s.textOf(p), f.textOf(o)),
	)
}

// The encoding is the kind, and unless that is Null the time, the offset, and
// what such a value has of a number and a text.
func (s *edgeState) append(dst []byte, slot uint32) []byte {
	p := s.slab.at(slot)
	dst = append(dst, byte(p.kind))
	if p.kind == event.Null {
		return dst
	}
	dst = binary.AppendVarint(binary.AppendVarint(dst, p.time), p.offset)
	if p.kind.IsNumber() {
		dst = appendFloat(dst, p.num)
	}
	if p.kind == event.String || p.kind == event.Integer {
		dst = binary.AppendUvarint(dst, uint64(p.length))
		dst = append(dst, s.textOf(p)...)
	}
	return dst
}

func (s *edgeState) load(slot uint32, d *decoder) {
	p := s.slab.at(slot)
	k := event.Kind(d.byte())
	if !k.IsScalar() {
		d.fail("kind %d is no scalar", k)
		return
	}
	if k == event.Null {
		return
	}
	p.kind, p.time, p.offset = k, d.varint(), d.varint()
	if k.IsNumber() {
		p.num = d.finite()
	}
	if k == event.String || k == event.Integer {
		n := d.count(1)
		if n > math.MaxInt32 {
			d.fail("a text of %d bytes is too long", n)
			return
		}
		s.setText(p, d.bytes(n))
	}
}

func (s *edgeState) value(_ *output, slot uint32, _ Window) event.Value {
	p := s.slab.at(slot)
	return event.Value{Kind: p.kind, Num: p.num, Str: string(s.textOf(p))}
}

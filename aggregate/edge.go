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
// by event time, then offset, which within a partition is the order of arrival.
// Events of different partitions may have both in common; then the value
// decides, so that the order in which they meet does not matter.
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
		time := b.Time[row]
		if p.kind != event.Null && p.time != time && (p.time > time) == s.last {
			continue
		}
		n := edge{time: time, offset: b.Offset[row], kind: k}
		if k.IsNumber() {
			n.num = col.Num[row]
		}
		var text []byte
		if k == event.String || k == event.Integer {
			text = b.Bytes(col.Str[row])
		}
		if p.kind != event.Null && (s.compare(p, &n, text) >= 0) == s.last {
			continue
		}
		s.put(p, &n, text)
	}
}

// put writes what a slot holds, and a copy of the text.
func (s *edgeState) put(p, from *edge, text []byte) {
	p.time, p.offset, p.kind, p.num = from.time, from.offset, from.kind, from.num
	s.setText(p, text)
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
		if o.kind == event.Null || p.kind != event.Null && (s.compare(p, o, f.textOf(o)) >= 0) == s.last {
			continue
		}
		s.put(p, o, f.textOf(o))
	}
}

// compare orders a slot and another one, which has this text, by time, offset
// and value.
func (s *edgeState) compare(p, o *edge, text []byte) int {
	if p.time != o.time {
		return cmp.Compare(p.time, o.time)
	}
	if p.offset != o.offset {
		return cmp.Compare(p.offset, o.offset)
	}
	return cmp.Or(
		cmp.Compare(p.kind, o.kind),
		cmp.Compare(p.num, o.num),
		bytes.Compare(s.textOf(p), text),
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

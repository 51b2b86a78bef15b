package aggregate

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/llm-optimizer/processor/event"
)

// The encoding is the floor, the number of entries, their counts and what of
// those is uncertain, from the most certain down, the length of their keys
// together, and the keys.
func (s *topState) append(dst []byte, slot uint32) []byte {
	p := s.slab.at(slot)
	dst = binary.AppendUvarint(dst, p.floor)
	dst = binary.AppendUvarint(dst, uint64(p.n))
	ranks, entries := s.ranked(p), s.used(p)
	for _, r := range ranks {
		dst = binary.AppendUvarint(dst, entries[r.entry].count)
		dst = binary.AppendUvarint(dst, uint64(entries[r.entry].over))
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.keys)))
	for _, r := range ranks {
		dst = append(dst, s.keys[r.from:r.to]...)
	}
	return dst
}

func (s *topState) load(slot uint32, d *decoder) {
	p := s.slab.at(slot)
	p.floor = uint64(d.positive())
	n := d.count(3)
	if n > 2*s.keep {
		d.fail("%d counters are more than the %d that are ever kept", n, 2*s.keep)
		return
	}
	counts, over := make([]uint64, n), make([]uint64, n)
	for i := range counts {
		counts[i], over[i] = uint64(d.positive()), uint64(d.positive())
		if over[i] > math.MaxUint32 {
			d.fail("a counter is uncertain by %d, more than is ever kept", over[i])
			return
		}
	}
	keys := d.bytes(d.count(1))
	if d.err != nil {
		return
	}
	values, err := event.KeyFields(make([]event.Value, 0, n), keys, n)
	if err != nil {
		d.fail("values: %w", err)
		return
	}
	for i, v := range values {
		s.loadEntry(p, v, counts[i], uint32(over[i]), d)
	}
}

func (s *topState) loadEntry(p *top, v event.Value, count uint64, over uint32, d *decoder) {
	e := topEntry{hash: s.hasher.value(v), count: count, over: over, kind: v.Kind}
	switch {
	case v.Kind == event.Null, math.IsNaN(v.Num), math.IsInf(v.Num, 0):
		d.fail("a value that no event has")
	case s.find(p, e.hash) != nil:
		d.fail("value %s stands there twice", v.AppendJSON(nil))
	case v.Kind == event.Number:
		e.payload = math.Float64bits(v.Num)
		s.insert(p, e)
	default:
		if v.Kind == event.String || v.Kind == event.Integer {
			e.payload = s.keepText(s.hasher.key)
		}
		s.insert(p, e)
	}
}

// value is the JSON of the k values that surely occurred most often.
func (s *topState) value(o *output, slot uint32, _ Window) event.Value {
	p := s.slab.at(slot)
	if p.n == 0 {
		return event.Value{}
	}
	ranks := s.ranked(p)
	entries := s.used(p)
	s.json = append(s.json[:0], '[')
	for i, r := range ranks[:min(len(ranks), int(o.param))] {
		if i > 0 {
			s.json = append(s.json, ',')
		}
		s.json = append(s.json, `{"value":`...)
		s.json = appendKeyJSON(s.json, s.keys[r.from:r.to])
		s.json = append(s.json, `,"count":`...)
		s.json = strconv.AppendUint(s.json, entries[r.entry].certain(), 10)
		s.json = append(s.json, '}')
	}
	return event.JSONValue(string(append(s.json, ']')))
}

// appendKeyJSON appends the value of a key of one field as JSON.
func appendKeyJSON(dst, key []byte) []byte {
	var buf [1]event.Value
	values, err := event.KeyFields(buf[:0], key, 1)
	if err != nil {
		return append(dst, "null"...)
	}
	return values[0].AppendJSON(dst)
}

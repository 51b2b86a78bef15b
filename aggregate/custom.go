package aggregate

import (
	"encoding/binary"
	"fmt"

	"github.com/llm-optimizer/processor/event"
)

// Custom makes accumulators written by a user of the library.
type Custom interface {
	// New returns an empty accumulator.
	New() Accumulator
}

// Accumulator is the state of a custom aggregate for one window and key. It
// is called by one goroutine at a time.
type Accumulator interface {
	// Add adds the value of one event. Nulls are not passed on; without an
	// argument every event adds a null.
	Add(v event.Value)
	// Merge adds another accumulator of the same kind. It must leave other as
	// it is and keep nothing of it: panes are merged into several windows.
	Merge(other Accumulator)
	// Value is the aggregate; it may be called more than once, also when
	// nothing was added.
	Value() event.Value
	// MarshalBinary and UnmarshalBinary make it durable.
	MarshalBinary() ([]byte, error)
	UnmarshalBinary(data []byte) error
}

// customState holds one Accumulator a slot, made when first needed.
type customState struct {
	custom Custom
	accs   []Accumulator
	// err is the first failure to encode, for Composite.Err.
	err error
}

func (s *customState) grow(n uint32) {
	for uint32(len(s.accs)) < n {
		s.accs = append(s.accs, nil)
	}
}

func (s *customState) reset(slot uint32) { s.accs[slot] = nil }

func (s *customState) clear(n uint32) { clear(s.accs[:n]) }

func (s *customState) acc(slot uint32) Accumulator {
	if s.accs[slot] == nil {
		s.accs[slot] = s.custom.New()
	}
	return s.accs[slot]
}

func (s *customState) update(rows Rows, col *event.Column) {
	for i, row := range rows.Index {
		if col == nil {
			s.acc(rows.Slot[i]).Add(event.Value{})
		} else if k := col.Kind[row]; k != event.Null && k.IsScalar() {
			s.acc(rows.Slot[i]).Add(rows.Batch.Value(col, int(row)))
		}
	}
}

func (s *customState) merge(dst []uint32, from state, src []uint32) {
	f := from.(*customState)
	for i, slot := range src {
		if other := f.accs[slot]; other != nil {
			s.acc(dst[i]).Merge(other)
		}
	}
}

// The encoding is a byte, 0 for an accumulator that was never needed and 1
// before the length and bytes of one that was. 2 stands before the message of
// one that could not be encoded.
func (s *customState) append(dst []byte, slot uint32) []byte {
	acc := s.accs[slot]
	if acc == nil {
		return append(dst, 0)
	}
	data, err := acc.MarshalBinary()
	tag := byte(1)
	if err != nil {
		if s.err == nil {
			s.err = fmt.Errorf("encode a custom accumulator: %w", err)
		}
		tag, data = 2, []byte(err.Error())
	}
	dst = binary.AppendUvarint(append(dst, tag), uint64(len(data)))
	return append(dst, data...)
}

func (s *customState) load(slot uint32, d *decoder) {
	tag := d.byte()
	if tag == 0 {
		return
	}
	data := d.bytes(d.count(1))
	switch {
	case d.err != nil:
	case tag == 2:
		d.fail("the accumulator could not be encoded: %s", data)
	case tag != 1:
		d.fail("unknown form %d", tag)
	default:
		if err := s.acc(slot).UnmarshalBinary(data); err != nil {
			d.fail("decode a custom accumulator: %w", err)
		}
	}
}

func (s *customState) value(_ *output, slot uint32, _ Window) event.Value {
	if acc := s.accs[slot]; acc != nil {
		return acc.Value()
	}
	return s.custom.New().Value()
}

func (s *customState) bytes() int { return cap(s.accs) * 16 }

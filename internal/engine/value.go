package engine

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/state"
)

// The payloads of windows in durable state; docs/state-format.md describes
// them. The value around them has a version and a checksum.

// The flags of a stored cell.
const (
	storedNew byte = 1 << iota
	storedAtEnd
	storedSlot // accumulators follow
)

// The flags of a stored session.
const (
	storedSessionNew byte = 1 << iota
	storedSessionFired
	storedSessionOwed
)

// appendCell appends the payload of cell i of a bucket.
func (m *mergeQuery) appendCell(dst []byte, c *cell, i int) []byte {
	var flags byte
	if c.flags&hasNew != 0 {
		flags |= storedNew
	}
	if c.flags&firedAtEnd != 0 {
		flags |= storedAtEnd
	}
	if c.slot != noSlot {
		flags |= storedSlot
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(i))
	dst = binary.AppendUvarint(dst, uint64(c.firing))
	dst = binary.AppendUvarint(dst, c.count)
	if c.slot != noSlot {
		dst = m.comp.AppendState(dst, c.slot)
	}
	return dst
}

// readCell reads what appendCell wrote, and the cell's place in its bucket.
// state is nil for a cell without accumulators.
func readCell(payload []byte) (c cell, place uint64, state []byte, err error) {
	d := payloadReader{buf: payload}
	flags := d.byte()
	place = d.uvarint()
	firing := d.uvarint()
	c = cell{slot: noSlot, firing: uint32(firing), count: d.uvarint()}
	if d.err == nil && (flags > storedNew|storedAtEnd|storedSlot || firing > 1<<32-1) {
		d.err = errors.New("flags or firing out of range")
	}
	if flags&storedNew != 0 {
		c.flags |= hasNew
	}
	if flags&storedAtEnd != 0 {
		c.flags |= firedAtEnd
	}
	switch {
	case d.err != nil:
	case flags&storedSlot != 0:
		state = d.buf
	case len(d.buf) > 0:
		d.err = fmt.Errorf("%d bytes too many", len(d.buf))
	}
	return c, place, state, d.err
}

// appendSession appends the payload of a session.
func (m *sessions) appendSession(dst []byte, s *session) []byte {
	var flags byte
	if s.flags&sessionHasNew != 0 {
		flags |= storedSessionNew
	}
	if s.flags&sessionFired != 0 {
		flags |= storedSessionFired
	}
	if s.flags&sessionOwed != 0 {
		flags |= storedSessionOwed
	}
	dst = append(dst, flags)
	for _, t := range []int64{s.start, s.end, s.identity, s.firedStart, s.firedEnd} {
		dst = binary.AppendVarint(dst, t)
	}
	dst = binary.AppendUvarint(dst, s.count)
	dst = binary.AppendUvarint(dst, uint64(s.firing))
	dst = binary.AppendUvarint(dst, uint64(len(s.retracts)))
	for _, r := range s.retracts {
		dst = binary.AppendVarint(dst, r.start)
		dst = binary.AppendVarint(dst, r.end)
		dst = binary.AppendVarint(dst, r.identity)
		dst = binary.AppendUvarint(dst, uint64(r.number))
	}
	return m.comp.AppendState(dst, s.slot)
}

// readSession reads what appendSession wrote.
func readSession(payload []byte) (s session, state []byte, err error) {
	d := payloadReader{buf: payload}
	flags := d.byte()
	for _, t := range []*int64{&s.start, &s.end, &s.identity, &s.firedStart, &s.firedEnd} {
		*t = d.varint()
	}
	s.count = d.uvarint()
	s.firing = d.uint32()
	const least = 4 // bytes of a retraction
	n := d.uvarint()
	if n > uint64(len(d.buf)/least) {
		d.fail(errShort)
		n = 0
	}
	for range n {
		s.retracts = append(s.retracts, firing{
			start: d.varint(), end: d.varint(), identity: d.varint(), number: d.uint32(), timing: result.Retract,
		})
	}
	if flags > storedSessionNew|storedSessionFired|storedSessionOwed || s.end <= s.start {
		d.fail(errors.New("flags or bounds out of range"))
	}
	if flags&storedSessionNew != 0 {
		s.flags |= sessionHasNew
	}
	if flags&storedSessionFired != 0 {
		s.flags |= sessionFired
	}
	if flags&storedSessionOwed != 0 {
		s.flags |= sessionOwed
	}
	return s, d.buf, d.err
}

var errShort = errors.New("cut short")

// payloadReader reads a payload from its start; the first error sticks.
type payloadReader struct {
	buf []byte
	err error
}

func (d *payloadReader) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.buf = nil
}

func (d *payloadReader) byte() byte {
	if len(d.buf) == 0 {
		d.fail(errShort)
		return 0
	}
	b := d.buf[0]
	d.buf = d.buf[1:]
	return b
}

func (d *payloadReader) uvarint() uint64 {
	v, n := binary.Uvarint(d.buf)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

func (d *payloadReader) uint32() uint32 {
	v := d.uvarint()
	if v > 1<<32-1 {
		d.fail(fmt.Errorf("number %d out of range", v))
	}
	return uint32(v)
}

func (d *payloadReader) varint() int64 {
	v, n := binary.Varint(d.buf)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

// corrupt marks an error of a stored window.
func corrupt(err error) error { return fmt.Errorf("%w: %w", state.ErrCorrupt, err) }

package epoch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/llm-optimizer/processor/state"
)

// A value is a version, the payload, and a checksum of key, version and
// payload: a value under another key is damage too. The frame itself is the
// same in all versions, so that damage is never taken for a newer version.
const (
	valueVersion = 1
	checksumSize = 4
	frameSize    = 1 + checksumSize
)

// storeFormat is the number of all of this: which keys there are, and what is
// in their values.
const storeFormat = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Seal appends the value that holds a payload under a key.
func Seal(dst, key, payload []byte) []byte {
	from := len(dst)
	return End(append(Begin(dst), payload...), key, from)
}

// Begin appends the beginning of a value. The caller appends the payload and
// calls End: that saves a copy.
func Begin(dst []byte) []byte { return append(dst, valueVersion) }

// End ends the value of a key that was begun when dst had the length from.
func End(dst, key []byte, from int) []byte {
	return binary.BigEndian.AppendUint32(dst, checksum(key, dst[from:]))
}

func checksum(key, data []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, key), castagnoli, data)
}

// Open returns the payload of a value, which stays a part of it. Errors wrap
// state.ErrCorrupt or state.ErrVersion and say which key it is.
func Open(key, value []byte) (payload []byte, err error) {
	if len(value) < frameSize {
		return nil, corrupt(key, fmt.Errorf("a value of %d bytes: %w", len(value), errShort))
	}
	data, sum := value[:len(value)-checksumSize], binary.BigEndian.Uint32(value[len(value)-checksumSize:])
	if is := checksum(key, data); is != sum {
		return nil, corrupt(key, fmt.Errorf("its checksum is %08x, not %08x", is, sum))
	}
	if data[0] != valueVersion {
		return nil, fmt.Errorf("%s: %w: its value has version %d, this program reads version %d",
			DescribeKey(key), state.ErrVersion, data[0], valueVersion)
	}
	return data[1:], nil
}

// corrupt says that what is under a key is damaged.
func corrupt(key []byte, err error) error {
	return fmt.Errorf("%s: %w: %w", DescribeKey(key), state.ErrCorrupt, err)
}

func encodeHeader(h *Header) []byte {
	dst := binary.AppendUvarint(nil, storeFormat)
	dst = appendText(dst, h.Pipeline)
	dst = append(dst, h.Incarnation[:]...)
	return appendClock(dst, h.Created)
}

// decodeHeader reads a header. One of a newer format may be anything but for
// its beginning.
func decodeHeader(payload []byte) (*Header, error) {
	r := reader{buf: payload}
	if format := r.uvarint(); r.err == nil && format != storeFormat {
		return nil, fmt.Errorf("%w: the state has format %d, this program reads format %d", state.ErrVersion, format, storeFormat)
	}
	h := &Header{Pipeline: r.string()}
	copy(h.Incarnation[:], r.take(uint64(len(h.Incarnation))))
	h.Created = r.time()
	return h, r.end()
}

func encodeRecord(rec *Record) []byte {
	dst := binary.AppendUvarint(nil, rec.Number)
	dst = appendClock(dst, rec.Time)
	dst = binary.AppendVarint(dst, rec.Watermark)
	dst = binary.AppendUvarint(dst, uint64(len(rec.Queries)))
	for i := range rec.Queries {
		q := &rec.Queries[i]
		dst = appendText(dst, q.Name)
		dst = binary.BigEndian.AppendUint64(dst, q.Hash)
		dst = binary.AppendVarint(dst, q.Since)
		for _, n := range q.Counts.all() {
			dst = binary.AppendVarint(dst, *n)
		}
	}
	return dst
}

func decodeRecord(payload []byte) (Record, error) {
	r := reader{buf: payload}
	rec := Record{Number: r.uvarint(), Time: r.time(), Watermark: r.varint()}
	const least = 1 + 8 + 1 + 9 // bytes of a query
	if n := r.count(least); n > 0 {
		rec.Queries = make([]Query, n)
	}
	for i := range rec.Queries {
		q := &rec.Queries[i]
		q.Name, q.Hash, q.Since = r.string(), r.uint64(), r.varint()
		for _, n := range q.Counts.all() {
			*n = r.varint()
		}
	}
	if r.err == nil && rec.Number == 0 {
		r.fail(errors.New("epochs count from 1, this is number 0"))
	}
	return rec, r.end()
}

// all lists the counts in the order in which they are stored.
func (c *Counts) all() [9]*int64 {
	return [...]*int64{
		&c.Read, &c.InWindows, &c.Late, &c.Dead, &c.Filtered, &c.Unwindowed, &c.Duplicate, &c.Overflow, &c.Results,
	}
}

// appendPartition appends a partition without its id, which is in the key.
func appendPartition(dst []byte, p *Partition) []byte {
	dst = appendText(appendText(dst, p.Origin.Topic), p.Origin.Path)
	dst = binary.AppendVarint(dst, int64(p.Origin.Partition))
	dst = binary.AppendVarint(dst, p.Position)
	dst = appendToken(dst, p.Token)
	return binary.AppendVarint(dst, p.Watermark)
}

func decodePartition(id uint32, payload []byte) (Partition, error) {
	r := reader{buf: payload}
	p := Partition{ID: id}
	p.Origin.Topic, p.Origin.Path, p.Origin.Partition = r.string(), r.string(), r.int32()
	p.Position, p.Token, p.Watermark = r.varint(), r.token(), r.varint()
	return p, r.end()
}

// appendPlace appends a place without the sink's name, which is in the key.
func appendPlace(dst []byte, p *Place) []byte {
	return appendToken(binary.AppendUvarint(dst, p.Epoch), p.Token)
}

func decodePlace(sink string, payload []byte) (Place, error) {
	r := reader{buf: payload}
	p := Place{Sink: sink, Epoch: r.uvarint(), Token: r.token()}
	return p, r.end()
}

package epoch

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/state"
)

// ID is the hash of an event's id. The zero ID is none.
type ID [16]byte

// Seen is an id that later events of its partition may repeat.
type Seen struct {
	ID   ID
	Time int64 // of the event, in nanoseconds
}

// SeenIDs are the ids of one partition that came in an epoch, and what of the
// ids before is too old to be asked for.
//
// Ids lie in periods of event time, so that those too old go in one step: an
// epoch writes a block of new ids for each period that got some.
type SeenIDs struct {
	// Partition is its number in the state.
	Partition uint32
	// Definition identifies what ids are and how long they are kept; ids of
	// another definition are worth nothing.
	Definition uint64
	// Width is the length of a period in nanoseconds, at least 1.
	Width int64
	// IDs are in the order in which they came.
	IDs []Seen
	// Before is the first period that is still needed; those before it are
	// removed. event.MinTime removes none.
	Before int64
}

// Period is the number of the period of a length in which t lies.
func Period(t, width int64) int64 {
	n := t / width
	if t%width < 0 {
		n--
	}
	return n
}

const seenKeySize = 1 + 4 + 8 + 8

// appendSeenKey appends the key of the ids of one period that came in an epoch.
func appendSeenKey(dst []byte, partition uint32, period int64, epoch uint64) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, classSeen), partition)
	dst = binary.BigEndian.AppendUint64(dst, uint64(period)^1<<63)
	return binary.BigEndian.AppendUint64(dst, epoch)
}

func parseSeenKey(key []byte) (partition uint32, period int64, ok bool) {
	if len(key) != seenKeySize || key[0] != classSeen {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(key[1:]), int64(binary.BigEndian.Uint64(key[5:]) ^ 1<<63), true
}

// seenRange is the range of a partition's ids before a period.
func seenRange(partition uint32, before int64) (from, to []byte) {
	return appendSeenKey(nil, partition, event.MinTime, 0), appendSeenKey(nil, partition, before, 0)
}

// seenOf is the range of all ids of a partition.
func seenOf(partition uint32) (from, to []byte) {
	from = binary.BigEndian.AppendUint32([]byte{classSeen}, partition)
	return from, next(from)
}

// putSeen writes an epoch's ids, period by period.
func (w *writer) putSeen(epoch uint64, s *SeenIDs) {
	if s.Before > event.MinTime {
		w.batch.DeleteRange(seenRange(s.Partition, s.Before))
	}
	byPeriod := map[int64][]Seen{}
	for _, id := range s.IDs {
		n := Period(id.Time, s.Width)
		byPeriod[n] = append(byPeriod[n], id)
	}
	for period, ids := range byPeriod {
		if period < s.Before {
			continue
		}
		w.key = appendSeenKey(w.key[:0], s.Partition, period, epoch)
		w.payload = appendSeen(w.payload[:0], s.Definition, ids)
		w.put(w.key, w.payload)
	}
}

func appendSeen(dst []byte, definition uint64, ids []Seen) []byte {
	dst = binary.BigEndian.AppendUint64(dst, definition)
	dst = binary.AppendUvarint(dst, uint64(len(ids)))
	last := int64(0)
	for _, s := range ids {
		dst = append(binary.AppendVarint(dst, s.Time-last), s.ID[:]...) // the difference may wrap, and wraps back
		last = s.Time
	}
	return dst
}

func decodeSeen(payload []byte, ids []Seen) (definition uint64, _ []Seen, err error) {
	r := reader{buf: payload}
	definition = r.uint64()
	const least = 1 + 16
	n := r.count(least)
	ids = slices.Grow(ids, n)
	last := int64(0)
	for range n {
		s := Seen{Time: last + r.varint()}
		copy(s.ID[:], r.take(uint64(len(s.ID))))
		ids, last = append(ids, s), s.Time
	}
	return definition, ids, r.end()
}

// LoadSeen gives all stored ids to fn, those of a partition in the order of
// their periods, and in a period as they came. The slice is valid until fn
// returns.
func LoadSeen(ctx context.Context, b state.Backend, fn func(partition uint32, definition uint64, ids []Seen) error) error {
	from, to := classRange(classSeen)
	var ids []Seen
	return b.Scan(ctx, from, to, func(key, value []byte) error {
		partition, _, ok := parseSeenKey(key)
		if !ok {
			return corrupt(key, errKey)
		}
		payload, err := Open(key, value)
		if err != nil {
			return err
		}
		var definition uint64
		if definition, ids, err = decodeSeen(payload, ids[:0]); err != nil {
			return corrupt(key, err)
		}
		if err := fn(partition, definition, ids); err != nil {
			return fmt.Errorf("%s: %w", DescribeKey(key), err)
		}
		return nil
	})
}

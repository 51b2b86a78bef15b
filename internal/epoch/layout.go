package epoch

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/llm-optimizer/processor/event"
)

// The classes of keys: the first byte of each. Numbers in keys are big endian,
// so that the order of the bytes is that of the numbers.
const (
	classHeader    = 'a' // nothing else
	classRecord    = 'e' // nothing else
	classSeen      = 'i' // partition id (4), period (8), epoch (8)
	classOutbox    = 'o' // epoch (8 bytes), sequence (4)
	classPartition = 'p' // id (4)
	classPlace     = 's' // the sink's name
	classWindow    = 'w' // query hash (8), kind (1), time (8), grouping key
)

// Kind says what of a query a stored window is. The zero Kind is none.
type Kind byte

// The kinds of stored windows.
const (
	// KindWindow is a window that accumulates by itself; its time is its start.
	KindWindow Kind = 'w'
	// KindPane is a pane that windows share; its time is its start.
	KindPane Kind = 'p'
	// KindOwn is what a sliding window has beside its panes; its time is its
	// start.
	KindOwn Kind = 'o'
	// KindSession is a session; its time is its number, by age.
	KindSession Kind = 's'
)

// String names the kind as messages and reports do; an unknown one by its byte.
func (k Kind) String() string {
	switch k {
	case KindWindow:
		return "window"
	case KindPane:
		return "pane"
	case KindOwn:
		return "sliding window"
	case KindSession:
		return "session"
	default:
		return fmt.Sprintf("kind 0x%02x", byte(k))
	}
}

func (k Kind) known() bool {
	return k == KindWindow || k == KindPane || k == KindOwn || k == KindSession
}

// The lengths of the fixed parts of keys.
const (
	queryPrefix   = 1 + 8
	windowPrefix  = queryPrefix + 1 + 8
	outboxKeySize = 1 + 8 + 4
	partitionSize = 1 + 4
)

var (
	headerKey = []byte{classHeader}
	recordKey = []byte{classRecord}
)

// AppendWindowKey appends the key of a window: of one query, of a kind, with a
// time (what it is depends on the kind) and an encoded grouping key.
func AppendWindowKey(dst []byte, hash uint64, kind Kind, time int64, key []byte) []byte {
	return append(appendWindowPrefix(dst, hash, kind, time), key...)
}

func appendWindowPrefix(dst []byte, hash uint64, kind Kind, time int64) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, classWindow), hash)
	dst = append(dst, byte(kind))
	// With the sign bit flipped, times before 1970 come first.
	return binary.BigEndian.AppendUint64(dst, uint64(time)^1<<63)
}

// WindowRange returns the range, from (inclusive) to (exclusive), that holds
// the keys of one window: one for each grouping key.
func WindowRange(hash uint64, kind Kind, time int64) (from, to []byte) {
	from = appendWindowPrefix(make([]byte, 0, windowPrefix), hash, kind, time)
	return from, next(from)
}

// queryRange returns the range, from (inclusive) to (exclusive), that holds all
// windows of a query.
func queryRange(hash uint64) (from, to []byte) {
	from = binary.BigEndian.AppendUint64([]byte{classWindow}, hash)
	return from, next(from)
}

// appendOutboxKey appends the key of a block of rows; sequence orders those of
// one epoch.
func appendOutboxKey(dst []byte, epoch uint64, sequence uint32) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, classOutbox), epoch)
	return binary.BigEndian.AppendUint32(dst, sequence)
}

// OutboxRange returns the range that holds the blocks of the epochs from one
// (inclusive) to another (exclusive).
func OutboxRange(fromEpoch, toEpoch uint64) (from, to []byte) {
	from = binary.BigEndian.AppendUint64([]byte{classOutbox}, fromEpoch)
	to = binary.BigEndian.AppendUint64([]byte{classOutbox}, toEpoch)
	return from, to
}

func partitionKey(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{classPartition}, id)
}

func placeKey(sink string) []byte { return append([]byte{classPlace}, sink...) }

// classRange is the range of all keys of a class.
func classRange(class byte) (from, to []byte) {
	return []byte{class}, []byte{class + 1}
}

// next returns the first key after those that begin with a prefix, nil if there
// can be none.
func next(prefix []byte) []byte {
	for n := len(prefix) - 1; n >= 0; n-- {
		if prefix[n] != math.MaxUint8 {
			to := slices.Clone(prefix[:n+1])
			to[n]++
			return to
		}
	}
	return nil
}

// WindowKey is the key of a window, read.
type WindowKey struct {
	Hash uint64
	Kind Kind
	Time int64
	// Key is the encoded grouping key, a part of what was read.
	Key []byte
}

// ParseWindowKey reads what AppendWindowKey wrote; ok is false if key is none
// of a window.
func ParseWindowKey(key []byte) (w WindowKey, ok bool) {
	if len(key) < windowPrefix || key[0] != classWindow || !Kind(key[queryPrefix]).known() {
		return WindowKey{}, false
	}
	return WindowKey{
		Hash: binary.BigEndian.Uint64(key[1:]),
		Kind: Kind(key[queryPrefix]),
		Time: int64(binary.BigEndian.Uint64(key[queryPrefix+1:]) ^ 1<<63),
		Key:  key[windowPrefix:],
	}, true
}

// ParseOutboxKey reads what appendOutboxKey wrote; ok is false if key is none
// of a block.
func ParseOutboxKey(key []byte) (epoch uint64, sequence uint32, ok bool) {
	if len(key) != outboxKeySize || key[0] != classOutbox {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint32(key[9:]), true
}

func parsePartitionKey(key []byte) (id uint32, ok bool) {
	if len(key) != partitionSize || key[0] != classPartition {
		return 0, false
	}
	return binary.BigEndian.Uint32(key[1:]), true
}

func parsePlaceKey(key []byte) (sink string, ok bool) {
	if len(key) < 2 || key[0] != classPlace {
		return "", false
	}
	return string(key[1:]), true
}

// DescribeKey says in words what a key holds, whatever it is, for messages.
func DescribeKey(key []byte) string {
	if len(key) == 1 {
		switch key[0] {
		case classHeader:
			return "the header"
		case classRecord:
			return "the record of the last epoch"
		}
	}
	if w, ok := ParseWindowKey(key); ok {
		return describeWindow(w)
	}
	if epoch, sequence, ok := ParseOutboxKey(key); ok {
		return fmt.Sprintf("block %d of the rows of epoch %d", sequence, epoch)
	}
	if id, period, ok := parseSeenKey(key); ok {
		return fmt.Sprintf("ids of partition %d, period %d", id, period)
	}
	if id, ok := parsePartitionKey(key); ok {
		return fmt.Sprintf("partition %d", id)
	}
	if sink, ok := parsePlaceKey(key); ok {
		return "the place of sink " + short(strconv.Quote(sink))
	}
	return "unknown key " + short(hex.EncodeToString(key))
}

func describeWindow(w WindowKey) string {
	key := short(describeGroup(w.Key))
	switch {
	case w.Kind == KindSession:
		return fmt.Sprintf("session %d of query %016x, key %s", w.Time, w.Hash, key)
	case w.Time == event.MinTime:
		return fmt.Sprintf("global %s of query %016x, key %s", w.Kind, w.Hash, key)
	default:
		return fmt.Sprintf("%s of query %016x starting %s, key %s", w.Kind, w.Hash, event.AppendTime(nil, w.Time), key)
	}
}

// describeGroup writes a grouping key as a list of its values: the names of its
// fields are in the query alone. What is none is written in hexadecimal.
func describeGroup(key []byte) string {
	fields, _ := event.KeyFields(nil, key, len(key)) // a field has a byte at least
	if _, err := event.KeyFields(nil, key, len(fields)); err != nil {
		return hex.EncodeToString(key)
	}
	text := []byte{'['}
	for i, f := range fields {
		if i > 0 {
			text = append(text, ',')
		}
		text = f.AppendJSON(text)
	}
	if text = append(text, ']'); !json.Valid(text) {
		return hex.EncodeToString(key)
	}
	return string(text)
}

// short cuts a text that is too long for a message.
func short(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:most], len(text))
}

package aggregate

import (
	"github.com/cespare/xxhash/v2"

	"github.com/llm-optimizer/processor/event"
)

// hasher hashes values by their canonical key encoding, so that what is one
// key is one value here: 1 and 1.0, but not "1". The hashes are the same in
// every process, as they are stored and sent. 64 bits stand for the value:
// among a million values two collide with a chance of 3 in 10⁸.
type hasher struct{ key []byte }

// row hashes a row's value; ok is false for nulls and what is no scalar.
func (h *hasher) row(b *event.Batch, col *event.Column, row int32) (hash uint64, ok bool) {
	if k := col.Kind[row]; k == event.Null || !k.IsScalar() {
		return 0, false
	}
	h.key = b.AppendKey(h.key[:0], col, int(row))
	return h.sum(), true
}

func (h *hasher) value(v event.Value) uint64 {
	h.key = event.AppendKeyValue(h.key[:0], v)
	return h.sum()
}

// sum never returns 0, which marks empty places in tables.
func (h *hasher) sum() uint64 { return max(xxhash.Sum64(h.key), 1) }

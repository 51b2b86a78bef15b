package kafka

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pool gives the client memory to decompress and decode into, and takes it back
// when the last record of a batch was copied. Sizes are powers of two, as what
// is given back is cleared up to its capacity.
type pool struct {
	bytes   [32]sync.Pool
	records [24]sync.Pool
}

var (
	_ kgo.PoolDecompressBytes = (*pool)(nil)
	_ kgo.PoolRecords         = (*pool)(nil)
)

func newPool() *pool { return &pool{} }

// ratio is what JSON is likely to be compressed by.
const ratio = 4

// GetDecompressBytes returns memory that is likely to be enough.
func (p *pool) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	class := min(bits.Len(uint(len(compressed)*ratio-1)), len(p.bytes)-1)
	if b, ok := p.bytes[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 1<<class)
}

// PutDecompressBytes takes it back, grown perhaps.
func (p *pool) PutDecompressBytes(b []byte) {
	if class := bits.Len(uint(cap(b))) - 1; class >= 0 && class < len(p.bytes) {
		p.bytes[class].Put(&b)
	}
}

// GetRecords returns a slice for n records.
func (p *pool) GetRecords(n int) []kgo.Record {
	class := bits.Len(uint(max(n, 1) - 1))
	if class >= len(p.records) {
		return make([]kgo.Record, n)
	}
	if r, ok := p.records[class].Get().(*[]kgo.Record); ok {
		return (*r)[:n]
	}
	return make([]kgo.Record, n, 1<<class)
}

// PutRecords takes it back.
func (p *pool) PutRecords(r []kgo.Record) {
	if class := bits.Len(uint(cap(r))) - 1; class >= 0 && class < len(p.records) {
		p.records[class].Put(&r)
	}
}

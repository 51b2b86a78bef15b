package kafka

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What is fetched is bounded compressed, memory holds it decompressed. So how
// well the last answers were compressed bounds the next ones, too: as much is
// fetched of a partition as makes eight times FetchBytes. JSON is compressed
// less than that, but a broken producer may send the same line for ever. The
// first fetch is a small one, as nothing is known yet.
const (
	decompressedFetches = 8
	firstFetchBytes     = 64 << 10
	minFetchBytes       = 16 << 10
)

// fetchSize sees all batches that are decoded.
type fetchSize struct {
	compressed, decompressed atomic.Int64
	now                      int // how much is fetched of a partition at present
}

var _ kgo.HookFetchBatchRead = (*fetchSize)(nil)

// OnFetchBatchRead is called by the client.
func (c *fetchSize) OnFetchBatchRead(_ kgo.BrokerMetadata, _ string, _ int32, m kgo.FetchBatchMetrics) {
	c.compressed.Add(int64(m.CompressedBytes))
	c.decompressed.Add(int64(m.UncompressedBytes))
}

// next returns how much to fetch of a partition from now on, after what was
// decoded since the last call, and whether that is another amount than before.
func (c *fetchSize) next(fetch int) (bytes int, changed bool) {
	from, to := c.compressed.Swap(0), c.decompressed.Swap(0)
	if from <= 0 || to <= 0 {
		return c.now, false
	}
	want := int(float64(fetch) * decompressedFetches * float64(from) / float64(to))
	want = max(min(want, fetch), min(minFetchBytes, fetch))
	if want > c.now/2 && want < c.now*2 && (want < fetch || c.now == fetch) {
		return c.now, false // close enough
	}
	changed = want != c.now
	c.now = want
	return want, changed
}

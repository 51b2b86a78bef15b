package kafka

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/source"
)

// A partition that nobody reads does not stop the others, and holds no more
// than its share.
func TestAPausedPartitionHoldsNothingUp(t *testing.T) {
	c := fakeKafka(t, "events", 2)
	cl := clientOf(t, c.ListenAddrs())
	var want [2][]string
	for round := range 160 {
		for i := range want {
			vs := values(fmt.Sprint("p", i, "-", round), 500)
			produce(t, cl, "events", int32(i), vs...)
			want[i] = append(want[i], vs...)
		}
	}
	s := &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}, Stop: "latest", BufferBytes: 1 << 20, FetchBytes: 64 << 10}
	parts := opened(t, s)
	for _, p := range parts {
		if err := p.Open(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	var most atomic.Int64
	held := func(*got) bool {
		p := parts[0].(*partition)
		p.mu.Lock()
		defer p.mu.Unlock()
		most.Store(max(most.Load(), int64(p.queue.bytes)))
		return false
	}
	sameValues(t, readUntil(t, parts[1], held).values, want[1])
	// A fetch is of 64 KiB as it is sent; such texts compress thirtyfold. All of
	// the partition is three times as much as may wait.
	const share, oneFetch = 512 << 10, 2 << 20
	if n := most.Load(); n > share+oneFetch {
		t.Errorf("%d bytes wait for a reader that does not come", n)
	}
	sameValues(t, readUntil(t, parts[0], nil).values, want[0])
}

// A reader in step allocates nothing of its own once it is warm.
func TestFillAllocatesNothing(t *testing.T) {
	p, refill := filledPartition(420, "$key", "$timestamp")
	var c source.Chunk
	work := func() {
		c.Reset()
		p.fill(&c, refill())
	}
	work()
	if n := testing.AllocsPerRun(100, work); n > 0 {
		t.Errorf("filling a chunk allocates %.0f times", n)
	}
}

// What is compressed a thousandfold is fetched in small pieces.
func TestCompressionBoundsFetches(t *testing.T) {
	c := fetchSize{now: 512 << 10}
	for _, step := range []struct {
		compressed, decompressed, want int
	}{
		{0, 0, 512 << 10},
		{100_000, 500_000, 512 << 10},
		{100_000, 1_600_000, 256 << 10},
		{100_000, 1_700_000, 256 << 10}, // close enough
		{100_000, 100_000_000, minFetchBytes},
		{0, 0, minFetchBytes},
		{100_000, 100_000, 512 << 10},
	} {
		c.OnFetchBatchRead(kgo.BrokerMetadata{}, "", 0, kgo.FetchBatchMetrics{CompressedBytes: step.compressed, UncompressedBytes: step.decompressed})
		before := c.now
		if n, changed := c.next(512 << 10); n != step.want || changed != (n != before) {
			t.Errorf("after %d bytes that were %d: fetch %d (changed %v), want %d", step.compressed, step.decompressed, n, changed, step.want)
		}
	}
}

// A partition of 200 MB that is compressed to almost nothing is read beside one
// that nobody reads, within bounds.
func TestMemoryIsBounded(t *testing.T) {
	const records, size = 400, 512 << 10
	c := fakeKafka(t, "events", 2)
	cl := clientOf(t, c.ListenAddrs(), kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(10))
	value := strings.Repeat("the same ", size/9)
	for range records / 10 {
		for i := range int32(2) {
			produce(t, cl, "events", i, slices.Repeat([]string{value}, 10)...)
		}
	}
	s := &Source{Cluster: Cluster{Brokers: c.ListenAddrs()}, Topics: []string{"events"}, Stop: "latest"}
	parts := opened(t, s)
	for _, p := range parts {
		if err := p.Open(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var most uint64
	var chunk source.Chunk
	n := 0
	for n < records {
		if err := parts[1].Read(t.Context(), &chunk); err != nil {
			t.Fatal(err)
		}
		if n += len(chunk.Spans); n%10 == 0 {
			runtime.GC() // what is left is held
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
	}
	if held := int64(most) - int64(before.HeapAlloc); held > 128<<20 {
		t.Errorf("%d MiB are held", held>>20)
	} else {
		t.Logf("%d MiB are held at most", held>>20)
	}
}

// A queue that was emptied is fetched again, whatever its share was meanwhile.
func TestAnEmptyQueueIsNotFull(t *testing.T) {
	for _, share := range []int{0, 1, 1 << 10, 1 << 20} {
		p, refill := filledPartition(100)
		records := refill()
		p.queue = queue{share: share}
		p.push(&kgo.FetchPartition{Records: records})
		if full := !p.queue.full.IsZero(); full != (share < 1<<20) {
			t.Errorf("share %d: full %v", share, full)
		}
		p.isHungry(share / 2)
		var c source.Chunk
		for len(p.queue.fetched) > 0 {
			c.Reset()
			p.fill(&c, p.head())
		}
		if !p.queue.full.IsZero() || p.queue.bytes != 0 {
			t.Errorf("share %d: an empty queue counts as full, with %d bytes", share, p.queue.bytes)
		}
	}
}

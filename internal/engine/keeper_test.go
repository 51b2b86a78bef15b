package engine

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/aggregate"
	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/decode"
	"github.com/llm-optimizer/processor/internal/epoch"
	"github.com/llm-optimizer/processor/internal/exchange"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/watermark"
	"github.com/llm-optimizer/processor/window"
)

// kept is a shard with the store that its epochs make.
type kept struct {
	*shard
	pools []*partialsPool
	comb  *combiner
	store map[string]string
	rows  []string
}

func newKept(p *plan.Plan, st start) *kept {
	k := &kept{shard: newShard(p, Limits{}, false, st, newKeeper()), store: map[string]string{}}
	for _, q := range p.Queries {
		k.pools = append(k.pools, &partialsPool{proto: q.Composite})
	}
	k.comb = newCombiner(p, watermark.NewBounded(2*time.Second), 1, false, k.pools)
	k.out.take = func(b *result.Batch) *result.Batch {
		for _, r := range b.Results {
			k.rows = append(k.rows, string(r.AppendJSON(nil, false)))
		}
		return &result.Batch{}
	}
	return k
}

// feed takes a batch through the shard.
func (k *kept) feed(t rapid.TB, b *exchange.Shared) {
	b.Retain(1)
	k.comb.meet(b, make([]epoch.Counts, len(b.Selections)), nil, nil)
	k.comb.add(b)
	f := &exchange.Flush{Others: event.MaxTime, Combined: k.comb.wm.Current()}
	k.comb.take(0, f)
	k.comb.flushed()
	if err := k.step(f); err != nil {
		t.Fatal(err)
	}
	for q, p := range f.Partials {
		if p != nil {
			k.pools[q].put(p)
		}
	}
}

// save encodes up to n cells, and when that was all applies the epoch.
func (k *kept) saveSome(n int) {
	if !k.saving {
		return
	}
	if k.saving = k.save(n); k.saving {
		return
	}
	for op := range k.keep.cur.All() {
		switch op.Kind {
		case state.Set:
			k.store[string(op.Key)] = string(op.Value)
		case state.Delete:
			delete(k.store, string(op.Key))
		case state.DeleteRange:
			maps.DeleteFunc(k.store, func(key, _ string) bool { return key >= string(op.Key) && key < string(op.Value) })
		}
	}
}

func (k *kept) cutNow() {
	k.keep.cut(&state.Batch{})
	k.saving = true
}

// keptQueries have every kind of window that durable state keeps.
func keptQueries() []query.Query {
	key := []query.KeyField{{Name: "k", Expr: "k"}}
	aggs := func() []aggregate.Spec {
		return []aggregate.Spec{aggregate.Count(), aggregate.Sum("v"), aggregate.Percentile("v", 95), aggregate.Distinct("v")}
	}
	return []query.Query{
		{Name: "once", Key: key, Window: window.Tumbling(3 * time.Second), Aggregates: aggs()},
		{Name: "late", Key: key, Window: window.Tumbling(5 * time.Second), AllowedLateness: 8 * time.Second, Aggregates: aggs()},
		{Name: "slide", Key: key, Window: window.Sliding(20*time.Second, time.Second), AllowedLateness: 3 * time.Second, Aggregates: aggs()},
		{Name: "slide_once", Key: key, Window: window.Sliding(9*time.Second, 2*time.Second), Aggregates: aggs()},
		{Name: "session", Key: key, Window: window.Session(2 * time.Second), AllowedLateness: 5 * time.Second, Aggregates: aggs()},
		{Name: "count", Key: key, Window: window.Global(), Trigger: window.Trigger{Count: 3}, Accumulation: window.Discarding, Aggregates: aggs()},
	}
}

type keptInput struct {
	prep *preparer
	rng  *rand.Rand
	now  int64
}

func newKeptInput(t rapid.TB, p *plan.Plan, seed uint64) *keptInput {
	dec, err := decode.New(p.Schema, decode.Options{Format: "json", TimePath: []string{"ts"}, TimeFormat: "unix_ms"})
	if err != nil {
		t.Fatal(err)
	}
	return &keptInput{prep: newPreparer(p, dec, nil), rng: rand.New(rand.NewPCG(seed, 1))}
}

// batch makes the same batch as often as there are shards to feed.
func (in *keptInput) batch(t rapid.TB, times int) []*exchange.Shared {
	var data []byte
	for range in.rng.IntN(30) {
		in.now += in.rng.Int64N(400)
		ts := in.now - in.rng.Int64N(2)*in.rng.Int64N(12000)
		data = fmt.Appendf(data, `{"ts":%d,"k":"k%d","v":%d}`+"\n", ts, in.rng.IntN(6), in.rng.IntN(1000))
	}
	out := make([]*exchange.Shared, times)
	for i := range out {
		out[i] = exchange.NewShared(func(*exchange.Shared) {})
		if _, err := in.prep.prepare(&source.Chunk{Data: data}, &event.Origin{Path: "test"}, out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// An epoch that is encoded a few cells at a time, while the stream goes on,
// holds the same as one for which the stream stands still; and a shard that is
// restored from it goes on as if nothing had happened.
func TestAnEpochIsOfOneMoment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, problems := plan.Build(plan.Input{Pipeline: "kept", Queries: keptQueries()})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		still, sliced := newKept(p, beginning(p)), newKept(p, beginning(p))
		in := newKeptInput(t, p, rapid.Uint64().Draw(t, "seed"))
		slice := rapid.IntRange(1, 20).Draw(t, "slice")
		every := rapid.IntRange(1, 6).Draw(t, "every")
		for n := range rapid.IntRange(1, 40).Draw(t, "batches") {
			b := in.batch(t, 2)
			still.feed(t, b[0])
			sliced.feed(t, b[1])
			if n%every != 0 {
				sliced.saveSome(slice)
				continue
			}
			sliced.saveSome(1 << 30)
			if !maps.Equal(still.store, sliced.store) {
				t.Fatalf("the epoch before batch %d differs: %d keys, %d when encoded in slices", n, len(still.store), len(sliced.store))
			}
			still.cutNow()
			sliced.cutNow()
			still.saveSome(1 << 30)
		}
		sliced.saveSome(1 << 30)
		checkRestored(t, p, still, in)
	})
}

// checkRestored cuts an epoch, restores another shard from it, and feeds both
// the same.
func checkRestored(t *rapid.T, p *plan.Plan, k *kept, in *keptInput) {
	k.cutNow()
	k.saveSome(1 << 30)
	st := beginning(p)
	st.watermark = k.comb.wm.Current()
	other := newKept(p, st)
	other.comb.wm.Raise(st.watermark)
	r := (&Runner{shards: []*shard{other.shard}}).Restore()
	for key, value := range k.store {
		payload, err := epoch.Open([]byte(key), []byte(value))
		w, ok := epoch.ParseWindowKey([]byte(key))
		if err != nil || !ok {
			t.Fatal(err, ok)
		}
		for i, q := range p.Queries {
			if q.StateHash == w.Hash {
				r.Add(i, w.Kind, w.Time, w.Key, payload)
			}
		}
	}
	if err := r.Wait(); err != nil {
		t.Fatal(err)
	}
	k.rows = nil
	for range 10 {
		b := in.batch(t, 2)
		k.feed(t, b[0])
		other.feed(t, b[1])
	}
	count := map[string]int{}
	for _, row := range k.rows {
		count[row]++
	}
	for _, row := range other.rows {
		count[row]--
	}
	for row, n := range count {
		if n != 0 {
			t.Errorf("%+d of %s", n, row)
		}
	}
}

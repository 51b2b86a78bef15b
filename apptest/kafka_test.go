package apptest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/kafka/kafkatest"
	"github.com/llm-optimizer/processor/postgres/pgtest"
)

// kafkaApp is what the tests with Kafka run: Collector-shaped events in, results
// out, all of it through one broker.
const kafkaApp = `name: app
preset: collector
source: {kafka: {brokers: ["${BROKER}"], topics: [in]}}
watermark: {max_out_of_orderness: 2s, idle_timeout: 0s}
queries:
  - name: requests
    where: type == "performance_metrics"
    key: {model: model}
    window: {tumbling: 1s}
    aggregate: {n: count(), tokens: sum(output_tokens), worst: max(latency_ms)}
sinks:
  - kafka: {brokers: ["${BROKER}"], topic: out, create: {partitions: 3}}
late_events: {kafka: {brokers: ["${BROKER}"], topic: late, create: {partitions: 1}}}
dead_letters: {kafka: {brokers: ["${BROKER}"], topic: dead, create: {partitions: 1}}}
state: {backend: pebble, path: "${OUT}/state", epoch: 50ms, checkpoint: {every: 0s}}
log: {level: warn}
shutdown_timeout: 10s
`

const (
	kafkaPartitions = 4
	kafkaModels     = 5
	// kafkaEpoch is where event time begins, in seconds since 1970.
	kafkaEpoch = 1_790_251_200
)

// windowKey is a window of a model.
type windowKey struct {
	start int64
	model string
}

// windowSum is what the pipeline is to say of it.
type windowSum struct {
	n, tokens int64
	worst     float64
}

// feed produces events and computes, apart from the pipeline, what is to come
// out: sums by window, the number of dead letters and of late events.
type feed struct {
	broker *kafkatest.Broker
	client *kgo.Client
	rng    *rand.Rand
	// now is event time in milliseconds after kafkaEpoch, by partition.
	now  [kafkaPartitions]int64
	seq  int
	last [kafkaPartitions]string

	mu   sync.Mutex
	want map[windowKey]*windowSum
	dead int
	sent int
}

func newFeed(t testing.TB, b *kafkatest.Broker, stream uint64) *feed {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &feed{broker: b, client: c, rng: rand.New(rand.NewPCG(*seed, stream)), want: map[windowKey]*windowSum{}}
}

// record makes the next record of a partition: an event, a repeated one, one of
// another kind, or no event at all.
func (f *feed) record(p int32) *kgo.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	f.sent++
	r := &kgo.Record{Topic: "in", Partition: p, Key: fmt.Appendf(nil, "id-%d", f.seq)}
	switch x := f.rng.IntN(100); {
	case x == 0:
		f.dead++
		r.Value = fmt.Appendf(nil, `{"type":"performance_metrics","id":"%d", cut short`, f.seq)
		return r
	case x < 4 && f.last[p] != "":
		r.Value = []byte(f.last[p]) // a duplicate
		return r
	case x < 10:
		r.Value = fmt.Appendf(nil, `{"type":"user_feedback","id":"%d","timestamp":%q,"rating":4.5,"metadata":{}}`, f.seq, stampOf(f.now[p]))
		return r
	}
	f.now[p] += f.rng.Int64N(20)
	at := max(f.now[p]-f.rng.Int64N(1500), 0)
	model, tokens, latency := fmt.Sprint("model-", f.rng.IntN(kafkaModels)), f.rng.Int64N(1000), float64(f.rng.IntN(100_000))/16
	f.count(at, model, tokens, latency)
	if f.seq%7 == 0 { // the same as a CloudEvent in binary mode
		r.Value = fmt.Appendf(nil, `{"model":%q,"latency_ms":%v,"output_tokens":%d}`, model, latency, tokens)
		for name, value := range map[string]string{"ce_specversion": "1.0", "ce_type": "performance_metrics", "ce_source": "gateway", "ce_id": fmt.Sprint(f.seq), "ce_time": stampOf(at)} {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
		return r
	}
	r.Value = fmt.Appendf(nil, `{"type":"performance_metrics","id":"%d","timestamp":%q,"model":%q,"latency_ms":%v,"output_tokens":%d,"cost":0.5,"error":null,"metrics":{}}`,
		f.seq, stampOf(at), model, latency, tokens)
	f.last[p] = string(r.Value)
	return r
}

func (f *feed) count(at int64, model string, tokens int64, latency float64) {
	k := windowKey{at / 1000, model}
	w := f.want[k]
	if w == nil {
		w = &windowSum{}
		f.want[k] = w
	}
	w.n++
	w.tokens += tokens
	w.worst = max(w.worst, latency)
}

// stampOf is an event time as the Collector writes it.
func stampOf(millis int64) string {
	return time.UnixMilli(kafkaEpoch*1000 + millis).UTC().Format("2006-01-02T15:04:05.000Z")
}

// send produces n records to all partitions in turn and waits for the broker.
func (f *feed) send(ctx context.Context, n int) error {
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = f.record(int32(i % kafkaPartitions))
	}
	return f.client.ProduceSync(ctx, records...).FirstErr()
}

// pace sends records until ctx ends.
func (f *feed) pace(ctx context.Context, n int, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := f.send(context.WithoutCancel(ctx), n); err != nil {
			return fmt.Errorf("producing: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// closeWindows sends an event to each partition that is an hour ahead: all
// windows with events close, and theirs do not.
func (f *feed) closeWindows(t testing.TB) {
	t.Helper()
	for p := range int32(kafkaPartitions) {
		f.broker.Produce(t, "in", p, fmt.Sprintf(`{"type":"other","id":"end-%d","timestamp":%q}`, p, stampOf(f.now[p]+3_600_000)))
	}
}

// sightings are the results that readers of committed records have seen.
type sightings struct {
	mu   sync.Mutex
	seen map[windowKey]windowSum
	// wrong are ids that came twice, and rows that are no on-time results.
	wrong []string
	ids   map[string]bool
	rows  int
}

func newSightings() *sightings {
	return &sightings{seen: map[windowKey]windowSum{}, ids: map[string]bool{}}
}

func (s *sightings) add(value []byte) {
	var row struct {
		ID     string            `json:"id"`
		Start  time.Time         `json:"window_start"`
		Key    map[string]string `json:"key"`
		Timing string            `json:"timing"`
		Values struct {
			N, Tokens int64
			Worst     float64
		} `json:"values"`
	}
	err := json.Unmarshal(value, &row)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows++
	if err != nil || row.Timing != "on_time" || s.ids[row.ID] {
		s.wrong = append(s.wrong, string(value))
	}
	s.ids[row.ID] = true
	s.seen[windowKey{row.Start.Unix() - kafkaEpoch, row.Key["model"]}] = windowSum{row.Values.N, row.Values.Tokens, row.Values.Worst}
}

func (s *sightings) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows
}

// compare wants every window once, with what the feed has counted.
func (s *sightings) compare(t *testing.T, who string, f *feed) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range s.wrong {
		if i < 5 {
			t.Errorf("%s: a row that is wrong or there twice: %s", who, w)
		}
	}
	missing, other := 0, 0
	for k, w := range f.want {
		got, ok := s.seen[k]
		switch {
		case !ok:
			missing++
		case got != *w:
			if other++; other < 5 {
				t.Errorf("%s: window %v has %+v, want %+v", who, k, got, *w)
			}
		}
	}
	if missing+other > 0 || len(s.seen) != len(f.want) {
		t.Errorf("%s: of %d windows %d are missing and %d wrong; %d were seen", who, len(f.want), missing, other, len(s.seen))
	}
}

// newKafkaSite starts nothing yet: a topic to read, and a config.
func newKafkaSite(t *testing.T, b *kafkatest.Broker, config string) *site {
	t.Helper()
	b.CreateTopic(t, "in", kafkaPartitions, nil)
	b.CreateTopic(t, "out", 3, nil)
	root := scratch(t)
	s := newSite(t, root, config, filepath.Join(root, "unused"))
	s.env = []string{"BROKER=" + b.Brokers()[0]}
	return s
}

// await waits until a condition holds.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// drain lets an undisturbed process finish what was sent.
func drain(t *testing.T, s *site, b *kafkatest.Broker, f *feed, follower *sightings) {
	t.Helper()
	f.closeWindows(t)
	r := s.start(t)
	await(t, "all results", func() bool {
		select {
		case <-r.done:
			t.Fatalf("the process has ended\n%s", &r.err)
		default:
		}
		return follower.count() >= len(f.want)
	})
	r.stop(t)
	final := newSightings()
	for _, rec := range b.ReadCommitted(t, "out") {
		final.add(rec.Value)
	}
	follower.compare(t, "a reader from the start", f)
	final.compare(t, "a reader at the end", f)
	if late := len(b.ReadCommitted(t, "late")); late != 0 {
		t.Errorf("%d late events, there are none", late)
	}
	if dead := len(b.ReadCommitted(t, "dead")); dead != f.dead {
		t.Errorf("%d dead letters, not %d", dead, f.dead)
	}
}

// stop ends a process in order.
func (r *running) stop(t *testing.T) {
	t.Helper()
	_ = r.Process.Signal(os.Interrupt)
	if code := r.code(t); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &r.err)
	}
}

// TestKafkaKilled kills the process again and again while events come: every
// window is in the topic once, for who reads at the end, and for who has read all
// the time.
func TestKafkaKilled(t *testing.T) {
	b := kafkatest.Start(t)
	killKafka(t, b, newKafkaSite(t, b, kafkaApp), 10)
}

// TestKafkaAndPostgresKilled does so with a table beside the topic: it has each
// window once too.
func TestKafkaAndPostgresKilled(t *testing.T) {
	b, pg := kafkatest.Start(t), pgtest.Start(t)
	s := newKafkaSite(t, b, kafkaAndPostgres)
	s.env = append(s.env, "DATABASE_URL="+pg.URL())
	f := killKafka(t, b, s, 50)
	tableOf(t, pg).compare(t, "the table", f)
}

// kafkaAndPostgres has a table for what goes to the topic.
var kafkaAndPostgres = strings.Replace(kafkaApp, "late_events:", `  - postgres: {url: "${DATABASE_URL}", table: requests, partition_by: day}
late_events:`, 1)

// tableOf is what the table says.
func tableOf(t *testing.T, pg *pgtest.Server) *sightings {
	t.Helper()
	found := newSightings()
	for _, row := range pgtest.Query(t, pg.URL(), `select json_build_object('id', id, 'window_start', window_start,
		'key', json_build_object('model', model), 'timing', timing,
		'values', json_build_object('n', n, 'tokens', tokens, 'worst', worst))::text from requests`) {
		found.add([]byte(row[0]))
	}
	return found
}

// killKafka kills the pipeline so many times, lets it finish, and compares.
func killKafka(t *testing.T, b *kafkatest.Broker, s *site, times int) *feed {
	t.Helper()
	f, follower := newFeed(t, b, 100), newSightings()
	b.Follow(t, "out", func(r *kgo.Record) { follower.add(r.Value) })
	ctx, cancel := context.WithCancel(t.Context())
	paced := make(chan error, 1)
	go func() { paced <- f.pace(ctx, 40, 10*time.Millisecond) }()

	rng := rand.New(rand.NewPCG(*seed, 101))
	kills, advanced, before := 0, 0, 0
	// How long a life may be follows the machine: about half of them are to give
	// results, so that the others die on the way to them.
	const least, most = 900 * time.Millisecond, 20 * time.Second
	span := least
	for goal := scaled(t, times); kills < goal; kills++ {
		r := s.start(t)
		time.Sleep(50*time.Millisecond + time.Duration(rng.Int64N(int64(span))))
		if !r.kill() {
			t.Fatalf("the process ended by itself, after %d kills\n%s", kills, &r.err)
		}
		if n := follower.count(); n > before {
			before = n
			advanced++
			span = max(least, span*3/4)
		} else {
			span = min(most, span*4/3)
		}
	}
	cancel()
	if err := <-paced; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills, after %d of which there were new results; %d records", kills, advanced, f.sent)
	if 4*advanced < kills {
		t.Errorf("only %d of %d lives gave results: that proves too little", advanced, kills)
	}
	drain(t, s, b, f, follower)
	return f
}

// TestKafkaSecondInstance starts a process of the same identity on a copy of the
// state: the older one ends and says why, the newer one goes on, and nothing is
// lost or doubled.
func TestKafkaSecondInstance(t *testing.T) {
	b := kafkatest.Start(t)
	s := newKafkaSite(t, b, kafkaApp)
	f, follower := newFeed(t, b, 300), newSightings()
	b.Follow(t, "out", func(r *kgo.Record) { follower.add(r.Value) })
	if err := f.send(t.Context(), 4000); err != nil {
		t.Fatal(err)
	}
	older := s.start(t)
	await(t, "results", func() bool { return follower.count() > 20 })
	older.kill()
	twin := s.fork(t, scratch(t))
	twin.env = s.env
	older = s.start(t)
	if err := f.send(t.Context(), 4000); err != nil {
		t.Fatal(err)
	}
	before := follower.count()
	await(t, "more results", func() bool { return follower.count() > before })
	// The twin's state is behind what the older one has delivered meanwhile, so
	// it must refuse, and leave the older one alone.
	younger := twin.start(t)
	if code := younger.code(t); code != 1 || !strings.Contains(younger.err.String(), "--redeliver") {
		t.Fatalf("a copy whose state is behind: exit code %d\n%s", code, &younger.err)
	}
	select {
	case <-older.done:
		t.Fatalf("the healthy process has ended\n%s", &older.err)
	default:
	}
	older.stop(t)
	drain(t, s, b, f, follower)
}

// TestKafkaStopLatest reads a topic to its end and ends, twice.
func TestKafkaStopLatest(t *testing.T) {
	b := kafkatest.Start(t)
	config := strings.Replace(kafkaApp, "topics: [in]", "topics: [in], stop: latest", 1)
	s := newKafkaSite(t, b, config)
	f, follower := newFeed(t, b, 400), newSightings()
	b.Follow(t, "out", func(r *kgo.Record) { follower.add(r.Value) })
	if err := f.send(t.Context(), 8000); err != nil {
		t.Fatal(err)
	}
	f.closeWindows(t)
	s.finish(t)
	await(t, "all results", func() bool { return follower.count() >= len(f.want) })
	follower.compare(t, "a reader", f)
	rows := follower.count()
	s.finish(t)
	if got := len(b.ReadCommitted(t, "out")); got != rows {
		t.Errorf("a run without new input gave %d rows", got-rows)
	}
	for p := range int32(kafkaPartitions) {
		if got := b.GroupOffset(t, "app", "in", p); got < 2000 {
			t.Errorf("the group shows offset %d of partition %d", got, p)
		}
	}
}

package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// Sink writes results to topics, exactly once: the rows of epochs and a mark
// of how far they go are one transaction of Kafka's, so readers that read
// committed records alone (isolation.level=read_committed) see each row once,
// and see it as soon as its transaction has ended.
//
// The key of a record is the row's window_id, so that a compacted topic keeps
// the last row of each window; all rows of a query's key are in one partition,
// in order. The headers query, key, timing and firing say what is in a record
// without reading it.
//
// With state in memory, which has no marks, it writes as Plain does.
//
// A Sink belongs to one pipeline; use it by pointer.
type Sink struct {
	// Cluster is where the topics are.
	Cluster Cluster
	// Topic gets the rows; "{query}" in it is the name of each row's query.
	Topic string
	// Compression is none, gzip, snappy, lz4 or zstd; "" means lz4.
	Compression string
	// Encoding is how results are written, and Meta adds what else a row says.
	// Late events and dead letters have one form only.
	Encoding result.Encoding
	Meta     bool
	// Pipeline and Name identify the sink among all that use the cluster: the
	// transactional id, and the key of the marks, is "Pipeline/Name".
	Pipeline, Name string
	// MarkerTopic holds the marks of all sinks. It is created if it is missing;
	// "" means "processor-epochs".
	MarkerTopic string
	// TransactionTimeout is when brokers give up a transaction that has not
	// ended: how long a sink that never comes back holds up readers. It is
	// also the longest outage of the brokers that a transaction under way
	// survives. 0 means a minute.
	TransactionTimeout time.Duration
	// Create says how to create topics that are missing; nil makes them an
	// error.
	Create *TopicSpec
	// Log takes what is no error of the pipeline; nil drops it.
	Log *slog.Logger

	health Health
	// client is for looking at first, and from Resume or Start on for writing.
	client *kgo.Client
	topics topicBook
	// queries are whose results it gets, as far as it was told.
	queries []string
	encoder result.Encoder
	places  []result.Record // scratch: where the records of a row are
	// late and dead are the sinks whose rows of that kind it writes.
	late, dead *Sink
	txn        transaction
	started    bool
	// doubts is how often in a row a transaction has ended unclearly, and
	// committing the epoch of the Commit that has not gone well yet.
	doubts     int
	committing uint64
	resumed    bool
	parcels    parcels
	failed     error
}

const (
	defaultMarkerTopic        = "processor-epochs"
	defaultTransactionTimeout = time.Minute

	// linger is how long a record waits for others to go with. The end of a
	// transaction does not wait for it.
	linger = 5 * time.Millisecond
	// bufferedRecords and bufferedBytes bound what waits for the brokers;
	// beyond them Write waits.
	bufferedRecords, bufferedBytes = 1 << 16, 32 << 20
	// largestBatch is the most that is sent at once, whatever a topic takes.
	largestBatch = 16 << 20
)

var (
	_ sink.Marker    = (*Sink)(nil)
	_ sink.Starter   = (*Sink)(nil)
	_ sink.Joiner    = (*Sink)(nil)
	_ sink.Describer = (*Sink)(nil)
	_ sink.Reporter  = (*Sink)(nil)
)

// Describe notes the queries: their topics can then be looked for before
// anything is read.
func (s *Sink) Describe(queries []*result.Query) error {
	s.queries = s.queries[:0]
	for _, q := range queries {
		if err := s.Encoding.Check(q); err != nil {
			return err
		}
		s.queries = append(s.queries, q.Name)
	}
	return nil
}

// Open connects and checks that the topics are there. It writes nothing.
func (s *Sink) Open(ctx context.Context) error {
	if err := s.valid(); err != nil {
		return err
	}
	s.health.ofSink = true
	client, err := s.Cluster.connect(ctx, s.Log, &s.health)
	if err != nil {
		return err
	}
	s.client = client
	s.encoder = result.Encoder{Encoding: s.Encoding, Meta: s.Meta}
	if err := s.findTopics(ctx); err != nil {
		s.shut()
		return err
	}
	return nil
}

// valid says which setting is missing or wrong.
func (s *Sink) valid() error {
	if s.Topic == "" {
		return errors.New("kafka topic: missing; it is where the rows go")
	}
	if _, err := compression(s.Compression); err != nil {
		return err
	}
	if s.TransactionTimeout < 0 {
		return fmt.Errorf("kafka transaction_timeout: %s is negative", s.TransactionTimeout)
	}
	for _, query := range append([]string{"q"}, s.queries...) {
		if name := topicFor(s.Topic, query); !legalTopic(name) {
			return fmt.Errorf("kafka topic: %q is no name for a topic: want up to 249 letters, digits, dots, underscores and hyphens, and {query} for the query's name", name)
		}
	}
	if name := s.markerTopic(); !legalTopic(name) {
		return fmt.Errorf("kafka marker_topic: %q is no name for a topic: want up to 249 letters, digits, dots, underscores and hyphens", name)
	}
	_, err := s.Cluster.options()
	return err
}

// Start creates the topics that are missing and are to be created. Without
// Resume before, rows go out without transactions.
func (s *Sink) Start(ctx context.Context) error {
	if err := s.usable(); err != nil || s.started {
		return err
	}
	if !s.resumed {
		if err := s.writer(ctx); err != nil {
			return s.fail(err)
		}
	}
	if err := s.createTopics(ctx); err != nil {
		return s.fail(err)
	}
	s.started = true
	return nil
}

// writer replaces the client that looks by one that writes.
func (s *Sink) writer(ctx context.Context, more ...kgo.Opt) error {
	codec, err := compression(s.Compression)
	if err != nil {
		return err
	}
	client, err := s.Cluster.connect(ctx, s.Log, &s.health, append(more,
		kgo.ProducerBatchCompression(codec...),
		kgo.RecordPartitioner(partitioner()),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchMaxBytesFn(s.topics.limit),
		kgo.MaxBufferedRecords(bufferedRecords),
		kgo.MaxBufferedBytes(bufferedBytes),
	)...)
	if err != nil {
		return err
	}
	s.shut()
	s.client = client
	return nil
}

// Write sends the rows. In a transaction they are not seen before Commit, and
// an error may show only there; without, they are with the brokers when it
// returns.
func (s *Sink) Write(ctx context.Context, b *result.Batch) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	if b.Len() == 0 {
		return nil
	}
	s.health.handOver()
	if s.resumed {
		if err := s.begin(); err != nil {
			return s.fail(err)
		}
	}
	if err := s.send(ctx, b); err != nil {
		return s.fail(err)
	}
	if s.resumed {
		return s.fail(s.txn.errs.first())
	}
	if err := s.flush(ctx); err != nil {
		return s.fail(err)
	}
	s.health.taken()
	return nil
}

// flush waits until the brokers have all records, and returns the first error.
func (s *Sink) flush(ctx context.Context) error {
	if err := s.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for kafka at %s to take records: %w", &s.Cluster, err)
	}
	return s.txn.errs.first()
}

// Close aborts a transaction that was not committed and closes the
// connections.
func (s *Sink) Close(ctx context.Context) error {
	if s.client == nil {
		return nil
	}
	defer s.shut()
	return s.abort(ctx)
}

// Trouble returns the last error of a connection that does not work, or of rows
// that brokers have not taken for some seconds, and since when; nil while all is
// well. Any goroutine may call it.
func (s *Sink) Trouble() (since time.Time, err error) { return s.health.Trouble() }

// Retries is how often something had to be tried once more. Any goroutine may
// call it.
func (s *Sink) Retries() int64 { return s.health.Retries() }

func (s *Sink) shut() {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

// usable refuses a sink that is not open or has failed: after an error nobody
// knows what of a transaction has been taken.
func (s *Sink) usable() error {
	switch {
	case s.failed != nil:
		return fmt.Errorf("kafka sink has failed before: %w", s.failed)
	case s.client == nil:
		return errors.New("kafka sink is not open")
	}
	return nil
}

// fail remembers an error.
func (s *Sink) fail(err error) error {
	if s.started {
		err = s.unclear(err)
	}
	if err != nil && s.failed == nil {
		s.failed = err
	}
	return err
}

func (s *Sink) markerTopic() string {
	if s.MarkerTopic == "" {
		return defaultMarkerTopic
	}
	return s.MarkerTopic
}

func (s *Sink) transactionTimeout() time.Duration {
	if s.TransactionTimeout == 0 {
		return defaultTransactionTimeout
	}
	return s.TransactionTimeout
}

// identity is the transactional id, and the key of the marks.
func (s *Sink) identity() string { return s.Pipeline + "/" + s.Name }

func (s *Sink) about(does, topic string) about {
	return about{cluster: &s.Cluster, does: does, topic: topic, txn: s.identity()}
}

func (s *Sink) warn(ctx context.Context, msg string, args ...any) {
	if s.Log != nil {
		s.Log.WarnContext(ctx, msg, args...)
	}
}

// compression is the codec of a name, before none for brokers that do not
// know it.
func compression(name string) ([]kgo.CompressionCodec, error) {
	none := kgo.NoCompression()
	switch name {
	case "none":
		return []kgo.CompressionCodec{none}, nil
	case "gzip":
		return []kgo.CompressionCodec{kgo.GzipCompression(), none}, nil
	case "snappy":
		return []kgo.CompressionCodec{kgo.SnappyCompression(), none}, nil
	case "", "lz4":
		return []kgo.CompressionCodec{kgo.Lz4Compression(), none}, nil
	case "zstd":
		return []kgo.CompressionCodec{kgo.ZstdCompression(), none}, nil
	}
	return nil, fmt.Errorf("kafka compression: %q is none, want none, gzip, snappy, lz4 or zstd", name)
}

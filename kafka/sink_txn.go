package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/sink"
)

// transaction is the one that is open, if any.
type transaction struct {
	open  bool
	since time.Time
	// producer and epoch are who had begun it: if they change under way, its
	// first records may have been aborted.
	producer int64
	epoch    int16
	errs     errorBox
}

// errorBox keeps the first error of records that are on their way.
type errorBox struct {
	mu  sync.Mutex
	err error
}

func (b *errorBox) put(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
}

func (b *errorBox) first() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// errOtherProducer is in the error of a transaction that the client has gone
// on with under another producer's id.
var errOtherProducer = errors.New("the rows are to be written again")

// errTooSlow is in the error of a transaction that the brokers have given up.
var errTooSlow = errors.New("a transaction was open for longer than transaction_timeout")

// unclear marks an error within a transaction after which the mark will tell
// what has been taken: what a lost connection, or a broker that goes, leaves
// behind. Not so when somebody else has taken the transactional id over.
func (s *Sink) unclear(err error) error {
	if err == nil || !s.resumed || errors.Is(err, sink.ErrUnclear) || stopped(err) {
		return err
	}
	for _, known := range []error{errTooSlow, errOtherProducer, kerr.UnknownServerError, kerr.InvalidProducerIDMapping, kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w: %w", sink.ErrUnclear, err)
		}
	}
	if fenced(err) || !retriable(err) {
		return err
	}
	return fmt.Errorf("%w: %w", sink.ErrUnclear, err)
}

// begin opens a transaction if none is open.
func (s *Sink) begin() error {
	if s.txn.open {
		return nil
	}
	failpoint.At("kafka/before-begin")
	if err := s.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin a transaction: %w", s.explainTxn(err))
	}
	s.txn.open, s.txn.since = true, time.Now()
	var err error
	// It is known since Resume, so this does not ask the brokers.
	s.txn.producer, s.txn.epoch, err = s.client.ProducerID(context.Background())
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", s.explainTxn(err))
	}
	failpoint.At("kafka/after-begin")
	return nil
}

// Commit ends the transaction of all rows since the last one, with a mark in
// it. Whatever goes wrong, the sink is not to be used any more: whether the
// transaction has been committed only the marker can tell, at the next Resume.
func (s *Sink) Commit(ctx context.Context, m sink.Mark) ([]byte, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	if !s.resumed {
		return nil, s.fail(errors.New("kafka sink: Commit without Resume"))
	}
	s.health.handOver()
	s.committing = m.Epoch
	if err := s.begin(); err != nil {
		return nil, s.fail(err)
	}
	mark := &marker{epoch: m.Epoch}
	s.markEnd(ctx, m, mark)
	if err := s.flush(ctx); err != nil {
		return nil, s.fail(err)
	}
	if err := s.settle(ctx); err != nil {
		return nil, s.fail(err)
	}
	if err := s.end(ctx); err != nil {
		return nil, s.fail(err)
	}
	s.committing = 0
	s.health.taken()
	return mark.token(), nil
}

// markEnd sends the marker; flush waits for it.
func (s *Sink) markEnd(ctx context.Context, m sink.Mark, mark *marker) {
	failpoint.At("kafka/before-marker")
	record := &kgo.Record{Topic: s.markerTopic(), Key: []byte(s.identity()), Value: appendMarker(nil, m)}
	s.client.Produce(ctx, record, func(r *kgo.Record, err error) {
		mark.offset = r.Offset
		if err != nil {
			s.refused(r, err)
		}
	})
}

// settle waits until the client knows what it has just sent, once a flush is
// over. The client sends the first records of a topic that it has just learned
// of while it holds a lock, and enters the topic's partitions where
// EndTransaction looks for them only before it gives the lock back. The brokers
// can be faster: EndTransaction then finds no partition in the transaction,
// aborts it instead of committing it, and reports success (franz-go v1.22,
// storePartitionsUpdate). AbortBufferedRecords takes that lock, and with nothing
// buffered does nothing else.
func (s *Sink) settle(ctx context.Context) error {
	if n := s.client.BufferedProduceRecords(); n != 0 {
		return fmt.Errorf("commit a transaction: %d records are still on their way after a flush", n)
	}
	if err := s.client.AbortBufferedRecords(ctx); err != nil {
		return fmt.Errorf("commit a transaction: %w", s.explainTxn(err))
	}
	return s.txn.errs.first()
}

// end commits the transaction.
func (s *Sink) end(ctx context.Context) error {
	failpoint.At("kafka/before-commit")
	producer, epoch, err := s.client.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("commit a transaction: %w", s.explainTxn(err))
	}
	if producer != s.txn.producer || epoch != s.txn.epoch {
		return fmt.Errorf("commit a transaction: the client has become another producer under way (%d/%d was %d/%d), so a part of it may be aborted: %w",
			producer, epoch, s.txn.producer, s.txn.epoch, errOtherProducer)
	}
	if err := s.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit a transaction, which may have come to pass or not: %w", s.explainTxn(err))
	}
	s.txn.open, s.doubts = false, 0
	failpoint.At("kafka/after-commit")
	return nil
}

// abortPatience bounds the abort of a transaction at the end. One that is left
// open is aborted by the brokers when it times out, or by the next start.
const abortPatience = 5 * time.Second

// abort ends a transaction that is not to be seen.
func (s *Sink) abort(ctx context.Context) error {
	if !s.txn.open {
		return nil
	}
	s.txn.open = false
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
	defer cancel()
	err := s.client.AbortBufferedRecords(bounded)
	if err == nil {
		err = s.client.EndTransaction(bounded, kgo.TryAbort)
	}
	if err != nil && s.failed == nil {
		return fmt.Errorf("abort a transaction: %w", s.explainTxn(err))
	}
	return nil // after an error there is nothing new in it
}

// refused notes that a record was not taken.
func (s *Sink) refused(r *kgo.Record, err error) {
	s.txn.errs.put(fmt.Errorf("write to topic %s: %w", r.Topic, s.explainRecord(r.Topic, err)))
}

func (s *Sink) explainRecord(topic string, err error) error {
	if s.resumed && fenced(err) {
		return s.explainTxn(err)
	}
	return s.about("write", topic).explain(err)
}

// explainTxn tells a transaction that was too slow from one that was taken
// over: the brokers give the same answer to both.
func (s *Sink) explainTxn(err error) error {
	if open := time.Since(s.txn.since); s.txn.open && open > s.transactionTimeout() && (fenced(err) || errors.Is(err, kerr.InvalidTxnState)) {
		return fmt.Errorf("the transaction was open for %s, longer than transaction_timeout (%s), and the brokers have aborted it: its rows are to be written again; raise transaction_timeout if the brokers are that slow: %w: %w",
			open.Round(time.Millisecond), s.transactionTimeout(), errTooSlow, s.Cluster.clean(err))
	}
	return s.about("write", s.markerTopic()).explain(err)
}

package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/sink"
)

// Resume finds the epoch up to which the topics hold the rows.
//
// The order makes it safe: first the marker is read and judged, so that a
// mistaken copy of a pipeline refuses to start before it has done harm to the
// one that runs. Then the transactional id is taken over, which fences off
// whoever had it and ends what he left open, either way. Only after that the
// marker is read again, and is the truth: nobody else can change it any more.
// A transaction that is still open then is an orphan, and is ended.
//
// After an error that is sink.ErrUnclear it does the same with new connections,
// as often as it takes until the brokers answer.
func (s *Sink) Resume(ctx context.Context, m sink.Mark, newest uint64, redeliver bool) (uint64, error) {
	if s.resumed && errors.Is(s.failed, sink.ErrUnclear) {
		return s.resumeAgain(ctx, m, newest)
	}
	return s.resume(ctx, m, newest, redeliver)
}

// resumeAgain is resume while the sink is in use.
func (s *Sink) resumeAgain(ctx context.Context, m sink.Mark, newest uint64) (uint64, error) {
	s.warn(ctx, "a transaction may have come to pass or not: looking for its mark", "sink", s.identity(), "err", s.failed)
	s.health.handOver()
	s.health.refused(s.failed)
	for {
		s.doubts++
		pause(ctx, s.health.backoff(s.doubts))
		if err := s.reconnect(ctx); err != nil {
			return 0, s.fail(err)
		}
		epoch, err := s.resume(ctx, m, newest, false)
		if err == nil && s.committing != 0 && epoch >= s.committing { // it had come to pass; else its rows come again
			s.committing = 0
			s.health.taken()
		}
		if err == nil || ctx.Err() != nil || !retriable(err) && !errors.Is(err, context.DeadlineExceeded) {
			return epoch, err
		}
		s.health.refused(err)
		s.warn(ctx, "kafka does not say what it has of a transaction, asking again", "sink", s.identity(), "err", err)
	}
}

// reconnect drops the connections, with what was sent by them and not
// answered, and makes one to look with.
func (s *Sink) reconnect(ctx context.Context) error {
	if old := s.client; old != nil {
		s.shut()
		// The promises of what was on its way must not be heard by the next
		// transaction.
		for old.BufferedProduceRecords() > 0 && ctx.Err() == nil {
			pause(ctx, time.Millisecond)
		}
	}
	s.failed, s.txn = nil, transaction{}
	if ctx.Err() != nil {
		return fmt.Errorf("reconnect to kafka at %s: %w", &s.Cluster, context.Cause(ctx))
	}
	client, err := s.Cluster.client(s.Log, &s.health)
	if err != nil {
		return err
	}
	s.client = client
	return nil
}

func (s *Sink) resume(ctx context.Context, m sink.Mark, newest uint64, redeliver bool) (uint64, error) {
	if err := s.usable(); err != nil {
		return 0, err
	}
	if s.Pipeline == "" || s.Name == "" {
		return 0, fmt.Errorf("kafka sink: pipeline %q and name %q must both be there: they identify its transactions", s.Pipeline, s.Name)
	}
	token, err := parseMarkerToken(m.Token)
	if err != nil {
		return 0, fmt.Errorf("resume kafka sink %s: %w", s.identity(), err)
	}
	j := judgement{Sink: s, mark: m, token: token, newest: newest, redeliver: redeliver}
	if _, err := j.read(ctx); err != nil {
		return 0, s.fail(err)
	}
	var committed *marker
	if j.open != nil && s.wasCommitted(ctx) {
		committed = j.open
	}
	if err := s.takeOver(ctx); err != nil {
		return 0, s.fail(err)
	}
	epoch, err := j.read(ctx)
	if err == nil {
		epoch, err = j.settleOrphan(ctx, epoch, committed)
	}
	if err != nil {
		return 0, s.fail(err)
	}
	s.resumed = true
	return epoch, nil
}

// takeOver connects as the one that may write under the transactional id.
func (s *Sink) takeOver(ctx context.Context) error {
	err := s.writer(ctx, kgo.TransactionalID(s.identity()), kgo.TransactionTimeout(s.transactionTimeout()))
	if err != nil {
		return err
	}
	failpoint.At("kafka/before-init")
	// The brokers finish the transaction that was open before they answer.
	bounded, cancel := context.WithTimeout(ctx, s.transactionTimeout()+contactPatience)
	defer cancel()
	if _, _, err := s.client.ProducerID(bounded); err != nil {
		return fmt.Errorf("take over the transactional id %q: %w", s.identity(), s.about("write", "").explain(err))
	}
	failpoint.At("kafka/after-init")
	return nil
}

// judgement decides on a marker that was found.
type judgement struct {
	*Sink
	mark      sink.Mark
	token     *marker // what the state knows of the last mark; nil: there was none
	newest    uint64
	redeliver bool
	// open is the newest mark whose transaction had not ended when the marker
	// was last read; nil if there was none.
	open *marker
}

// read reads the marker and decides.
func (j *judgement) read(ctx context.Context) (uint64, error) {
	from := int64(0)
	if j.token != nil {
		from = j.token.offset
	}
	failpoint.At("kafka/before-read-marker")
	r := markerReader{client: j.client, about: j.about("read", j.markerTopic()), topic: j.markerTopic(), key: j.identity()}
	found, err := r.last(ctx, from)
	if err != nil {
		return 0, err
	}
	j.open = r.open
	failpoint.At("kafka/after-read-marker")
	return j.decide(ctx, found)
}

// decide returns the epoch that the topics hold, or refuses.
func (j *judgement) decide(ctx context.Context, found *marker) (uint64, error) {
	problem := j.problem(found)
	switch {
	case problem == "":
	case j.redeliver:
		j.warn(ctx, "the kafka sink is taken over: rows may be in its topics twice", "sink", j.identity(), "because", problem)
		return j.mark.Epoch, nil
	default:
		return 0, fmt.Errorf("kafka sink %s: %s; go on with the state that it belongs to, or start once with --redeliver, which goes on with this state and may write rows that are there already once more", j.identity(), problem)
	}
	if found == nil {
		return j.mark.Epoch, nil
	}
	return max(found.epoch, j.mark.Epoch), nil
}

// problem says why the marker that was found does not fit the state.
func (j *judgement) problem(found *marker) string {
	where := fmt.Sprintf("topic %s at %s", j.markerTopic(), &j.Cluster)
	switch {
	case found == nil && j.token == nil:
		return ""
	case found == nil:
		return fmt.Sprintf("%s has lost the mark that epoch %d is delivered: the topic was deleted, created anew or emptied, so what its rows came to cannot be told", where, j.token.epoch)
	case found.incarnation != j.mark.Incarnation:
		return fmt.Sprintf("%s says that another state (%x) has written its rows up to epoch %d, not this one (%x): the state was deleted, or another pipeline has the same name", where, found.incarnation, found.epoch, j.mark.Incarnation)
	case found.epoch > j.newest:
		return fmt.Sprintf("%s says that its rows are delivered up to epoch %d, and this state ends at epoch %d: it is an older one, restored or copied", where, found.epoch, j.newest)
	case j.token != nil && found.epoch < j.token.epoch:
		return fmt.Sprintf("%s says that its rows are delivered up to epoch %d, and this state knows that they were up to %d: the topic has lost records", where, found.epoch, j.token.epoch)
	}
	return ""
}

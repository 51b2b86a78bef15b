package kafka

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/result"
)

// parcel is a run of records on its way, in memory of its own: the rows are
// the sink's only until Write returns, and the client keeps records until the
// brokers have taken them.
type parcel struct {
	buf     []byte
	records []kgo.Record
	headers []kgo.RecordHeader
	left    atomic.Int64
	promise func(*kgo.Record, error)
}

const (
	// parcelBytes is about what a parcel holds, largestSpare what is kept for
	// the next one.
	parcelBytes  = 256 << 10
	largestSpare = 4 * parcelBytes
	// recordExtra is more than what a record alone in its batch takes beside
	// key, value and header.
	recordExtra = 128
)

// parcels are those that are free.
type parcels struct{ free sync.Pool }

func (s *Sink) newParcel() *parcel {
	if p, ok := s.parcels.free.Get().(*parcel); ok {
		return p
	}
	p := &parcel{}
	p.promise = func(r *kgo.Record, err error) {
		if err != nil {
			s.refused(r, err)
		} else {
			s.health.acked.Add(1)
		}
		if p.left.Add(-1) == 0 {
			s.reuse(p)
		}
	}
	return p
}

func (s *Sink) reuse(p *parcel) {
	if cap(p.buf) > largestSpare {
		return
	}
	clear(p.records)
	clear(p.headers)
	p.buf, p.records, p.headers = p.buf[:0], p.records[:0], p.headers[:0]
	s.parcels.free.Put(p)
}

// send encodes the rows and hands them to the client.
func (s *Sink) send(ctx context.Context, b *result.Batch) error {
	out := outgoing{Sink: s, ctx: ctx, parent: parentOf(ctx), parcel: s.newParcel()}
	for i := range b.Results {
		if err := out.result(&b.Results[i]); err != nil {
			return err
		}
	}
	for i := range b.Late {
		if err := out.late(&b.Late[i]); err != nil {
			return err
		}
	}
	for i := range b.Dead {
		if err := out.dead(&b.Dead[i]); err != nil {
			return err
		}
	}
	out.ship()
	return nil
}

// outgoing is a batch that is being sent.
type outgoing struct {
	*Sink
	ctx    context.Context
	parent []byte // the header traceparent of all records; nil is none
	parcel *parcel
	// topic is the last one, for query of it, with the pattern it was made of.
	topic, query, pattern string
}

// to makes sure that there is place for one more record, and that its topic is
// there.
func (o *outgoing) to(part *Sink, query string) error {
	if len(o.parcel.buf) >= parcelBytes {
		o.ship()
		o.parcel = o.newParcel()
	}
	if o.topic != "" && o.query == query && o.pattern == part.Topic {
		return nil
	}
	o.topic, o.query, o.pattern = topicFor(part.Topic, query), query, part.Topic
	return o.haveTopic(o.ctx, o.topic, part.Create)
}

// ship hands the parcel to the client.
func (o *outgoing) ship() {
	p := o.parcel
	if len(p.records) == 0 {
		return
	}
	failpoint.At("kafka/before-produce")
	p.left.Store(int64(len(p.records)) + 1)
	for i := range p.records {
		o.client.Produce(o.ctx, &p.records[i], p.promise)
	}
	if p.left.Add(-1) == 0 {
		o.reuse(p)
	}
	failpoint.At("kafka/after-produce")
}

// result adds the records of a row.
func (o *outgoing) result(r *result.Result) error {
	if err := o.to(o.Sink, r.Query.Name); err != nil {
		return err
	}
	p := o.parcel
	var buf []byte
	buf, o.places = o.encoder.Append(p.buf, o.places[:0], r)
	if len(o.places) == 0 {
		return nil
	}
	p.keep(buf)
	query := p.keep(append(p.buf, r.Query.Name...))
	keyJSON := p.keep(append(p.buf, r.KeyJSON...))
	timing := p.keep(append(p.buf, r.Timing.String()...))
	firing := p.keep(strconv.AppendUint(p.buf, uint64(r.Firing), 10))
	hash := partitionHash(r.Query.Name, r.Key)
	for _, place := range o.places {
		key := p.keep(place.AppendKey(p.buf, r))
		record := o.add(o.topic, key, buf[place.From:place.To:place.To], hash, query, keyJSON, timing, firing)
		if r.EmittedAt != 0 {
			record.Timestamp = time.Unix(0, r.EmittedAt)
		}
	}
	return nil
}

// late adds a late event. One that is too large for the topic is sent without
// the event itself, whose place is in it.
func (o *outgoing) late(l *result.LateEvent) error {
	if err := o.to(o.lateTo(), l.Query); err != nil {
		return err
	}
	o.aside(&l.Source, l.Query, l.AppendJSON, func(dst []byte) []byte {
		short := *l
		short.Event = []byte("null")
		return short.AppendJSON(dst)
	})
	return nil
}

// dead adds a dead letter. One that is too large for the topic is sent with the
// beginning of its text.
func (o *outgoing) dead(d *result.DeadLetter) error {
	query := everyQuery
	if len(d.Queries) == 1 {
		query = d.Queries[0]
	}
	if err := o.to(o.deadTo(), query); err != nil {
		return err
	}
	o.aside(&d.Source, "", d.AppendJSON, func(dst []byte) []byte {
		short := *d
		short.Err += fmt.Sprintf(" (raw holds the first %d of %d bytes)", shortRaw, len(d.Raw))
		short.Raw = d.Raw[:min(len(d.Raw), shortRaw)]
		return short.AppendJSON(dst)
	})
	return nil
}

// shortRaw is how much of a record is kept in a dead letter that would be too
// large.
const shortRaw = 1024

// aside adds a row that is no result, keyed by where its record came from, so
// that those of one partition stay in order. If it is too large, short is sent
// in its place: no setting of the processor can make a record fit that has
// come in at the largest size, and one such record must not stop everything.
func (o *outgoing) aside(from *result.Source, query string, whole, short func(dst []byte) []byte) {
	p := o.parcel
	name := from.Topic
	if name == "" {
		name = from.Path
	}
	key := p.keep(strconv.AppendInt(append(append(p.buf, name...), '/'), int64(from.Partition), 10))
	var headers [][]byte
	if query != "" {
		headers = append(headers, p.keep(append(p.buf, query...)))
	}
	start := len(p.buf)
	value := p.keep(whole(p.buf))
	if size, limit := len(value)+len(key)+len(query)+parentBytes(o.parent)+recordExtra, int(o.topics.limit(o.topic)); size > limit {
		o.warn(o.ctx, "a row is too large for its topic and is written without the text of its record", "topic", o.topic,
			"bytes", size, "limit", limit, "from", string(key), "offset", from.Offset)
		p.buf = p.buf[:start]
		value = p.keep(short(p.buf))
	}
	o.add(o.topic, key, value, partitionHash("", string(key)), headers...)
}

// keep takes what was appended to the buffer. What was kept before stays valid
// when the buffer grows.
func (p *parcel) keep(grown []byte) []byte {
	start := len(p.buf)
	p.buf = grown
	return grown[start:len(grown):len(grown)]
}

// headerNames are what the values of the headers are, in order.
var headerNames = [...]string{"query", "key", "timing", "firing"}

// add adds a record. Until the client has chosen a partition, Partition is the
// hash by which it does.
func (o *outgoing) add(topic string, key, value []byte, hash int32, headers ...[]byte) *kgo.Record {
	p := o.parcel
	start := len(p.headers)
	for i, h := range headers {
		p.headers = append(p.headers, kgo.RecordHeader{Key: headerNames[i], Value: h})
	}
	if o.parent != nil {
		p.headers = append(p.headers, kgo.RecordHeader{Key: traceParent, Value: o.parent})
	}
	p.records = append(p.records, kgo.Record{
		Topic: topic, Key: key, Value: value, Partition: hash,
		Headers: p.headers[start:len(p.headers):len(p.headers)],
	})
	return &p.records[len(p.records)-1]
}

// partitionHash is what a partition is chosen by, the hash modulo the number of
// partitions: xxHash64 of the query's name, a zero byte and the key, without
// its upper 33 bits. It is fixed for ever: rows of a key must stay in order.
func partitionHash(query, key string) int32 {
	var buf [256]byte
	in := append(append(append(buf[:0], query...), 0), key...)
	return int32(xxhash.Sum64(in) & 0x7fffffff)
}

func partitioner() kgo.Partitioner {
	return kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
		return func(r *kgo.Record, n int) int { return int(r.Partition) % n }
	})
}

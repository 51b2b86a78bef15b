package epoch

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/state"
)

// maxProblems is how many problems a report lists.
const maxProblems = 100

// Inspect reads every key and value of a store, and all that can be known of
// them without the queries. Damage is in the report; an error is that the store
// cannot be read, or is of a format that this program does not read.
func Inspect(ctx context.Context, b state.Backend) (*Report, error) {
	in := &inspector{seed: maphash.MakeSeed(), windows: map[uint64]*windowStats{}, rows: map[string]int64{}}
	in.found.Places = map[string]Place{}
	// Without any, lists are empty in JSON, not null.
	in.report.Queries, in.report.Partitions = []QueryReport{}, []PartitionReport{}
	in.report.Sinks, in.report.Problems = []SinkReport{}, []Problem{}
	if err := b.Scan(ctx, nil, nil, in.see); err != nil {
		return nil, fmt.Errorf("reading the whole state: %w", err)
	}
	in.finish()
	return &in.report, nil
}

// inspector sees all keys in their order: header, record, rows, partitions,
// places, windows.
type inspector struct {
	report  Report
	found   Snapshot
	epochs  []epochStats
	rows    map[string]int64        // of the outbox, by the query's name
	windows map[uint64]*windowStats // by the query's hash
	seed    maphash.Seed
	decoder Decoder
	seen    []Seen // scratch
	batch   result.Batch
}

// epochStats is of the rows of one epoch in the outbox.
type epochStats struct {
	epoch       uint64
	rows, bytes int64
}

// windowStats is of the windows of one query.
type windowStats struct {
	first          []byte // key
	count, bytes   int64
	kinds          map[string]int64
	keys           distinct
	oldest, newest int64
}

func (in *inspector) see(key, value []byte) error {
	in.report.Keys++
	in.report.Bytes += int64(len(key) + len(value))
	err := in.value(key, value)
	if errors.Is(err, state.ErrVersion) && bytes.Equal(key, headerKey) {
		return err // nobody knows what the rest means
	}
	in.problem(key, err)
	return nil
}

// problem notes what is wrong with a key, if anything is.
func (in *inspector) problem(key []byte, err error) {
	if err == nil {
		return
	}
	if in.report.ProblemCount++; in.report.ProblemCount > maxProblems {
		return
	}
	in.report.Problems = append(in.report.Problems, Problem{
		Key: DescribeKey(key), Raw: short(hex.EncodeToString(key)), Err: err.Error(),
	})
}

func (in *inspector) value(key, value []byte) (err error) {
	size := int64(len(key) + len(value))
	if bytes.Equal(key, headerKey) {
		in.found.Header, err = readHeader(key, value)
		return err
	}
	if w, ok := ParseWindowKey(key); ok {
		in.window(&w, key, size)
		_, err = Open(key, value)
		return err
	}
	if _, _, ok := parseSeenKey(key); ok {
		return in.ids(key, value)
	}
	if epoch, _, ok := ParseOutboxKey(key); ok {
		return in.block(epoch, key, value)
	}
	return in.found.add(key, value)
}

func (in *inspector) window(w *WindowKey, key []byte, size int64) {
	s := in.windows[w.Hash]
	if s == nil {
		s = &windowStats{first: bytes.Clone(key), kinds: map[string]int64{}, oldest: event.MaxTime, newest: event.MinTime}
		in.windows[w.Hash] = s
	}
	s.count++
	s.bytes += size
	s.kinds[w.Kind.String()]++
	s.keys.add(maphash.Bytes(in.seed, w.Key))
	if w.Kind != KindSession {
		s.oldest, s.newest = min(s.oldest, w.Time), max(s.newest, w.Time)
	}
}

// ids counts the ids that are kept to tell duplicates.
func (in *inspector) ids(key, value []byte) error {
	payload, err := Open(key, value)
	if err != nil {
		return err
	}
	if _, in.seen, err = decodeSeen(payload, in.seen[:0]); err != nil {
		return corrupt(key, err)
	}
	in.report.IDs += int64(len(in.seen))
	return nil
}

// block counts the rows of a block; it counts among the epochs even if it is
// damaged.
func (in *inspector) block(epoch uint64, key, value []byte) error {
	o := &in.report.Outbox
	if n := len(in.epochs); n == 0 || in.epochs[n-1].epoch != epoch {
		in.epochs = append(in.epochs, epochStats{epoch: epoch})
	}
	s := &in.epochs[len(in.epochs)-1]
	o.Blocks++
	s.bytes += int64(len(key) + len(value))
	payload, err := Open(key, value)
	if err != nil {
		return err
	}
	if err := in.decoder.DecodeBlock(payload, &in.batch); err != nil {
		return err
	}
	s.rows += int64(in.batch.Len())
	o.Results += int64(len(in.batch.Results))
	o.Late += int64(len(in.batch.Late))
	o.Dead += int64(len(in.batch.Dead))
	for i := range in.batch.Results {
		in.rows[in.batch.Results[i].Query.Name]++
	}
	if last := in.found.Record.Number; last > 0 && epoch > last {
		return corrupt(key, fmt.Errorf("the last epoch is %d", last))
	}
	return nil
}

// finish puts together what was seen.
func (in *inspector) finish() {
	r, f := &in.report, &in.found
	r.Empty = r.Keys == 0
	if f.Header != nil {
		r.Pipeline, r.Incarnation, r.Created = f.Header.Pipeline, hex.EncodeToString(f.Header.Incarnation[:]), f.Header.Created
	}
	r.Epoch, r.Time, r.Watermark = f.Record.Number, f.Record.Time, moment(f.Record.Watermark)
	if f.Record.Number == 0 {
		r.Watermark = nil
	}
	for _, p := range f.Partitions {
		r.Partitions = append(r.Partitions, PartitionReport{
			ID: p.ID, Topic: p.Origin.Topic, Path: p.Origin.Path, Partition: p.Origin.Partition,
			Position: p.Position, Watermark: moment(p.Watermark),
		})
	}
	in.outbox()
	in.sinks()
	in.queries()
	in.whole()
}

// whole looks for keys that must be there.
func (in *inspector) whole() {
	damaged := func(key []byte) bool {
		return slices.ContainsFunc(in.report.Problems, func(p Problem) bool { return p.Raw == hex.EncodeToString(key) })
	}
	if in.report.Empty {
		return
	}
	if in.found.Header == nil && !damaged(headerKey) {
		in.problem(headerKey, corrupt(headerKey, errNoHeader))
	}
	if in.found.Record.Number == 0 && !damaged(recordKey) {
		in.problem(recordKey, corrupt(recordKey, errNoRecord))
	}
}

func (in *inspector) outbox() {
	o := &in.report.Outbox
	o.Epochs = int64(len(in.epochs))
	for _, e := range in.epochs {
		o.Bytes += e.bytes
	}
	if n := len(in.epochs); n > 0 {
		o.First, o.Last = in.epochs[0].epoch, in.epochs[n-1].epoch
	}
}

func (in *inspector) sinks() {
	for _, p := range in.found.Places {
		s := SinkReport{Name: p.Sink, Epoch: p.Epoch, Marks: p.Token != nil}
		for _, e := range in.epochs {
			if e.epoch > p.Epoch {
				s.Epochs++
				s.Rows += e.rows
				s.Bytes += e.bytes
			}
		}
		in.report.Sinks = append(in.report.Sinks, s)
		if last := in.found.Record.Number; last > 0 && p.Epoch > last {
			key := placeKey(p.Sink)
			in.problem(key, corrupt(key, fmt.Errorf("it is at epoch %d, the last one is %d", p.Epoch, last)))
		}
	}
	slices.SortFunc(in.report.Sinks, func(x, y SinkReport) int { return cmp.Compare(x.Name, y.Name) })
}

// queries lists the queries of the record, and those that only windows tell of.
func (in *inspector) queries() {
	for _, q := range in.found.Record.Queries {
		r := QueryReport{
			Name: q.Name, Hash: fmt.Sprintf("%016x", q.Hash), Since: moment(q.Since),
			Ledger: LedgerReport(q.Counts), Rows: in.rows[q.Name],
		}
		r.take(in.windows[q.Hash])
		delete(in.windows, q.Hash)
		in.report.Queries = append(in.report.Queries, r)
	}
	known := len(in.report.Queries)
	for hash, s := range in.windows {
		r := QueryReport{Hash: fmt.Sprintf("%016x", hash)}
		r.take(s)
		in.report.Queries = append(in.report.Queries, r)
		if in.found.Record.Number > 0 {
			in.problem(s.first, corrupt(s.first, fmt.Errorf("%d windows are of a query that the last epoch does not know", s.count)))
		}
	}
	slices.SortFunc(in.report.Queries[known:], func(x, y QueryReport) int { return cmp.Compare(x.Hash, y.Hash) })
}

// take adds the windows of a query; there may be none.
func (r *QueryReport) take(s *windowStats) {
	if s == nil {
		return
	}
	r.Windows, r.Bytes, r.Kinds, r.Keys = s.count, s.bytes, s.kinds, s.keys.count()
	if s.oldest <= s.newest {
		r.Oldest, r.Newest = moment(s.oldest), moment(s.newest)
	}
}

// moment is an event time for a report; nil if it stands for none.
func moment(t int64) *time.Time {
	if t == event.MinTime || t == event.MaxTime {
		return nil
	}
	at := time.Unix(0, t).UTC()
	return &at
}

// distinct counts different hashes, in 8 to 16 bytes for each.
type distinct struct {
	hashes []uint64
	sorted int // this many are sorted and different
}

func (d *distinct) add(hash uint64) {
	const least = 1024
	if len(d.hashes) >= 2*max(d.sorted, least) {
		d.settle()
	}
	d.hashes = append(d.hashes, hash)
}

func (d *distinct) settle() {
	slices.Sort(d.hashes)
	d.hashes = slices.Compact(d.hashes)
	d.sorted = len(d.hashes)
}

func (d *distinct) count() int64 {
	d.settle()
	return int64(len(d.hashes))
}

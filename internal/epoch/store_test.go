package epoch

import (
	"testing"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/state"
	"github.com/llm-optimizer/processor/state/memory"
)

// room is where tests apply epochs: a store in memory.
type room struct {
	*testing.T
	state.Backend
}

func newRoom(t *testing.T) room {
	t.Helper()
	b, err := memory.New().Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return room{t, b}
}

// apply applies batches.
func (r room) apply(batches ...*state.Batch) {
	r.Helper()
	if err := r.Apply(r.Context(), batches...); err != nil {
		r.Fatal(err)
	}
}

// set gives keys and values as they are, by turns.
func (r room) set(pairs ...[]byte) {
	r.Helper()
	var b state.Batch
	for i := 0; i < len(pairs); i += 2 {
		b.Set(pairs[i], pairs[i+1])
	}
	r.apply(&b)
}

// seal gives keys payloads, by turns.
func (r room) seal(pairs ...[]byte) {
	r.Helper()
	for i := 0; i < len(pairs); i += 2 {
		r.set(pairs[i], Seal(nil, pairs[i], pairs[i+1]))
	}
}

func (r room) remove(key []byte) {
	r.Helper()
	var b state.Batch
	b.Delete(key)
	r.apply(&b)
}

func (r room) commit(c *Commit) {
	r.Helper()
	var b state.Batch
	if err := c.AppendTo(&b); err != nil {
		r.Fatal(err)
	}
	r.apply(&b)
}

func (r room) load() *Snapshot {
	r.Helper()
	s, err := Load(r.Context(), r)
	if err != nil {
		r.Fatal(err)
	}
	return s
}

// keys lists what is there, in words.
func (r room) keys() (list []string) {
	r.Helper()
	err := r.Scan(r.Context(), nil, nil, func(key, _ []byte) error {
		list = append(list, DescribeKey(key))
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return list
}

// The hashes of the queries of example.
const (
	hashOfMinute   = 0x1111111111111111
	hashOfSessions = 0x2222222222222222
	hashOfSliding  = 0x3333333333333333
)

var exampleTime = time.Date(2026, 1, 1, 12, 0, 0, 500, time.UTC)

func exampleHeader() *Header {
	return &Header{
		Pipeline: "llm-health", Created: exampleTime.Add(-time.Hour),
		Incarnation: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	}
}

func exampleRecord(number uint64) Record {
	return Record{
		Number: number, Time: exampleTime.Add(time.Duration(number) * time.Second), Watermark: 1767268800e9,
		Queries: []Query{
			{Name: "model_minute", Hash: hashOfMinute, Since: event.MinTime, Counts: Counts{
				Read: 100, InWindows: 80, Late: 5, Dead: 6, Filtered: 4, Unwindowed: 3, Duplicate: 2, Overflow: 1, Results: 9,
			}},
			{Name: "sessions", Hash: hashOfSessions, Since: 1767260000e9},
			{Name: "sliding", Hash: hashOfSliding, Since: event.MinTime},
		},
	}
}

func examplePartitions() []Partition {
	return []Partition{
		{ID: 0, Origin: event.Origin{Path: "data/a.jsonl"}, Position: 4096, Token: []byte{1, 0, 255}, Watermark: 1767268800e9},
		{ID: 7, Origin: event.Origin{Topic: "feedback-events", Partition: 3}, Position: 17, Watermark: event.MinTime},
	}
}

func examplePlaces() []Place {
	return []Place{
		{Sink: "file", Epoch: 3, Token: []byte{1, 0, 0, 0, 0, 0, 0, 1, 0}},
		{Sink: "postgres", Epoch: 2, Token: []byte{}},
		{Sink: "stdout", Epoch: 4},
	}
}

// exampleWindows has windows of all kinds.
func exampleWindows() *state.Batch {
	var b state.Batch
	key := event.AppendKeyValue(event.AppendKeyValue(nil, event.Text("gpt-x")), event.Int(42))
	other := event.AppendKeyValue(event.AppendKeyValue(nil, event.Text("gpt-y")), event.Value{})
	for _, w := range []WindowKey{
		{hashOfMinute, KindWindow, 1767268800e9, key},
		{hashOfMinute, KindWindow, 1767268800e9, other},
		{hashOfMinute, KindWindow, 1767268860e9, key},
		{hashOfSessions, KindSession, 1, key},
		{hashOfSessions, KindSession, 2, other},
		{hashOfSliding, KindPane, 1767268740e9, key},
		{hashOfSliding, KindOwn, 1767268680e9, key},
	} {
		k := AppendWindowKey(nil, w.Hash, w.Kind, w.Time, w.Key)
		b.Set(k, Seal(nil, k, append([]byte("payload of "), w.Kind.String()...)))
	}
	return &b
}

// fill makes four epochs: the second has two blocks of rows and the third one,
// the first and the fourth have none.
func (r room) fill() {
	r.Helper()
	var e Encoder
	r.commit(&Commit{Header: exampleHeader(), Record: exampleRecord(1), Partitions: examplePartitions()})
	r.commit(&Commit{Last: 1, Record: exampleRecord(2), Blocks: [][]byte{e.AppendBlock(nil, oneOfEach()), e.AppendBlock(nil, manyRows(3))}})
	r.commit(&Commit{Last: 2, Record: exampleRecord(3), Blocks: [][]byte{e.AppendBlock(nil, manyRows(1))}})
	r.commit(&Commit{Last: 3, Record: exampleRecord(4), Places: examplePlaces()})
	r.apply(exampleWindows())
}

package epoch

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

// A block holds the rows of a batch, and all that they need: a row can be
// delivered when its query is long gone. Its first byte says how the rest is
// packed. Unpacked it is a run of sizes, a dictionary of queries, the rows, the
// texts that the rows tell the lengths of, and the records of late events and
// dead letters. So a reader makes one string of all texts, and cuts it.
const (
	packedNot = iota
	packedS2
	// withFunctions is a bit beside these: the dictionary tells the functions
	// of aggregates too. Those without it are older, or of queries that have
	// none.
	withFunctions = 2
)

// The bounds of packing. A block that would grow by more when it is read is not
// packed, so that no few bytes on a disk can ask for much memory.
const (
	maxGrowth   = 64
	maxUnpacked = 1 << 30
)

// The flags of a result; the lowest two bits are its timing.
const (
	resultTiming  = 1<<2 - 1
	resultPartial = 1 << (iota + 1)
	resultSketches
	resultValues   // it has values: it is no retraction
	resultIdentity // the identity is not the start
	resultMoved    // start, length, watermark or time of emission differ from the row before
	resultQuery    // the query is another one than of the row before
)

// The tag of a value: its kind in the low bits, and what follows.
const (
	valueKind  = 1<<4 - 1
	valueBits  = 1 << 4 // a number, as the bits of a float64
	valueWhole = 1 << 5 // a number, as a varint
	valueText  = 1 << 6 // the length of a text
)

// sizes stand at the beginning of a block.
type sizes struct {
	dict, results, values, sketches, late, dead, names, text, bytes uint64
}

func (s *sizes) all() [9]*uint64 {
	return [...]*uint64{&s.dict, &s.results, &s.values, &s.sketches, &s.late, &s.dead, &s.names, &s.text, &s.bytes}
}

// before is what a row is told as a difference to: the row before it.
type before struct {
	query                             uint64
	start, length, watermark, emitted int64

	timestamp, offset                  int64
	lateQuery, topic, path, deadReason string
}

// Encoder makes blocks of batches. The zero Encoder is ready; it keeps memory
// for the next block. It is for one goroutine.
type Encoder struct {
	sizes   sizes
	before  before
	queries []*result.Query

	rows, text, bytes []byte
	raw, packed       []byte
	functions         byte // withFunctions, or 0
}

// AppendBlock appends the rows of a batch as a block, which is the payload of
// an outbox key's value.
func (e *Encoder) AppendBlock(dst []byte, b *result.Batch) []byte {
	for i := range b.Results {
		e.result(&b.Results[i])
	}
	for i := range b.Late {
		e.late(&b.Late[i])
	}
	for i := range b.Dead {
		e.dead(&b.Dead[i])
	}
	e.join(b)
	dst = e.pack(dst)
	e.reset()
	return dst
}

// join puts the parts together in raw.
func (e *Encoder) join(b *result.Batch) {
	e.packed = e.packed[:0]
	e.functions = 0
	if slices.ContainsFunc(e.queries, func(q *result.Query) bool { return len(q.Functions) > 0 }) {
		e.functions = withFunctions
	}
	for _, q := range e.queries {
		e.packed = appendQuery(e.packed, q)
		if e.functions != 0 {
			e.packed = appendFunctions(e.packed, q)
		}
	}
	s := &e.sizes
	s.dict, s.text, s.bytes = uint64(len(e.packed)), uint64(len(e.text)), uint64(len(e.bytes))
	s.results, s.late, s.dead = uint64(len(b.Results)), uint64(len(b.Late)), uint64(len(b.Dead))
	e.raw = e.raw[:0]
	for _, n := range s.all() {
		e.raw = binary.AppendUvarint(e.raw, *n)
	}
	for _, part := range [...][]byte{e.packed, e.rows, e.text, e.bytes} {
		e.raw = append(e.raw, part...)
	}
}

func appendQuery(dst []byte, q *result.Query) []byte {
	dst = appendText(dst, q.Name)
	for _, names := range [...][]string{q.Keys, q.Values} {
		dst = binary.AppendUvarint(dst, uint64(len(names)))
		for _, name := range names {
			dst = appendText(dst, name)
		}
	}
	dst = binary.AppendVarint(dst, int64(q.Index))
	return binary.BigEndian.AppendUint64(dst, q.Seed)
}

func appendFunctions(dst []byte, q *result.Query) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(q.Functions)))
	for i := range q.Functions {
		f := &q.Functions[i]
		dst = appendText(appendText(dst, f.Name), f.Input)
		dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(f.Param))
	}
	return dst
}

// pack appends raw to dst, packed where that pays.
func (e *Encoder) pack(dst []byte) []byte {
	if len(e.raw) <= maxUnpacked {
		e.packed = slices.Grow(e.packed[:0], s2.MaxEncodedLen(len(e.raw)))
		e.packed = s2.Encode(e.packed[:0], e.raw)
		if len(e.packed) < len(e.raw) && len(e.raw) <= maxGrowth*len(e.packed) {
			dst = slices.Grow(dst, 1+len(e.packed)+frameSize)
			return append(append(dst, packedS2|e.functions), e.packed...)
		}
	}
	return append(append(dst, packedNot|e.functions), e.raw...)
}

// reset forgets the batch, and memory that only one out of the ordinary needs.
func (e *Encoder) reset() {
	const keep = 4 << 20
	for _, buf := range [...]*[]byte{&e.rows, &e.text, &e.bytes, &e.raw, &e.packed} {
		if *buf = (*buf)[:0]; cap(*buf) > keep {
			*buf = nil
		}
	}
	clear(e.queries)
	e.queries = e.queries[:0]
	e.sizes, e.before = sizes{}, before{}
}

func (e *Encoder) result(r *result.Result) {
	at := len(e.rows)
	flags := byte(r.Timing) & resultTiming
	if r.Partial {
		flags |= resultPartial
	}
	e.rows = append(e.rows, 0)
	if e.query(r.Query) {
		flags |= resultQuery
	}
	if e.bounds(r) {
		flags |= resultMoved
	}
	if r.Identity != r.Start {
		flags |= resultIdentity
		e.varint(r.Identity - r.Start)
	}
	e.uvarint(uint64(r.Firing))
	e.varint(r.Events)
	e.string(r.Key)
	e.string(r.KeyJSON)
	if r.Values != nil {
		flags |= resultValues
		e.values(r.Values)
	}
	if len(r.Sketches) > 0 {
		flags |= resultSketches
		e.sketches(r.Sketches)
	}
	e.rows[at] = flags
}

// query appends the number of a row's query in the dictionary, unless it is
// that of the row before.
func (e *Encoder) query(q *result.Query) (changed bool) {
	if n := e.before.query; n < uint64(len(e.queries)) && e.queries[n] == q {
		return false
	}
	n := slices.Index(e.queries, q)
	if n < 0 {
		n = len(e.queries)
		e.queries = append(e.queries, q)
	}
	if e.before.query == uint64(n) {
		return false // the first one of the first row
	}
	e.before.query = uint64(n)
	e.uvarint(uint64(n))
	return true
}

// bounds appends the times of a row, unless they are those of the row before.
func (e *Encoder) bounds(r *result.Result) (moved bool) {
	p, length := &e.before, r.End-r.Start
	if r.Start == p.start && length == p.length && r.Watermark == p.watermark && r.EmittedAt == p.emitted {
		return false
	}
	e.varint(r.Start - p.start)
	e.varint(length - p.length)
	e.varint(r.Watermark - p.watermark)
	e.varint(r.EmittedAt - p.emitted)
	p.start, p.length, p.watermark, p.emitted = r.Start, length, r.Watermark, r.EmittedAt
	return true
}

func (e *Encoder) values(values []event.Value) {
	e.sizes.values += uint64(len(values))
	e.uvarint(uint64(len(values)))
	for i := range values {
		v := &values[i]
		tag, bits := byte(v.Kind)&valueKind, math.Float64bits(v.Num)
		if v.Str != "" {
			tag |= valueText
		}
		whole := int64(v.Num)
		switch {
		case bits == 0:
			e.rows = append(e.rows, tag)
		case math.Abs(v.Num) < 1<<48 && math.Float64bits(float64(whole)) == bits:
			e.rows = append(e.rows, tag|valueWhole)
			e.varint(whole)
		default:
			e.rows = binary.LittleEndian.AppendUint64(append(e.rows, tag|valueBits), bits)
		}
		if v.Str != "" {
			e.string(v.Str)
		}
	}
}

func (e *Encoder) sketches(sketches []result.Sketch) {
	e.sizes.sketches += uint64(len(sketches))
	e.uvarint(uint64(len(sketches)))
	for i := range sketches {
		e.string(sketches[i].Name)
		e.string(sketches[i].Base64)
	}
}

func (e *Encoder) late(l *result.LateEvent) {
	e.repeated(&e.before.lateQuery, l.Query)
	e.source(&l.Source)
	e.varint(l.Timestamp - e.before.timestamp)
	e.varint(l.Watermark - e.before.watermark)
	e.before.timestamp, e.before.watermark = l.Timestamp, l.Watermark
	e.record(l.Event)
}

func (e *Encoder) dead(d *result.DeadLetter) {
	e.source(&d.Source)
	e.repeated(&e.before.deadReason, d.Reason)
	e.string(d.Err)
	e.record(d.Raw)
	e.sizes.names += uint64(len(d.Queries))
	e.uvarint(uint64(len(d.Queries)))
	for _, name := range d.Queries {
		e.string(name)
	}
}

func (e *Encoder) source(s *result.Source) {
	e.repeated(&e.before.topic, s.Topic)
	e.repeated(&e.before.path, s.Path)
	e.varint(int64(s.Partition))
	e.varint(s.Offset - e.before.offset)
	e.before.offset = s.Offset
}

func (e *Encoder) uvarint(v uint64) { e.rows = binary.AppendUvarint(e.rows, v) }

func (e *Encoder) varint(v int64) { e.rows = binary.AppendVarint(e.rows, v) }

// string appends a text: its length to the row.
func (e *Encoder) string(s string) {
	e.uvarint(uint64(len(s)))
	e.text = append(e.text, s...)
}

// repeated appends a text that is mostly that of the row before: 0 then, else
// the length plus one.
func (e *Encoder) repeated(last *string, s string) {
	if *last == s {
		e.uvarint(0)
		return
	}
	*last = s
	e.uvarint(uint64(len(s)) + 1)
	e.text = append(e.text, s...)
}

// record appends the bytes of a record: the length to the row.
func (e *Encoder) record(b []byte) {
	e.uvarint(uint64(len(b)))
	e.bytes = append(e.bytes, b...)
}

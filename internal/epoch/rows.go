package epoch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/state"
)

// Decoder reads blocks. The zero Decoder is ready; it keeps memory for the next
// block. It is for one goroutine.
type Decoder struct {
	raw []byte // unpacked

	// dict is the dictionary of the last block, queries what was made of it:
	// most blocks have the one of the block before.
	dict      []byte
	functions bool // it tells them
	queries   []*result.Query

	rows   reader
	before before

	// What rows take their parts of.
	text     string
	textAt   int
	bytes    stock[byte]
	slab     stock[event.Value]
	sketches stock[result.Sketch]
	names    stock[string]
}

// stock is memory for all rows of a block, of which each takes its part.
type stock[E any] struct {
	all []E
	at  int
}

// take returns the next n; nil if there are not so many, or none are asked for.
func (s *stock[E]) take(n uint64) []E {
	if n == 0 || n > uint64(len(s.all)-s.at) {
		return nil
	}
	from, to := s.at, s.at+int(n)
	s.at = to
	return s.all[from:to:to]
}

func (s *stock[E]) used() bool { return s.at == len(s.all) }

// The least bytes that a row takes, which bound how many a block can have.
const (
	leastResult = 5
	leastLate   = 8
	leastDead   = 8
	leastSketch = 2
)

var (
	errPacking = errors.New("unknown packing")
	errGrowth  = errors.New("it says that it unpacks to more than it can")
	errParts   = errors.New("its parts are longer than all of it")
	errTexts   = errors.New("rows and texts do not match")
	errRow     = errors.New("a row is impossible")
)

// DecodeBlock reads the rows of a block into a batch, whose memory it reuses:
// the rows are exactly those that AppendBlock was given, but for the identity
// of Query. Nothing in them changes when the Decoder is used again. Errors wrap
// state.ErrCorrupt; the batch is empty then.
func (d *Decoder) DecodeBlock(payload []byte, b *result.Batch) error {
	b.Results, b.Late, b.Dead, b.Slab = b.Results[:0], b.Late[:0], b.Dead[:0], b.Slab[:0]
	err := d.decode(payload, b)
	d.forget()
	if err != nil {
		b.Results, b.Late, b.Dead, b.Slab = b.Results[:0], b.Late[:0], b.Dead[:0], b.Slab[:0]
		return fmt.Errorf("rows of an epoch: %w: %w", state.ErrCorrupt, err)
	}
	return nil
}

func (d *Decoder) decode(payload []byte, b *result.Batch) error {
	raw, err := d.unpack(payload)
	if err != nil {
		return err
	}
	s, err := d.split(raw, payload[0]&withFunctions != 0)
	if err != nil {
		return err
	}
	d.reserve(b, &s)
	for i := range b.Results {
		d.result(&b.Results[i])
	}
	for i := range b.Late {
		d.late(&b.Late[i])
	}
	for i := range b.Dead {
		d.dead(&b.Dead[i])
	}
	if err := d.rows.end(); err != nil {
		return err
	}
	if d.textAt != len(d.text) || !d.bytes.used() || !d.slab.used() || !d.sketches.used() || !d.names.used() {
		return errTexts
	}
	return nil
}

// unpack returns the parts of a block.
func (d *Decoder) unpack(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, errShort
	}
	packed := payload[1:]
	switch payload[0] &^ withFunctions {
	case packedNot:
		return packed, nil
	case packedS2:
	default:
		return nil, errPacking
	}
	n, err := s2.DecodedLen(packed)
	if err != nil {
		return nil, err
	}
	if n > maxGrowth*len(packed) || n > maxUnpacked {
		return nil, errGrowth
	}
	d.raw, err = s2.Decode(slices.Grow(d.raw[:0], n), packed)
	return d.raw, err
}

// head reads the sizes of the parts, and takes the first one, the dictionary.
func head(r *reader) (s sizes, dict []byte) {
	for _, n := range s.all() {
		*n = r.uvarint()
	}
	return s, r.take(s.dict)
}

// split finds the parts of a block and reads its dictionary.
func (d *Decoder) split(raw []byte, functions bool) (sizes, error) {
	r := reader{buf: raw}
	s, dict := head(&r)
	left := uint64(r.left())
	if r.err != nil || s.text > left || s.bytes > left-s.text {
		return s, errParts
	}
	rows := left - s.text - s.bytes
	for _, part := range [...]struct{ n, least uint64 }{
		{s.results, leastResult}, {s.late, leastLate}, {s.dead, leastDead}, {s.values, 1}, {s.sketches, leastSketch}, {s.names, 1},
	} {
		if part.n > rows/part.least {
			return s, errParts
		}
		rows -= part.n * part.least
	}
	d.rows = reader{buf: r.take(left - s.text - s.bytes)}
	d.text = string(r.take(s.text))
	d.bytes.all = bytes.Clone(r.take(s.bytes))
	return s, d.dictionary(dict, functions)
}

// reserve makes room for all that the sizes tell.
func (d *Decoder) reserve(b *result.Batch, s *sizes) {
	b.Results = slices.Grow(b.Results, int(s.results))[:s.results]
	b.Late = slices.Grow(b.Late, int(s.late))[:s.late]
	b.Dead = slices.Grow(b.Dead, int(s.dead))[:s.dead]
	b.Slab = slices.Grow(b.Slab, int(s.values))[:s.values]
	d.slab.all = b.Slab
	d.sketches.all = make([]result.Sketch, s.sketches)
	d.names.all = make([]string, s.names)
}

// forget lets go of a block, and of memory that only one out of the ordinary
// needs.
func (d *Decoder) forget() {
	const keep = 4 << 20
	if cap(d.raw) > keep {
		d.raw = nil
	}
	*d = Decoder{raw: d.raw, dict: d.dict, functions: d.functions, queries: d.queries}
}

// dictionary reads the queries of a block.
func (d *Decoder) dictionary(dict []byte, functions bool) error {
	if bytes.Equal(dict, d.dict) && functions == d.functions {
		return nil
	}
	d.dict, d.queries = nil, nil
	r := reader{buf: dict}
	var queries []*result.Query
	for r.left() > 0 {
		q := &result.Query{Name: r.string()}
		q.Keys, q.Values = r.strings(), r.strings()
		q.Index, q.Seed = int(r.varint()), r.uint64()
		if functions {
			q.Functions = r.functions()
		}
		queries = append(queries, q)
	}
	if r.err != nil {
		return fmt.Errorf("its queries: %w", r.err)
	}
	d.dict, d.functions, d.queries = bytes.Clone(dict), functions, queries
	return nil
}

func (r *reader) strings() []string {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.string()
	}
	return list
}

// leastFunction is the least bytes that a function takes.
const leastFunction = 10

func (r *reader) functions() []result.Function {
	n := r.count(leastFunction)
	if n == 0 {
		return nil
	}
	list := make([]result.Function, n)
	for i := range list {
		list[i] = result.Function{Name: r.string(), Input: r.string(), Param: math.Float64frombits(r.uint64())}
	}
	return list
}

func (d *Decoder) result(r *result.Result) {
	rows, p := &d.rows, &d.before
	flags := rows.byte()
	if flags&resultQuery != 0 {
		p.query = rows.uvarint()
	}
	if p.query >= uint64(len(d.queries)) {
		rows.fail(errRow)
		return
	}
	if flags&resultMoved != 0 {
		p.start += rows.varint()
		p.length += rows.varint()
		p.watermark += rows.varint()
		p.emitted += rows.varint()
	}
	identity := p.start
	if flags&resultIdentity != 0 {
		identity += rows.varint()
	}
	*r = result.Result{
		Query: d.queries[p.query],
		Start: p.start, End: p.start + p.length, Identity: identity,
		Timing: result.Timing(flags & resultTiming), Partial: flags&resultPartial != 0,
		Watermark: p.watermark, EmittedAt: p.emitted,
		Firing: rows.uint32(), Events: rows.varint(),
	}
	r.Key, r.KeyJSON = d.string(), d.string()
	if flags&resultValues != 0 {
		r.Values = d.values(len(r.Query.Values))
	}
	if flags&resultSketches != 0 {
		r.Sketches = d.sketchList()
	}
}

// values reads the values of a row, of which there are not more than names.
func (d *Decoder) values(names int) []event.Value {
	rows := &d.rows
	n := rows.uvarint()
	if n == 0 {
		return []event.Value{} // nil would be a retraction
	}
	values := d.slab.take(n)
	if values == nil || n > uint64(names) {
		rows.fail(errRow)
	}
	for i := range values {
		v, tag := &values[i], rows.byte()
		v.Kind, v.Num, v.Str = event.Kind(tag&valueKind), 0, ""
		if v.Kind > event.Invalid {
			rows.fail(errRow)
			v.Kind = event.Null
		}
		switch {
		case tag&valueWhole != 0:
			v.Num = float64(rows.varint())
		case tag&valueBits != 0:
			if b := rows.take(8); b != nil {
				v.Num = math.Float64frombits(binary.LittleEndian.Uint64(b))
			}
		}
		if tag&valueText != 0 {
			v.Str = d.string()
		}
	}
	return values
}

func (d *Decoder) sketchList() []result.Sketch {
	n := d.rows.uvarint()
	list := d.sketches.take(n)
	if list == nil {
		d.rows.fail(errRow)
	}
	for i := range list {
		list[i].Name, list[i].Base64 = d.string(), d.string()
	}
	return list
}

func (d *Decoder) late(l *result.LateEvent) {
	rows, p := &d.rows, &d.before
	d.repeated(&p.lateQuery)
	*l = result.LateEvent{Query: p.lateQuery, Source: d.source()}
	p.timestamp += rows.varint()
	p.watermark += rows.varint()
	l.Timestamp, l.Watermark = p.timestamp, p.watermark
	l.Event = d.record()
}

func (d *Decoder) dead(l *result.DeadLetter) {
	*l = result.DeadLetter{Source: d.source()}
	d.repeated(&d.before.deadReason)
	l.Reason = d.before.deadReason
	l.Err, l.Raw = d.string(), d.record()
	n := d.rows.uvarint()
	if l.Queries = d.names.take(n); uint64(len(l.Queries)) != n {
		d.rows.fail(errRow)
	}
	for i := range l.Queries {
		l.Queries[i] = d.string()
	}
}

func (d *Decoder) source() result.Source {
	p := &d.before
	d.repeated(&p.topic)
	d.repeated(&p.path)
	partition := d.rows.int32()
	p.offset += d.rows.varint()
	return result.Source{Topic: p.topic, Path: p.path, Partition: partition, Offset: p.offset}
}

// string cuts the next text, whose length the row tells.
func (d *Decoder) string() string { return d.cut(d.rows.uvarint()) }

func (d *Decoder) cut(n uint64) string {
	if n > uint64(len(d.text)-d.textAt) {
		d.rows.fail(errTexts)
		return ""
	}
	from := d.textAt
	d.textAt += int(n)
	return d.text[from:d.textAt]
}

// repeated reads a text unless it is that of the row before.
func (d *Decoder) repeated(last *string) {
	if n := d.rows.uvarint(); n > 0 {
		*last = d.cut(n - 1)
	}
}

func (d *Decoder) record() []byte {
	n := d.rows.uvarint()
	b := d.bytes.take(n)
	if uint64(len(b)) != n {
		d.rows.fail(errTexts)
	}
	return b
}

package epoch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/state"
)

// few draws texts that repeat, as those of rows do.
var few = rapid.SampledFrom([]string{"", "a", "model", "é\n\"", strings.Repeat("long ", 50)})

func drawQueries(t *rapid.T) []*result.Query {
	list := make([]*result.Query, rapid.IntRange(1, 4).Draw(t, "queries"))
	for i := range list {
		list[i] = &result.Query{
			Name: few.Draw(t, "name"), Index: rapid.IntRange(-1, 99).Draw(t, "index"), Seed: rapid.Uint64().Draw(t, "seed"),
			Keys: drawNames(t, 0), Values: drawNames(t, 0),
		}
		for range rapid.IntRange(0, 2).Draw(t, "functions") {
			list[i].Functions = append(list[i].Functions, result.Function{
				Name: few.Draw(t, "function"), Input: few.Draw(t, "input"), Param: rapid.Float64().Draw(t, "param"),
			})
		}
	}
	return list
}

func drawNames(t *rapid.T, least int) []string {
	if n := rapid.IntRange(least, 3).Draw(t, "names"); n > 0 {
		return rapid.SliceOfN(few, n, n).Draw(t, "list")
	}
	return nil
}

func drawValue(t *rapid.T) event.Value {
	return event.Value{
		Kind: event.Kind(rapid.IntRange(0, int(event.Invalid)).Draw(t, "kind")),
		Num: rapid.OneOf(
			rapid.Float64(), rapid.Map(rapid.Int64(), func(i int64) float64 { return float64(i) }),
			rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), 1 << 48, -1 << 48, 1<<48 - 1, 1.5}),
		).Draw(t, "num"),
		Str: few.Draw(t, "str"),
	}
}

func drawResult(t *rapid.T, queries []*result.Query) result.Result {
	r := result.Result{
		Query: rapid.SampledFrom(queries).Draw(t, "query"),
		Key:   few.Draw(t, "key"), KeyJSON: few.Draw(t, "json"),
		Start: drawTime.Draw(t, "start"), End: drawTime.Draw(t, "end"), Identity: drawTime.Draw(t, "identity"),
		Timing: result.Timing(rapid.IntRange(0, 3).Draw(t, "timing")), Firing: rapid.Uint32().Draw(t, "firing"),
		Partial: rapid.Bool().Draw(t, "partial"), Events: rapid.Int64().Draw(t, "events"),
		Watermark: drawTime.Draw(t, "watermark"), EmittedAt: drawTime.Draw(t, "emitted"),
	}
	if rapid.Bool().Draw(t, "values") {
		r.Values = []event.Value{}
		for range r.Query.Values {
			r.Values = append(r.Values, drawValue(t))
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "sketches") {
		r.Sketches = append(r.Sketches, result.Sketch{Name: few.Draw(t, "sketch"), Base64: few.Draw(t, "base64")})
	}
	return r
}

func drawSource(t *rapid.T) result.Source {
	return result.Source{
		Topic: few.Draw(t, "topic"), Path: few.Draw(t, "path"),
		Partition: rapid.Int32().Draw(t, "partition"), Offset: rapid.Int64().Draw(t, "offset"),
	}
}

// drawBatch draws rows of which many are like the one before, as in life.
func drawBatch(t *rapid.T) *result.Batch {
	b, queries := &result.Batch{}, drawQueries(t)
	for i := range rapid.IntRange(0, 12).Draw(t, "results") {
		r := drawResult(t, queries)
		if i > 0 && rapid.Bool().Draw(t, "alike") {
			last := &b.Results[i-1]
			r.Start, r.End, r.Watermark, r.EmittedAt = last.Start, last.End, last.Watermark, last.EmittedAt
			if rapid.Bool().Draw(t, "aligned") {
				r.Identity = r.Start
			}
		}
		b.Results = append(b.Results, r)
	}
	for range rapid.IntRange(0, 4).Draw(t, "late") {
		b.Late = append(b.Late, result.LateEvent{
			Query: few.Draw(t, "query"), Source: drawSource(t), Timestamp: drawTime.Draw(t, "timestamp"),
			Watermark: drawTime.Draw(t, "watermark"), Event: drawBytes.Draw(t, "bytes"),
		})
	}
	for range rapid.IntRange(0, 4).Draw(t, "dead") {
		b.Dead = append(b.Dead, result.DeadLetter{
			Source: drawSource(t), Reason: few.Draw(t, "reason"), Err: few.Draw(t, "err"),
			Raw: drawBytes.Draw(t, "bytes"), Queries: drawNames(t, 0),
		})
	}
	return b
}

// TestBlocks takes random batches through one Encoder and one Decoder, reusing
// the batch. Queries are not used again while they are looked at.
func TestBlocks(t *testing.T) {
	var e Encoder
	var d Decoder
	rapid.Check(t, func(t *rapid.T) {
		var b result.Batch
		for range rapid.IntRange(1, 3).Draw(t, "blocks") {
			want, before := drawBatch(t), drawBytes.Draw(t, "before")
			block := e.AppendBlock(bytes.Clone(before), want)
			if !bytes.HasPrefix(block, before) {
				t.Fatal("what was there before is gone")
			}
			block = block[len(before):]
			if err := d.DecodeBlock(block, &b); err != nil {
				t.Fatal(err)
			}
			same(t, &b, want)
			if again := e.AppendBlock(nil, want); !bytes.Equal(again, block) {
				t.Fatal("the same rows give another block")
			}
			damage(t, &d, block)
		}
	})
}

// same compares batches row by row, numbers by their bits.
func same(t *rapid.T, got, want *result.Batch) {
	if g, w := got.AppendNDJSON(nil, true), want.AppendNDJSON(nil, true); !bytes.Equal(g, w) {
		t.Fatalf("the rows read back as\n%s, want\n%s", g, w)
	}
	if g, w := plain(got), plain(want); g != w {
		t.Fatalf("the rows read back as\n%s, want\n%s", g, w)
	}
}

// plain writes everything that is in a batch.
func plain(b *result.Batch) string {
	var s strings.Builder
	for _, r := range b.Results {
		fmt.Fprintf(&s, "%+v ", *r.Query)
		for _, v := range r.Values {
			fmt.Fprintf(&s, "%d %x %q, ", v.Kind, math.Float64bits(v.Num), v.Str)
		}
		fmt.Fprintf(&s, "%v ", r.Values == nil)
		r.Query, r.Values = nil, nil
		fmt.Fprintf(&s, "%+v\n", r)
	}
	for _, l := range b.Late {
		fmt.Fprintf(&s, "%+v\n", l)
	}
	for _, d := range b.Dead {
		fmt.Fprintf(&s, "%+v\n", d)
	}
	return s.String()
}

// damage cuts a block and adds to it, which no reader may take for rows.
func damage(t *rapid.T, d *Decoder, block []byte) {
	var b result.Batch
	cut := block[:rapid.IntRange(0, len(block)-1).Draw(t, "cut")]
	if err := d.DecodeBlock(cut, &b); !errors.Is(err, state.ErrCorrupt) || b.Len() > 0 {
		t.Fatalf("cut to %d bytes of %d it gives %d rows and %v", len(cut), len(block), b.Len(), err)
	}
	if err := d.DecodeBlock(append(bytes.Clone(block), 0), &b); !errors.Is(err, state.ErrCorrupt) {
		t.Fatalf("with a byte too many: %v", err)
	}
}

// TestRowsOutliveTheDecoder reads one block, then others, and looks again.
func TestRowsOutliveTheDecoder(t *testing.T) {
	var e Encoder
	for _, block := range [][]byte{e.AppendBlock(nil, oneOfEach()), e.unpacked(oneOfEach())} {
		var d Decoder
		var first result.Batch
		if err := d.DecodeBlock(block, &first); err != nil {
			t.Fatal(err)
		}
		want := plain(&first)
		clear(block)
		for n := range 3 {
			var b result.Batch
			if err := d.DecodeBlock(e.AppendBlock(nil, manyRows(100*n)), &b); err != nil {
				t.Fatal(err)
			}
		}
		if got := plain(&first); got != want {
			t.Error("rows changed when the decoder was used again")
		}
	}
}

// TestDictionariesAreNotMixedUp reads blocks by turns that differ in the name
// of their query alone, from memory that is used again.
func TestDictionariesAreNotMixedUp(t *testing.T) {
	var e Encoder
	var d Decoder
	var b result.Batch
	var block []byte
	for i := range 4 {
		rows := manyRows(50)
		q := *rows.Results[0].Query
		q.Name = [...]string{"one", "two"}[i%2]
		for j := range rows.Results {
			rows.Results[j].Query = &q
		}
		block = append(block[:0], e.AppendBlock(nil, rows)...)
		if i > 1 {
			block = append(block[:0], e.unpacked(rows)...)
		}
		if err := d.DecodeBlock(block, &b); err != nil {
			t.Fatal(err)
		}
		if got := b.Results[0].Query.Name; got != q.Name {
			t.Errorf("block %d is of query %s, want %s", i, got, q.Name)
		}
	}
}

// TestQueriesAreShared: rows of one query share it within and across blocks.
func TestQueriesAreShared(t *testing.T) {
	var e Encoder
	var d Decoder
	block := e.AppendBlock(nil, manyRows(100))
	var x, y result.Batch
	if err := errors.Join(d.DecodeBlock(block, &x), d.DecodeBlock(block, &y)); err != nil {
		t.Fatal(err)
	}
	for i := range x.Results {
		if x.Results[i].Query != y.Results[0].Query {
			t.Fatalf("row %d has a query of its own", i)
		}
	}
}

// TestPacking: rows shrink, and what would shrink too well is not packed.
func TestPacking(t *testing.T) {
	var e Encoder
	rows := manyRows(1000)
	block, text := e.AppendBlock(nil, rows), rows.AppendNDJSON(nil, true)
	if block[0] != packedS2 || len(block) > len(text)/5 {
		t.Errorf("%d bytes of JSON are a block of %d bytes, packing %d", len(text), len(block), block[0])
	}
	dull := &result.Batch{Dead: []result.DeadLetter{{Raw: make([]byte, 1<<20)}}}
	block = e.AppendBlock(nil, dull)
	if block[0] != packedNot {
		t.Errorf("a megabyte of zeros is packed in %d bytes", len(block))
	}
	var d Decoder
	var b result.Batch
	if err := d.DecodeBlock(block, &b); err != nil || !reflect.DeepEqual(b.Dead, dull.Dead) {
		t.Errorf("a megabyte of zeros reads back wrong: %v", err)
	}
}

// TestMemoryIsGivenBack: one large block does not stay in memory.
func TestMemoryIsGivenBack(t *testing.T) {
	var e Encoder
	var d Decoder
	var b result.Batch
	random := make([]byte, 8<<20)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	block := e.AppendBlock(nil, &result.Batch{Late: []result.LateEvent{{Event: random}, {Event: make([]byte, 8<<20)}}})
	if err := d.DecodeBlock(block, &b); err != nil {
		t.Fatal(err)
	}
	for _, buf := range [...][]byte{e.rows, e.text, e.bytes, e.raw, e.packed, d.raw, d.bytes.all} {
		if cap(buf) > 4<<20 {
			t.Errorf("%d bytes are kept", cap(buf))
		}
	}
	_ = e.AppendBlock(nil, manyRows(1))
	if kept := e.queries[:1]; kept[0] != nil {
		t.Errorf("query %s is kept", kept[0].Name)
	}
}

// TestImpossibleSizes: a few bytes must not ask for much memory.
func TestImpossibleSizes(t *testing.T) {
	var d Decoder
	var b result.Batch
	for name, c := range map[string]struct {
		block []byte
		want  error
	}{
		"nothing":             {nil, errShort},
		"unknown packing":     {[]byte{7, 0}, errPacking},
		"unpacks to much":     {[]byte{packedS2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}, errGrowth},
		"unpacks to nonsense": {[]byte{packedS2, 5, 0}, s2.ErrCorrupt},
		"sizes cut short":     {[]byte{packedNot, 0, 0, 0}, errParts},
		"a long dictionary":   {[]byte{packedNot, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1}, errParts},
		"many results":        {[]byte{packedNot, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3}, errParts},
		"many values":         {[]byte{packedNot, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0, 0, 0, 1, 2, 3}, errParts},
		"many in all":         {[]byte{packedNot, 0, 0, 2, 0, 0, 0, 2, 0, 0, 1, 2, 3}, errParts},
		"a long text":         {[]byte{packedNot, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}, errParts},
		"text and bytes wrap": {[]byte{packedNot, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'x'}, errParts},
		"a short dictionary":  {[]byte{packedNot, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'q'}, errShort},
	} {
		if err := d.DecodeBlock(c.block, &b); !errors.Is(err, state.ErrCorrupt) || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestImpossibleRows makes blocks by hand that are whole, but for one thing.
func TestImpossibleRows(t *testing.T) {
	query := appendQuery(nil, &result.Query{Name: "q", Values: []string{"n"}})
	retract, values, sketches := byte(result.Retract), byte(resultValues), byte(resultSketches)
	for name, c := range map[string]struct {
		s    sizes
		rows []byte
		rest string
		want error
	}{
		"a good row":           {sizes{results: 1, values: 1, text: 1}, []byte{values, 0, 0, 1, 0, 1, valueWhole, 4}, "k", nil},
		"no such query":        {sizes{results: 1}, []byte{retract | resultQuery, 1, 0, 0, 0, 0}, "", errRow},
		"a byte too many":      {sizes{results: 1}, []byte{retract, 0, 0, 0, 0, 0}, "", errAny},
		"a row cut short":      {sizes{results: 1}, []byte{retract | resultMoved, 0, 0, 0, 0}, "", errShort},
		"a firing too great":   {sizes{results: 1}, []byte{retract, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0}, "", errAny},
		"a text too many":      {sizes{results: 1, text: 1}, []byte{retract, 0, 0, 0, 0}, "k", errTexts},
		"a text too long":      {sizes{results: 1, text: 1}, []byte{retract, 0, 0, 1, 1}, "k", errTexts},
		"a value too many":     {sizes{results: 1, values: 2}, []byte{values, 0, 0, 0, 0, 2, 0, 0}, "", errRow},
		"a value not taken":    {sizes{results: 1, values: 1}, []byte{values, 0, 0, 0, 0, 0}, "", errTexts},
		"a value not there":    {sizes{results: 1}, []byte{values, 0, 0, 0, 0, 1, 0}, "", errRow},
		"a value of no kind":   {sizes{results: 1, values: 1}, []byte{values, 0, 0, 0, 0, 1, 15}, "", errRow},
		"a number cut short":   {sizes{results: 1, values: 1}, []byte{values, 0, 0, 0, 0, 1, valueBits, 1, 2}, "", errShort},
		"a sketch not there":   {sizes{results: 1}, []byte{sketches | retract, 0, 0, 0, 0, 1, 0, 0}, "", errRow},
		"a sketch not taken":   {sizes{results: 1, sketches: 1}, []byte{retract, 0x80, 0x80, 0, 0, 0, 0}, "", errTexts},
		"an event too long":    {sizes{late: 1, bytes: 1}, []byte{0, 0, 0, 0, 0, 0, 0, 2}, "e", errTexts},
		"an event not taken":   {sizes{late: 1, bytes: 1}, []byte{0, 0, 0, 0, 0, 0, 0, 0}, "e", errTexts},
		"a partition too high": {sizes{late: 1}, []byte{0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0}, "", errAny},
		"a name not there":     {sizes{dead: 1}, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0}, "", errRow},
		"a name not taken":     {sizes{dead: 1, names: 1}, []byte{0, 0, 0x80, 0, 0, 0, 0, 0, 0}, "", errTexts},
	} {
		c.s.dict = uint64(len(query))
		block := []byte{packedNot}
		for _, n := range c.s.all() {
			block = binary.AppendUvarint(block, *n)
		}
		block = append(append(append(block, query...), c.rows...), c.rest...)
		var d Decoder
		var b result.Batch
		err := d.DecodeBlock(block, &b)
		if c.want == nil && err == nil {
			continue
		}
		if !errors.Is(err, state.ErrCorrupt) || c.want != errAny && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// errAny stands for an error that has no name.
var errAny = errors.New("any")

func FuzzDecodeBlock(f *testing.F) {
	var e Encoder
	f.Add(e.AppendBlock(nil, &result.Batch{}))
	f.Add(e.AppendBlock(nil, manyRows(3)))
	f.Add(e.AppendBlock(nil, oneOfEach()))
	raw := e.unpacked(oneOfEach())
	f.Add(raw)
	f.Fuzz(func(t *testing.T, block []byte) {
		var e Encoder
		var d Decoder
		var b, again result.Batch
		if d.DecodeBlock(block, &b) != nil {
			if b.Len() > 0 {
				t.Fatal("rows beside an error")
			}
			return
		}
		_ = b.AppendNDJSON(nil, true)
		if err := d.DecodeBlock(e.AppendBlock(nil, &b), &again); err != nil {
			t.Fatal(err)
		}
		if got, want := plain(&again), plain(&b); got != want {
			t.Errorf("the rows read back as\n%s, want\n%s", got, want)
		}
	})
}

// The same bytes are another dictionary where functions are told: of zeros, 13
// queries without them or 12 with them.
func TestDictionariesAreToldApart(t *testing.T) {
	var d Decoder
	var b result.Batch
	block := binary.AppendUvarint([]byte{packedNot}, 12*13)
	block = append(block, 1, 0, 0, 0, 0, 0, 0, 0)
	block = append(block, make([]byte, 12*13)...)
	block = append(block, byte(result.Retract)|resultQuery, 12, 0, 0, 0, 0)
	if err := d.DecodeBlock(block, &b); err != nil {
		t.Fatal(err)
	}
	block[0] |= withFunctions
	if err := d.DecodeBlock(block, &b); !errors.Is(err, errRow) {
		t.Errorf("%v for the 13th of 12 queries, want %v", err, errRow)
	}
}

// unpacked is AppendBlock without packing.
func (e *Encoder) unpacked(b *result.Batch) []byte {
	block := e.AppendBlock(nil, b)
	if block[0] == packedS2 {
		var d Decoder
		raw, err := d.unpack(block)
		if err != nil {
			panic(err)
		}
		return append([]byte{packedNot}, raw...)
	}
	return block
}

// manyRows are rows as windows of many keys give.
func manyRows(n int) *result.Batch {
	q := &result.Query{Name: "model_minute", Keys: []string{"model", "tenant"}, Values: []string{"requests", "cost_usd", "p95_ms"}, Seed: 42}
	names := []string{`{"model":`, `,"tenant":`}
	start := int64(1767225600e9)
	b := &result.Batch{}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		key := event.AppendKeyValue(event.AppendKeyValue(nil, event.Text(fmt.Sprintf("gpt-%d", i%7))), event.Text(fmt.Sprintf("tenant-%d", i)))
		b.Results = append(b.Results, result.Result{
			Query: q, Key: string(key), KeyJSON: string(event.AppendKeyJSON(nil, key, names)),
			Start: start, End: start + 60e9, Identity: start,
			Values: []event.Value{event.Int(int64(rng.IntN(2000))), event.Float(rng.Float64()), event.Float(1000 * rng.Float64())},
			Events: 812, Watermark: start + 61e9, EmittedAt: start + 62e9,
		})
	}
	return b
}

// oneOfEach has everything that a row can have.
func oneOfEach() *result.Batch {
	b := manyRows(2)
	other := &result.Query{Name: "sessions", Keys: []string{"user"}, Values: []string{"last", "p99"}, Index: 1, Seed: 7}
	at := result.Source{Path: "a.jsonl", Offset: 120}
	b.Results = append(b.Results,
		result.Result{
			Query: other, Key: "n", KeyJSON: `{"user":null}`, Start: -5, End: 17, Identity: -9, Timing: result.Late, Firing: 3, Partial: true,
			Values:   []event.Value{event.Int(math.MaxInt64), {Kind: event.Composite, Str: `[{"value":"x","count":2}]`}},
			Sketches: []result.Sketch{{Name: "p99", Base64: "QUJD"}}, Events: 2, Watermark: 30, EmittedAt: 31,
		},
		result.Result{
			Query: other, Key: "t", KeyJSON: `{"user":true}`, Start: -5, End: 17, Identity: -5, Timing: result.Retract, Firing: 4,
			Watermark: 30, EmittedAt: 31,
		},
	)
	b.Late = []result.LateEvent{
		{Query: "sessions", Source: at, Timestamp: 1, Watermark: 99, Event: []byte(`{"user":1}`)},
		{Query: "sessions", Source: result.Source{Topic: "feedback-events", Partition: 3, Offset: 9}, Timestamp: 2, Watermark: 99, Event: []byte(`{}`)},
	}
	b.Dead = []result.DeadLetter{
		{Source: at, Reason: "json", Err: "bad", Raw: []byte("{\xff")},
		{Source: at, Reason: "type", Err: "worse", Raw: []byte("{}"), Queries: []string{"sessions", "model_minute"}},
	}
	return b
}

func BenchmarkAppendBlock(b *testing.B) {
	b.ReportAllocs()
	rows := manyRows(1000)
	var e Encoder
	var block []byte
	for b.Loop() {
		block = e.AppendBlock(block[:0], rows)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
	b.ReportMetric(float64(len(block))/1000, "bytes/row")
}

func BenchmarkDecodeBlock(b *testing.B) {
	b.ReportAllocs()
	var e Encoder
	block := e.AppendBlock(nil, manyRows(1000))
	var d Decoder
	var rows result.Batch
	for b.Loop() {
		if err := d.DecodeBlock(block, &rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
}

package decode

import (
	"math"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// fields makes a schema of dotted paths, all with text and numbers.
func fields(paths ...string) *event.Schema {
	s := &event.Schema{}
	for _, p := range paths {
		s.Fields = append(s.Fields, event.Field{Path: strings.Split(p, "."), Text: true, Numeric: true})
	}
	return s
}

// unixT is the options of most tests: the time is the member t.
var unixT = Options{Format: "json", TimePath: []string{"t"}, TimeFormat: "unix_ns"}

func mustNew(t testing.TB, s *event.Schema, opt Options) *Decoder {
	t.Helper()
	d, err := New(s, opt)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func decodeChunk(d *Decoder, c *source.Chunk) *event.Batch {
	b := &event.Batch{}
	b.Reset(d.schema, &event.Origin{})
	b.Data = c.Data
	d.Decode(c, b)
	return b
}

func decodeLines(d *Decoder, text string) *event.Batch {
	return decodeChunk(d, &source.Chunk{Data: []byte(text), Next: int64(len(text))})
}

// decodeSpan decodes one record that is handed over as a span, with other bytes
// around it.
func decodeSpan(d *Decoder, record, after string) *event.Batch {
	const before = `"[`
	return decodeChunk(d, &source.Chunk{
		Data:    []byte(before + record + after),
		Spans:   []event.Ref{{Off: uint32(len(before)), Len: uint32(len(record))}},
		Offsets: []int64{7},
		Next:    8,
	})
}

func rowValues(b *event.Batch, row int) []event.Value {
	out := make([]event.Value, len(b.Columns))
	for i := range out {
		out[i] = b.Value(&b.Columns[i], row)
	}
	return out
}

func sameValue(a, b event.Value) bool {
	return a.Kind == b.Kind && a.Str == b.Str && math.Float64bits(a.Num) == math.Float64bits(b.Num)
}

func num(f float64) event.Value { return event.Value{Kind: event.Number, Num: f} }
func integer(s string, f float64) event.Value {
	return event.Value{Kind: event.Integer, Num: f, Str: s}
}

func TestValues(t *testing.T) {
	null := event.Value{}
	text, obj := event.Text, event.JSONValue
	tests := []struct {
		name, record string
		want         []event.Value // of a, m, m.a, m.b.c
	}{
		{"missing", `{"t":1}`, []event.Value{null, null, null, null}},
		{"string", `{"t":1,"a":"x"}`, []event.Value{text("x"), null, null, null}},
		{"empty string", `{"t":1,"a":""}`, []event.Value{text(""), null, null, null}},
		{"non-ASCII", `{"t":1,"a":"häßlich 日本 🎉"}`, []event.Value{text("häßlich 日本 🎉"), null, null, null}},
		{"escapes", `{"t":1,"a":"\"\\\/\b\f\n\r\té"}`, []event.Value{text("\"\\/\b\f\n\r\té"), null, null, null}},
		{"surrogates", `{"t":1,"a":"\ud83c\udf89"}`, []event.Value{text("🎉"), null, null, null}},
		{"half a surrogate", `{"t":1,"a":"\ud83cx\udf89\ud83c\u0041\ud83c\ud83c\udf89"}`, []event.Value{text("�x��A�🎉"), null, null, null}},
		{"words", `{"t":1,"a":true,"m":{"a":false,"b":{"c":null}}}`,
			[]event.Value{event.Bool(true), obj(`{"a":false,"b":{"c":null}}`), event.Bool(false), null}},
		{"number", `{"a":-12.5,"t":1}`, []event.Value{num(-12.5), null, null, null}},
		{"minus zero", `{"a":-0,"t":1}`, []event.Value{num(math.Copysign(0, -1)), null, null, null}},
		{"nested", `{"t":1,"m":{"a":1,"b":{"c":"x","d":[1,{"c":2}]},"e":{}}}`,
			[]event.Value{null, obj(`{"a":1,"b":{"c":"x","d":[1,{"c":2}]},"e":{}}`), num(1), text("x")}},
		{"array", `{"t":1,"a":[1, 2],"m":[{"a":1}]}`, []event.Value{obj(`[1, 2]`), obj(`[{"a":1}]`), null, null}},
		{"empty composites", `{"t":1,"a":[ ],"m":{ }}`, []event.Value{obj(`[ ]`), obj(`{ }`), null, null}},
		{"below a scalar", `{"t":1,"m":5}`, []event.Value{null, num(5), null, null}},
		{"below a string", `{"t":1,"m":"{\"a\":1}"}`, []event.Value{null, text(`{"a":1}`), null, null}},
		{"duplicate", `{"t":1,"a":1,"a":"x"}`, []event.Value{text("x"), null, null, null}},
		{"duplicate null", `{"t":1,"a":1,"a":null}`, []event.Value{null, null, null, null}},
		{"duplicate word", `{"t":1,"a":12,"a":true}`, []event.Value{event.Bool(true), null, null, null}},
		{"duplicate subtree", `{"t":1,"m":{"a":1,"b":{"c":2}},"m":{}}`, []event.Value{null, obj(`{}`), null, null}},
		{"duplicate subtree, scalar", `{"t":1,"m":{"a":1},"m":3}`, []event.Value{null, num(3), null, null}},
		{"duplicate within", `{"t":1,"m":{"b":{"c":1},"b":{}}}`, []event.Value{null, obj(`{"b":{"c":1},"b":{}}`), null, null}},
		{"duplicate overflow", `{"t":1,"a":1e999,"a":2}`, []event.Value{num(2), null, null, null}},
		{"duplicate time", `{"t":"x","t":1,"a":2}`, []event.Value{num(2), null, null, null}},
		{"escaped key", `{"t":1,"\u0061":1,"\u006d":{"\u0061":2}}`, []event.Value{num(1), obj(`{"\u0061":2}`), num(2), null}},
		{"escaped duplicate", `{"t":1,"a":1,"\u0061":2}`, []event.Value{num(2), null, null, null}},
		{"prefix of a key", `{"t":1,"aa":1,"":2,"m":{"aa":3}}`, []event.Value{null, obj(`{"aa":3}`), null, null}},
		{"blanks", " {\t\"t\" : 1 , \r \"a\" :\t2 , \"m\" : { \"a\" : 3 , \"b\":{ \"c\": [ 1 , 2 ] } } } ",
			[]event.Value{num(2), obj(`{ "a" : 3 , "b":{ "c": [ 1 , 2 ] } }`), num(3), obj(`[ 1 , 2 ]`)}},
	}
	d := mustNew(t, fields("a", "m", "m.a", "m.b.c"), unixT)
	check := func(t *testing.T, b *event.Batch, want []event.Value) {
		t.Helper()
		if len(b.Dead) > 0 {
			t.Fatalf("dead: %+v", b.Dead[0])
		}
		if b.N != 1 || b.Time[0] != 1 {
			t.Fatalf("rows %d, times %v, want one at 1", b.N, b.Time)
		}
		for i, got := range rowValues(b, 0) {
			if !sameValue(got, want[i]) {
				t.Errorf("%s = %+v, want %+v", pathText(d.schema.Fields[i].Path), got, want[i])
			}
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, decodeLines(d, tt.record), tt.want)
			check(t, decodeLines(d, tt.record+"\n                 \n"), tt.want)
			check(t, decodeSpan(d, tt.record, ``), tt.want)
			check(t, decodeSpan(d, tt.record, `,"a":"more than the padding"}`), tt.want)
			check(t, decodeSpan(d, tt.record+"\n", `0123456789012345`), tt.want)
		})
	}
}

func TestOnlyWhatIsAsked(t *testing.T) {
	s := &event.Schema{Computed: 1, Fields: []event.Field{
		{Path: []string{"a"}},
		{Path: []string{"a"}, Numeric: true},
		{Path: []string{"a"}, Text: true},
	}}
	b := decodeLines(mustNew(t, s, unixT), `{"t":1,"a":9007199254740993}`+"\n"+`{"t":2,"a":"x"}`)
	if b.N != 2 || len(b.Columns) != 4 {
		t.Fatalf("%d rows, %d columns", b.N, len(b.Columns))
	}
	kinds, nums, strs := [4]int{2, 2, 2, 0}, [4]int{0, 2, 0, 0}, [4]int{0, 0, 2, 0}
	for i := range b.Columns {
		c := &b.Columns[i]
		if len(c.Kind) != kinds[i] || len(c.Num) != nums[i] || len(c.Str) != strs[i] {
			t.Errorf("column %d has %d kinds, %d numbers, %d texts", i, len(c.Kind), len(c.Num), len(c.Str))
		}
	}
	if b.Columns[0].Kind[0] != event.Integer || b.Columns[1].Num[0] != 9007199254740992 ||
		string(b.Bytes(b.Columns[2].Str[0])) != "9007199254740993" || string(b.Bytes(b.Columns[2].Str[1])) != "x" {
		t.Errorf("columns %+v", b.Columns)
	}
}

func TestRecords(t *testing.T) {
	const bom = "\ufeff"
	type row struct {
		raw    string
		offset int64
	}
	tests := []struct {
		name, data string
		want       []row
	}{
		{"nothing", "", nil},
		{"no last line end", "{\"t\":1}\n{\"t\":2}", []row{{`{"t":1}`, 100}, {`{"t":2}`, 108}}},
		{"CRLF", "{\"t\":1}\r\n{\"t\":2}\r\n", []row{{`{"t":1}`, 100}, {`{"t":2}`, 109}}},
		{"one CR only", "{\"t\":1}\r\r\n", []row{{"{\"t\":1}\r", 100}}},
		{"blank lines", "\n\r\n  \t\n{\"t\":1}\n\n \r\n", []row{{`{"t":1}`, 107}}},
		{"byte order marks", bom + "{\"t\":1}\n" + bom + "\n" + bom + " {\"t\":2}", []row{{`{"t":1}`, 100}, {` {"t":2}`, 115}}},
		{"two byte order marks", bom + bom + "{\"t\":1}\n{\"t\":1}", []row{{`{"t":1}`, 114}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := mustNew(t, fields("a"), unixT)
			b := decodeChunk(d, &source.Chunk{Data: []byte(tt.data), Offset: 100, Next: 4711})
			if b.N != len(tt.want) || b.Next != 4711 {
				t.Fatalf("%d rows, next %d, dead %+v", b.N, b.Next, b.Dead)
			}
			for i, w := range tt.want {
				if got := string(b.Bytes(b.Raw[i])); got != w.raw || b.Offset[i] != w.offset {
					t.Errorf("row %d is %q at %d, want %q at %d", i, got, b.Offset[i], w.raw, w.offset)
				}
			}
		})
	}
}

func TestSpans(t *testing.T) {
	d := mustNew(t, fields("a"), unixT)
	c := &source.Chunk{Data: []byte("\ufeff{\"t\":1,\"a\":1}{\"t\":2,\"a\":2} x{\"t\":3}"), Next: 99}
	c.Spans = []event.Ref{{Off: 0, Len: 16}, {Off: 16, Len: 13}, {Off: 29, Len: 0}, {Off: 29, Len: 1}, {Off: 30, Len: 1}, {Off: 31, Len: 7}}
	c.Offsets = []int64{10, 11, 12, 13, 14, 20}
	b := decodeChunk(d, c)
	if b.N != 3 || b.Offset[0] != 10 || b.Offset[1] != 11 || b.Offset[2] != 20 || b.Next != 99 {
		t.Fatalf("rows %d at %v, next %d", b.N, b.Offset, b.Next)
	}
	if got := string(b.Bytes(b.Raw[0])); got != `{"t":1,"a":1}` {
		t.Errorf("raw %q", got)
	}
	if len(b.Dead) != 1 || b.Dead[0].Offset != 14 || b.Dead[0].Reason != "json" {
		t.Errorf("dead %+v", b.Dead)
	}
}

func TestDead(t *testing.T) {
	deep := func(n int) string { return `{"t":1,"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}" }
	tests := []struct{ name, record, reason, text string }{
		{"no JSON", `hello`, "json", `invalid character 'h' at byte 0, a value should begin`},
		{"missing value", `{"t":1,"a":}`, "json", `invalid character '}' at byte 11, a value should begin`},
		{"missing wanted value", `{"t":,"a":1}`, "json", `invalid character ',' at byte 5, a value should begin`},
		{"cut short", `{"t":1,"a":"x`, "json", `the record ends at byte 13, a string should go on`},
		{"cut in a number", `{"t":1`, "json", `the record ends at byte 6, ',' or '}' should follow`},
		{"cut in a word", `{"t":nul`, "json", `a value should begin`},
		{"cut in an escape", `{"t":1,"a":"\`, "json", `the record ends at byte 13, one of`},
		{"cut in a hex escape", `{"t":1,"a":"\u00`, "json", `the record ends at byte 16, four hex`},
		{"cut after a minus", `{"t":-`, "json", `the record ends at byte 6, a digit`},
		{"cut in a key", `{"t":1,"a`, "json", `the record ends at byte 9`},
		{"cut after a key", `{"t":1,"a"`, "json", `the record ends at byte 10, ':' should follow`},
		{"cut after a comma", `{"t":1,`, "json", `the record ends at byte 7, a key in quotes`},
		{"cut after a brace", `{`, "json", `the record ends at byte 1, a key in quotes`},
		{"trailing comma", `{"t":1,}`, "json", `invalid character '}' at byte 7, a key in quotes`},
		{"trailing garbage", `{"t":1} {}`, "json", `invalid character '{' at byte 8, nothing should follow`},
		{"array in array cut", `{"t":1,"x":[1,[2}`, "json", `invalid character '}' at byte 16, ',' or ']'`},
		{"object in array", `{"t":1,"x":[{"a" 1}]}`, "json", `invalid character '1' at byte 17, ':' should`},
		{"object in array, key", `{"t":1,"x":[{a:1}]}`, "json", `invalid character 'a' at byte 13, a key`},
		{"object in array, end", `{"t":1,"x":[{"a":1]]}`, "json", `invalid character ']' at byte 18, ',' or '}'`},
		{"leading zero", `{"t":1,"x":01}`, "json", `invalid character '1' at byte 12, no digit`},
		{"leading zero, wanted", `{"t":1,"a":-012.5}`, "json", `invalid character '1' at byte 13, no digit`},
		{"lone minus", `{"t":1,"x":-}`, "json", `invalid character '}' at byte 12, a digit`},
		{"no fraction", `{"t":1,"x":1.}`, "json", `byte 13, a digit should follow the point`},
		{"no fraction, wanted", `{"t":1,"a":1.}`, "json", `byte 13, a digit should follow the point`},
		{"no exponent", `{"t":1,"x":1e+}`, "json", `byte 14, a digit of the exponent`},
		{"no exponent, wanted", `{"t":1,"a":1.5E}`, "json", `byte 15, a digit of the exponent`},
		{"plus", `{"t":1,"x":+1}`, "json", `invalid character '+' at byte 11`},
		{"NaN", `{"t":1,"a":NaN}`, "json", `invalid character 'N' at byte 11`},
		{"tru", `{"t":1,"a":trux}`, "json", `byte 11, a value should begin`},
		{"fals", `{"t":1,"a":fals3}`, "json", `byte 11, a value should begin`},
		{"control character", "{\"t\":1,\"a\":\"x\ty\"}", "json", `byte 13, a string should go on`},
		{"bad escape", `{"t":1,"a":"\x41"}`, "json", `invalid character 'x' at byte 13, one of`},
		{"bad hex", `{"t":1,"a":"\u12g4"}`, "json", `invalid character 'g' at byte 16, four`},
		{"single quotes", `{'t':1}`, "json", `a key in quotes`},
		{"bad character", `{"t":1,"a":é}`, "json", `invalid character 'é' at byte 11`},
		{"UTF-8", "{\"t\":1,\"a\":\"é\xff\"}", "utf8", `byte 0xff is not valid UTF-8 at byte 14`},
		{"UTF-8, skipped", "{\"t\":1,\"x\":\"\xc3\"}", "utf8", `byte 0xc3 is not valid UTF-8 at byte 12`},
		{"UTF-8, key", "{\"t\":1,\"\xed\xa0\x80\":1}", "utf8", `byte 0xed is not valid UTF-8 at byte 8`},
		{"array", `[{"t":1}]`, "not_object", `no object`},
		{"string", ` "x" `, "not_object", `no object`},
		{"null", `null`, "not_object", `no object`},
		{"number", `12`, "not_object", `no object`},
		{"depth", deep(128), "depth", `more than 128 objects and arrays lie in each other at byte 138`},
		{"depth 10k", deep(10_000), "depth", `more than 128`},
		{"depth of objects", `{"t":1,"m":` + strings.Repeat(`{"x":`, 200) + "1" + strings.Repeat("}", 201), "depth", `more than 128`},
		{"too large", `{"t":1,"x":"` + strings.Repeat("x", 3000) + `"}`, "too_large", `the record is longer than the 3000 bytes`},
		{"time", `{"t":"x"}`, "time", `t is "x", which is no time in the format unix_ns`},
		{"time object", `{"t":{}}`, "time", `t is {}, which`},
		{"time word", `{"t":true}`, "time", `t is true, which`},
		{"long time", `{"t":"` + strings.Repeat("x", 99) + `"}`, "time", `xx..., which`},
		{"time range", `{"t":9223372036854775808}`, "time", `t is 9223372036854775808, beyond`},
		{"no time", `{"a":1}`, "no_time", `t is missing or null`},
		{"null time", `{"t":null}`, "no_time", `t is missing or null`},
		{"null time at last", `{"t":1,"t":null}`, "no_time", `t is missing or null`},
		{"future", `{"t":1001}`, "future", `t is 1001, more than 1ns in the future`},
		{"overflow", `{"t":1,"a":1e309}`, "number", `a is a number beyond the range of a float64`},
		{"negative overflow", `{"t":1,"m":{"a":-1e400}}`, "number", `m.a is a number`},
		{"long overflow", `{"t":1,"a":1` + strings.Repeat("0", 400) + `}`, "number", `a is a number`},
	}
	opt := unixT
	opt.MaxRecordBytes, opt.MaxFuture, opt.Now = 3000, 1, func() int64 { return 999 }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := opt
			if tt.name == "depth 10k" {
				o.MaxRecordBytes = 0
			}
			d := mustNew(t, fields("a", "m.a"), o)
			const good = `{"t":5,"a":"\u0041","m":{"a":1}}`
			b := decodeLines(d, good+"\n"+tt.record+"\n"+good)
			if len(b.Dead) != 1 || b.N != 2 {
				t.Fatalf("%d rows, dead %+v", b.N, b.Dead)
			}
			dead := b.Dead[0]
			if dead.Reason != tt.reason || !strings.Contains(dead.Err, tt.text) {
				t.Errorf("%s: %s, want %s: %s", dead.Reason, dead.Err, tt.reason, tt.text)
			}
			if got := string(b.Bytes(dead.Raw)); got != tt.record || dead.Offset != int64(len(good)+1) {
				t.Errorf("dead letter %q at %d", got, dead.Offset)
			}
			for row := range 2 {
				if v := rowValues(b, row); v[0].Str != "A" || v[1].Num != 1 || b.Time[row] != 5 {
					t.Errorf("row %d beside it is %+v", row, v)
				}
			}
			for _, after := range []string{"", `"}]}0123456789012345`} {
				b = decodeSpan(d, tt.record, after)
				if len(b.Dead) != 1 || b.N != 0 || b.Dead[0].Reason != tt.reason || b.Dead[0].Err != dead.Err || b.Dead[0].Offset != 7 {
					t.Errorf("as a span: %d rows, %+v, want %q", b.N, b.Dead, dead.Err)
				}
			}
		})
	}
}

// A dead row leaves nothing behind, not even in the next row of its place.
func TestRollback(t *testing.T) {
	d := mustNew(t, fields("a", "b", "c", "m.a"), unixT)
	b := decodeLines(d, `{"t":1,"a":"\u0041","b":12,"c":9007199254740993,"m":{"a":[1]},"t":}`+"\n"+`{"t":2}`)
	if b.N != 1 || len(b.Dead) != 1 || len(b.Extra) != 0 {
		t.Fatalf("%d rows, %d dead, extra %q", b.N, len(b.Dead), b.Extra)
	}
	for i, v := range rowValues(b, 0) {
		c := &b.Columns[i]
		if v.Kind != event.Null || c.Num[0] != 0 || c.Str[0] != (event.Ref{}) {
			t.Errorf("column %d kept %+v", i, v)
		}
	}
}

func TestDepthLimit(t *testing.T) {
	opt := unixT
	opt.MaxDepth, opt.MaxRecordBytes = 10_000, 1<<20
	d := mustNew(t, fields("x"), opt)
	for _, tt := range []struct{ nested, rows int }{{9_999, 1}, {10_000, 0}} {
		record := `{"t":1,"x":` + strings.Repeat("[", tt.nested) + strings.Repeat("]", tt.nested) + "}"
		if b := decodeLines(d, record); b.N != tt.rows || len(b.Dead) != 1-tt.rows {
			t.Errorf("%d arrays in the root: %d rows, %d dead", tt.nested, b.N, len(b.Dead))
		}
	}
}

// Objects on the way to a field count too.
func TestDepthOfWanted(t *testing.T) {
	opt := unixT
	opt.MaxDepth = 2
	d := mustNew(t, fields("m.b.c"), opt)
	b := decodeLines(d, `{"t":1,"m":{"b":1}}`+"\n"+`{"t":1,"m":{"b":{}}}`)
	if b.N != 1 || len(b.Dead) != 1 || b.Dead[0].Reason != "depth" {
		t.Errorf("%d rows, dead %+v", b.N, b.Dead)
	}
}

func TestLargestRecord(t *testing.T) {
	opt := unixT
	opt.MaxRecordBytes = len(`{"t":1}`)
	b := decodeLines(mustNew(t, fields("a"), opt), `{"t":1}`+"\r\n"+`{"t":12}`)
	if b.N != 1 || len(b.Dead) != 1 || b.Dead[0].Reason != "too_large" {
		t.Errorf("%d rows, dead %+v", b.N, b.Dead)
	}
}

// A key that is expected but cut short must not be looked for beyond the view.
func TestExpectedKeyIsCut(t *testing.T) {
	key := `"` + strings.Repeat("k", maxKnownSize) + `":1}`
	good := `{"t":1,` + key
	d := mustNew(t, fields("a"), unixT)
	for cut := range key {
		b := decodeLines(d, good+"\n"+good[:len(good)-len(key)+cut])
		if b.N != 1 || len(b.Dead) != 1 || b.Dead[0].Reason != "json" {
			t.Errorf("cut after %d bytes: %d rows, dead %+v", cut, b.N, b.Dead)
		}
	}
}

func TestDuplicateAboveTheTime(t *testing.T) {
	opt := unixT
	opt.TimePath = []string{"at", "t"}
	b := decodeLines(mustNew(t, fields("a"), opt), `{"at":{"t":1},"at":{}}`+"\n"+`{"at":{"t":1},"at":{"t":2}}`)
	if b.N != 1 || b.Time[0] != 2 || len(b.Dead) != 1 || b.Dead[0].Reason != "no_time" {
		t.Errorf("times %v, dead %+v", b.Time, b.Dead)
	}
}

func TestHugeRecord(t *testing.T) {
	d := mustNew(t, fields("a", "z"), unixT)
	big := strings.Repeat("é\\n0123456789", 60_000)
	record := `{"t":1,"a":"` + big + `","z":7}`
	if len(record) > DefaultMaxRecordBytes {
		t.Fatal("the record is over the limit, so it proves nothing")
	}
	b := decodeLines(d, record)
	if b.N != 1 || rowValues(b, 0)[0].Str != strings.ReplaceAll(big, `\n`, "\n") || rowValues(b, 0)[1].Num != 7 {
		t.Errorf("%d rows, dead %+v", b.N, b.Dead)
	}
}

// A batch is used again and again, and grows over several steps.
func TestReuse(t *testing.T) {
	d := mustNew(t, fields("a", "b"), unixT)
	var b event.Batch
	for round, n := range []int{3, 1000, 10_000, 1, 64, 65, 0} {
		var text strings.Builder
		for i := range n {
			if (i+round)%2 == 0 {
				text.WriteString(`{"t":1,"a":"x","b":2}` + "\n")
			} else {
				text.WriteString(`{"t":1,"b":null}` + "\n")
			}
		}
		b.Reset(d.schema, &event.Origin{})
		b.Data = []byte(text.String())
		d.Decode(&source.Chunk{Data: b.Data}, &b)
		if b.N != n || len(b.Time) != n || len(b.Raw) != n || len(b.Offset) != n {
			t.Fatalf("%d rows of %d", b.N, n)
		}
		for row := range n {
			a, bb := b.Value(&b.Columns[0], row), b.Value(&b.Columns[1], row)
			want := [2]event.Value{event.Text("x"), num(2)}
			if (row+round)%2 == 1 {
				want = [2]event.Value{}
			}
			if a != want[0] || bb != want[1] || a.Kind == event.Null && b.Columns[0].Str[row] != (event.Ref{}) {
				t.Fatalf("row %d of %d: %+v %+v", row, n, a, bb)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name string
		s    *event.Schema
		opt  Options
		want string
	}{
		{"format", fields("a"), Options{Format: "xml", TimePath: []string{"t"}, TimeFormat: "rfc3339"}, `unknown event format "xml"`},
		{"time format", fields("a"), Options{Format: "json", TimePath: []string{"t"}, TimeFormat: "iso"}, `unknown time format "iso"`},
		{"time path", fields("a"), Options{Format: "json", TimeFormat: "rfc3339"}, `path of the event time is empty`},
		{"field path", &event.Schema{Fields: make([]event.Field, 1)}, unixT, `path of field 0 is empty`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.s, tt.opt); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestClone(t *testing.T) {
	d := mustNew(t, fields("a"), unixT)
	c := d.Clone()
	if c.root == d.root {
		t.Fatal("a clone shares the tree and what it has learnt")
	}
	if b := decodeLines(c, `{"t":1,"a":2}`); b.N != 1 || rowValues(b, 0)[0].Num != 2 {
		t.Errorf("%d rows", b.N)
	}
}

func TestNoAllocations(t *testing.T) {
	c := benchChunk(500, benchLine)
	d := mustNew(t, benchSchema, Options{Format: "json", TimePath: []string{"timestamp"}, TimeFormat: "rfc3339"})
	var b event.Batch
	origin := &event.Origin{}
	decode := func() {
		b.Reset(benchSchema, origin)
		b.Data = c.Data
		d.Decode(c, &b)
	}
	decode()
	if n := testing.AllocsPerRun(10, decode); n != 0 {
		t.Errorf("%v allocations in 500 records, want none", n)
	}
}

// maps with made-up keys must not fill the memory, and stay right.
func TestKeysAreBounded(t *testing.T) {
	d := mustNew(t, fields("m.zzz"), unixT)
	var text strings.Builder
	for i := range 2000 {
		key := strings.Repeat("k", i%100) + string(rune('a'+i%26)) + string(rune('0'+i%10)) + strings.Repeat("x", i/100)
		text.WriteString(`{"t":1,"m":{"` + key + `":1,"zzz":2,"` + key + `y":3}}` + "\n")
	}
	b := decodeLines(d, text.String())
	if b.N != 2000 {
		t.Fatalf("%d rows, dead %+v", b.N, b.Dead)
	}
	for row := range b.N {
		if v := rowValues(b, row)[0]; v != num(2) {
			t.Fatalf("row %d: %+v", row, v)
		}
	}
	if n := len(d.root.kid([]byte("m")).keys.known); n > maxKnownKeys {
		t.Errorf("%d keys are remembered", n)
	}
}

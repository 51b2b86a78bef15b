package decode

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

// The reference reads records with encoding/json and says what the decoder
// should have made of them.

func refLookup(root any, path []string) (any, bool) {
	for _, name := range path {
		m, ok := root.(map[string]any)
		if !ok {
			return nil, false
		}
		if root, ok = m[name]; !ok {
			return nil, false
		}
	}
	return root, true
}

func refParse(record string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(record))
	dec.UseNumber()
	var root any
	err := dec.Decode(&root)
	return root, err
}

// refNumber is the value of a JSON number as design asks for it.
func refNumber(lit string) event.Value {
	f, err := strconv.ParseFloat(lit, 64)
	if err != nil {
		return event.Value{Kind: event.Invalid}
	}
	if a := math.Abs(f); a >= 1 && a < 1<<65 {
		r, ok := new(big.Rat).SetString(lit)
		if ok && r.IsInt() && (r.Num().IsInt64() || r.Num().IsUint64()) {
			if g, exact := new(big.Float).SetInt(r.Num()).Float64(); exact != big.Exact || g != f {
				return event.Value{Kind: event.Integer, Num: f, Str: r.Num().String()}
			}
		}
	}
	return num(f)
}

// refValue is the column's value for a value of encoding/json; the text of
// composites is not compared byte by byte, see sameAsReference.
func refValue(v any) event.Value {
	switch v := v.(type) {
	case nil:
		return event.Value{}
	case bool:
		return event.Bool(v)
	case json.Number:
		return refNumber(v.String())
	case string:
		return event.Text(v)
	default:
		return event.Value{Kind: event.Composite}
	}
}

func sameAsReference(got event.Value, ref any) error {
	want := refValue(ref)
	if want.Kind == event.Composite && got.Kind == want.Kind {
		inner, err := refParse(got.Str)
		if err != nil {
			return fmt.Errorf("text %q: %w", got.Str, err)
		}
		if a, b := fmt.Sprint(inner), fmt.Sprint(ref); a != b {
			return fmt.Errorf("text %q reads as %s, want %s", got.Str, a, b)
		}
		return nil
	}
	if !sameValue(got, want) {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}

// compare holds the decoder's batch of one record against encoding/json.
func compare(d *Decoder, b *event.Batch, record string) error {
	if b.N+len(b.Dead) != 1 {
		return fmt.Errorf("%d rows and %d dead letters of one record", b.N, len(b.Dead))
	}
	reason := ""
	if len(b.Dead) > 0 {
		reason = b.Dead[0].Reason
	}
	root, err := refParse(record)
	valid := json.Valid([]byte(record)) && utf8.ValidString(record)
	if rejected := reason == "json" || reason == "utf8"; rejected == valid {
		return fmt.Errorf("reason %q, but valid is %v (%v)", reason, valid, err)
	}
	if !valid {
		return nil
	}
	if _, isObject := root.(map[string]any); isObject == (reason == "not_object") {
		return fmt.Errorf("reason %q, but object is %v", reason, isObject)
	}
	if reason == "not_object" {
		return nil
	}
	overflow := false
	for _, f := range d.schema.Fields {
		v, _ := refLookup(root, f.Path)
		overflow = overflow || refValue(v).Kind == event.Invalid
	}
	if overflow != (reason == "number") {
		return fmt.Errorf("reason %q, but overflow is %v", reason, overflow)
	}
	if overflow {
		return nil
	}
	want, status := refTime(root, d.opt.TimePath)
	if status != reason {
		return fmt.Errorf("reason %q (%+v), want %q for the time", reason, b.Dead, status)
	}
	if status != "" {
		return nil
	}
	if b.Time[0] != want {
		return fmt.Errorf("time %d, want %d", b.Time[0], want)
	}
	for i, f := range d.schema.Fields {
		v, _ := refLookup(root, f.Path)
		if err := sameAsReference(b.Value(&b.Columns[i], 0), v); err != nil {
			return fmt.Errorf("%s: %w", pathText(f.Path), err)
		}
	}
	return nil
}

// refTime reads a time in unix_ns.
func refTime(root any, path []string) (t int64, reason string) {
	v, _ := refLookup(root, path)
	switch v := v.(type) {
	case nil:
		return 0, "no_time"
	case json.Number:
		return refUnix(v.String(), 0)
	case string:
		if !json.Valid([]byte(v)) || strings.Trim(v, " \t\r\n") != v || v == "" || !strings.ContainsAny(v[:1], "-0123456789") {
			return 0, "time"
		}
		return refUnix(v, 0)
	}
	return 0, "time"
}

// refUnix is floor(lit * 10^unit).
func refUnix(lit string, unit int) (int64, string) {
	f, _ := strconv.ParseFloat(lit, 64)
	if math.Abs(f) > 1e20 {
		return 0, "time"
	}
	if a := math.Abs(f); a < 1e-30 {
		if strings.ContainsAny(strings.FieldsFunc(lit, func(r rune) bool { return r|0x20 == 'e' })[0], "123456789") && lit[0] == '-' {
			return -1, ""
		}
		return 0, ""
	}
	r, _ := new(big.Rat).SetString(lit)
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(unit)), nil)))
	floor := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean, the denominator is positive
	if !floor.IsInt64() {
		return 0, "time"
	}
	return floor.Int64(), ""
}

var fuzzPaths = fields("a", "m", "m.a", "m.b.c", "t", "r.a", "r.m", "r.m.a", "é", "a-rather-long-name-of-a-field")

func fuzzDecoder(t testing.TB) *Decoder {
	opt := unixT
	opt.MaxDepth, opt.MaxRecordBytes = 10_000, 1<<24
	return mustNew(t, fuzzPaths, opt)
}

// seeds are where fuzzing begins.
var seeds = []string{
	`{}`, `[]`, `null`, `0`, `"x"`, `{"a":1}`, `{"t":1,"a":"x"}`, `{"a":{"a":1},"m":{"a":[1,2,{"a":null}],"b":{"c":true}}}`,
	`{"m":{"a":1},"m":{}}`, `{"m":{"b":{"c":1}},"m":{"b":5}}`, `{"a":1,"\u0061":2,"a":3}`, `{"\u006d":{"\u0061":"\ud83c\udf89\ud83c\n"}}`,
	`{"a":9007199254740993,"m":{"a":18446744073709551615,"b":{"c":-9223372036854775808}}}`,
	`{"a":18446744073709551616,"m":{"a":-9223372036854775809}}`, `{"a":1e3,"m":{"a":12.0,"b":{"c":9007199254740993.0}}}`,
	`{"a":9.007199254740993e15,"m":{"a":900719925474099300e-2}}`, `{"a":0.1,"m":{"a":1.7976931348623157e308}}`, `{"a":1e309}`, `{"a":-1e400,"a":1}`,
	`{"a":0.30000000000000004,"m":{"a":123456789012345678901234567890.5}}`, `{"a":2.2250738585072011e-308,"m":{"a":5e-324}}`,
	`{"a":-0,"m":{"a":-0.0e5}}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":-}`, `{"a":+1}`, `{"a":tru}`, `{"a":nul}`, `{"a":falsE}`,
	`{"a":"` + "\x01" + `"}`, `{"a":"` + "\xff" + `"}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"`, `{"a`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{"a":1 "b":2}`, `[1,]`, `[,]`,
	` { "a" : [ ] , "m" : { } , "t" : 5 } `, `{"é":"日本語の長い文字列","a-rather-long-name-of-a-field":12,"a-rather-long-name-of-a-fielD":13}`,
	`{"t":"17.5","a":"12345678\"1234567"}`, `{"t":-0.5}`, `{"t":1e18}`, `{"t":9223372036854775807}`, `{"t":-9223372036854775808}`, `{"t":9223372036854775808}`,
	`{"a":1} x`, `{"a":1}}`, strings.Repeat("[", 200) + strings.Repeat("]", 200), strings.Repeat(`{"m":`, 300) + "1" + strings.Repeat("}", 300),
}

func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	warm := fuzzDecoder(f)
	f.Fuzz(func(t *testing.T, s string) {
		for _, record := range []string{s, `{"t":1,"r":` + s + `}`, s + `,"t":7}`} {
			trimmed := strings.TrimPrefix(record, "\ufeff")
			if isBlank([]byte(trimmed)) {
				continue
			}
			for _, d := range []*Decoder{warm, fuzzDecoder(t)} {
				for _, after := range []string{"", `"}]},"a":1}                `, "\n0123456789012345"} {
					if err := compare(d, decodeSpan(d, record, after), trimmed); err != nil {
						t.Fatalf("%q, before %q: %v", record, after, err)
					}
				}
				if !strings.ContainsAny(record, "\n\r") {
					if err := compare(d, decodeLines(d, record+"\n\n \n                "), trimmed); err != nil {
						t.Fatalf("%q as a line: %v", record, err)
					}
				}
			}
		}
	})
}

// Seeds with some bytes changed, so that every test run does a little fuzzing.
func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	d := fuzzDecoder(t)
	const alphabet = "\"\"\\{}[],:.eE+-0123456789 \t\x00\x1f\x7f\x80\xc3\xa9\xffabcdefnrtu"
	for range 30_000 {
		s := []byte(seeds[r.IntN(len(seeds))])
		for range 1 + r.IntN(3) {
			at := r.IntN(len(s) + 1)
			c := alphabet[r.IntN(len(alphabet))]
			switch r.IntN(3) {
			case 0:
				s = slices.Insert(s, at, c)
			case 1:
				s = slices.Delete(s, min(at, max(len(s)-1, 0)), min(at+1, len(s)))
			default:
				copy(s[min(at, len(s)):], []byte{c})
			}
		}
		if isBlank(s) {
			continue
		}
		if err := compare(d, decodeSpan(d, string(s), "\n0123456789012345"), string(s)); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	}
}

// Streams whose keys come, go, repeat and change order: whatever the decoder
// has learnt from the records before must not change what it reads.
func TestStreams(t *testing.T) {
	names := []string{"a", "m", "b", "c", "t", "r", "x", "", "model", "latency_ms", "é", "a-rather-long-name-of-a-field", "a-rather-long-nameXof-a-field", `\u0061`, "quality_score_"}
	name := rapid.SampledFrom(names)
	space := rapid.SampledFrom([]string{"", "", "", " ", "  ", "\t"})
	scalar := rapid.SampledFrom([]string{`null`, `true`, `false`, `0`, `-1.5`, `12345678`, `123456789.12345678`, `9007199254740993`, `1e5`, `""`, `"x"`,
		`"a longer text, of 3 words"`, `"\n\u00e9"`, `"é"`, `[]`, `[1,"x",{"a":1}]`})
	var object func(t *rapid.T, depth int) string
	object = func(t *rapid.T, depth int) string {
		var s strings.Builder
		s.WriteString("{" + space.Draw(t, "blank"))
		n := rapid.IntRange(0, 6).Draw(t, "members")
		for i := range n {
			if i > 0 {
				s.WriteString("," + space.Draw(t, "blank"))
			}
			s.WriteString(`"` + name.Draw(t, "name") + `"` + space.Draw(t, "blank") + ":" + space.Draw(t, "blank"))
			if depth < 3 && rapid.IntRange(0, 2).Draw(t, "nested") == 0 {
				s.WriteString(object(t, depth+1))
			} else {
				s.WriteString(scalar.Draw(t, "scalar"))
			}
			s.WriteString(space.Draw(t, "blank"))
		}
		return s.String() + "}"
	}
	rapid.Check(t, func(rt *rapid.T) {
		d := fuzzDecoder(t)
		for range rapid.IntRange(1, 20).Draw(rt, "records") {
			record := object(rt, 0)
			if rapid.Bool().Draw(rt, "time") {
				record = `{"t":17` + strings.Replace(","+record[1:], ",}", "}", 1)
			}
			if err := compare(d, decodeLines(d, record+"\n"), record); err != nil {
				rt.Fatalf("%s: %v", record, err)
			}
		}
	})
}

package result

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/event"
)

var drawKeyField = rapid.Custom(func(t *rapid.T) event.Value {
	return rapid.OneOf(
		rapid.Just(event.Value{}), rapid.Map(rapid.Bool(), event.Bool), rapid.Map(rapid.Float64(), event.Float),
		rapid.Map(rapid.Int64(), event.Int), rapid.Map(rapid.String(), event.Text),
	).Draw(t, "field")
})

var drawValue = rapid.Custom(func(t *rapid.T) event.Value {
	return rapid.OneOf(
		drawKeyField, rapid.Just(event.JSONValue(`[{"value":"x","count":2}]`)), rapid.Just(event.Value{Kind: event.Invalid}),
		rapid.Map(rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 1 << 63, 1 << 64, -1}),
			func(f float64) event.Value { return event.Value{Kind: event.Number, Num: f} }),
		rapid.Map(rapid.Uint64Min(1<<53), func(u uint64) event.Value {
			return event.Value{Kind: event.Integer, Num: float64(u), Str: string(event.AppendFloat(nil, float64(u>>11)))}
		}),
	).Draw(t, "value")
})

var drawRow = rapid.Custom(func(t *rapid.T) Result {
	names := rapid.SliceOfNDistinct(rapid.String(), 0, 5, rapid.ID)
	q := &Query{Name: rapid.String().Draw(t, "name"), Keys: names.Draw(t, "keys"), Values: names.Draw(t, "names")}
	q.Keys = slices.DeleteFunc(q.Keys, func(k string) bool { return k == "query" })
	if rapid.Bool().Draw(t, "functions") {
		function := rapid.SampledFrom([]string{"count", "sum", "avg", "min", "max", "percentile", "distinct", "last"})
		for range q.Values {
			q.Functions = append(q.Functions, Function{
				function.Draw(t, "function"), rapid.SampledFrom([]string{"x", "y"}).Draw(t, "input"), rapid.SampledFrom([]float64{0, 50, 99.9, 100}).Draw(t, "p"),
			})
		}
	}
	fields := make([]event.Value, len(q.Keys))
	for i := range fields {
		fields[i] = drawKeyField.Draw(t, "key")
	}
	values := make([]event.Value, len(q.Values))
	for i := range values {
		values[i] = drawValue.Draw(t, "value")
	}
	r := row(q, values, fields...)
	r.Start, r.End = rapid.Int64().Draw(t, "start"), rapid.Int64().Draw(t, "end")
	r.Watermark, r.EmittedAt = rapid.Int64().Draw(t, "watermark"), rapid.Int64().Draw(t, "emitted")
	r.Events, r.Timing = rapid.Int64().Draw(t, "events"), Timing(rapid.IntRange(0, 3).Draw(t, "timing"))
	if r.Timing == Retract {
		r.Values = nil
	}
	return r
})

// Whatever is in a row, each record is a line of valid JSON that the reader's
// types accept, and no number is lost.
func TestEncodingsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRow.Draw(t, "row")
		numbers := 0
		for _, v := range r.Values {
			if v.Kind == event.Integer || v.Kind == event.Number && !math.IsNaN(v.Num) && !math.IsInf(v.Num, 0) {
				numbers++
			}
		}
		for _, e := range allEncodings {
			text, records := encode(e, rapid.Bool().Draw(t, "meta"), []Result{r})
			end := 0
			for _, c := range records {
				record := text[c.From:c.To]
				if c.From != end || text[c.To] != '\n' || !json.Valid(record) || bytes.ContainsRune(record, '\n') {
					t.Fatalf("%s: record %+v of %s", e, c, text)
				}
				end = c.To + 1
				v, err := parse(e, record)
				if err != nil {
					t.Fatalf("%s: %v in %s", e, err, record)
				}
				if w, ok := v.(rustWindowResult); ok && len(w.Results.Counts)+len(w.Results.Values) != numbers {
					t.Fatalf("%d numbers in %s, want %d", len(w.Results.Counts)+len(w.Results.Values), record, numbers)
				}
			}
			if end != len(text) || e >= MetricPoint && len(records) != numbers || e < MetricPoint && len(records) != 1 {
				t.Fatalf("%s: %d records for %d numbers in %s", e, len(records), numbers, text)
			}
		}
	})
}

// A row that is made anew, as one is that is delivered again, has the same
// bytes, whatever the encoder wrote before.
func TestEncodingsReadTheRowAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, before := drawRow.Draw(t, "row"), drawRow.Draw(t, "before")
		for _, e := range allEncodings {
			fresh, used := Encoder{Encoding: e}, Encoder{Encoding: e}
			want, _ := fresh.Append(nil, nil, &r)
			used.Append(nil, nil, &before)
			q := *r.Query
			again := r
			again.Query = &q
			if got, _ := used.Append(nil, nil, &again); !bytes.Equal(got, want) {
				t.Fatalf("%s: %s is %s the second time", e, want, got)
			}
		}
	})
}

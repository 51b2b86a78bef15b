package decode

import (
	"math"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// attributed is a chunk of records with two attributes: a text, and a time that
// is a number or a text.
func attributed(records []string, keys []string, times []any) *source.Chunk {
	c := &source.Chunk{Attributes: make([]event.Column, 2)}
	for i, r := range records {
		c.Spans = append(c.Spans, event.Ref{Off: uint32(len(c.Data)), Len: uint32(len(r))})
		c.Offsets = append(c.Offsets, int64(100+i))
		c.Data = append(append(c.Data, r...), '\n')
	}
	put := func(a *event.Column, v any) {
		kind, num, ref := event.Null, 0.0, event.Ref{}
		switch v := v.(type) {
		case string:
			if v != "" {
				kind, ref = event.String, event.Ref{Off: uint32(len(c.Data)), Len: uint32(len(v))}
				c.Data = append(c.Data, v...)
			}
		case float64:
			kind, num = event.Number, v
		}
		a.Kind, a.Num, a.Str = append(a.Kind, kind), append(a.Num, num), append(a.Str, ref)
	}
	for i := range records {
		put(&c.Attributes[0], keys[i])
		put(&c.Attributes[1], times[i])
	}
	c.Next = int64(100 + len(records))
	return c
}

func TestAttributes(t *testing.T) {
	s := &event.Schema{Fields: []event.Field{
		{Path: []string{"$key"}, Text: true, Attribute: true}, {Path: []string{"a"}, Numeric: true},
	}}
	for _, format := range []string{"json", "auto", "cloudevents"} {
		d := mustNew(t, s, Options{Format: format, TimePath: []string{"t"}, TimeFormat: "unix_ns"})
		c := attributed([]string{`{"t":1,"a":1,"$key":"no"}`, `{`, "", `{"t":2,"a":2}`}, []string{"k1", "k2", "k3", ""}, []any{1.0, 1.0, 1.0, 1.0})
		b := decodeChunk(d, c)
		if b.N != 2 || len(b.Dead) != 1 || b.Dead[0].Offset != 101 {
			t.Fatalf("%s: %d rows, dead %+v", format, b.N, b.Dead)
		}
		if got := rowValues(b, 0); got[0].Str != "k1" || got[1].Num != 1 {
			t.Errorf("%s: the first row is %+v", format, got)
		}
		if got := rowValues(b, 1); got[0].Kind != event.Null || got[1].Num != 2 {
			t.Errorf("%s: the second row is %+v", format, got)
		}
	}
}

func TestTimeAttribute(t *testing.T) {
	s := &event.Schema{}
	tests := []struct {
		format string
		value  any
		want   int64
		reason string
		text   string
	}{
		{"unix_ms", 1767225600123.0, 1767225600123e6, "", ""},
		{"unix_ms", "1767225600123", 1767225600123e6, "", ""},
		{"unix_s", 0.5, 5e8, "", ""},
		{"unix_ms", -1.0, -1e6, "", ""},
		{"rfc3339", "2026-01-01T00:00:00.5+00:00", 17672256005e8, "", ""},
		{"rfc3339", 5.0, 0, "time", "$t is 5, which"},
		{"rfc3339", `x\`, 0, "time", `$t is x\, which`},
		{"unix_ms", `1\`, 0, "time", `$t is 1\, which`},
		{"unix_ms", "", 0, "no_time", "$t is missing"},
		{"unix_ms", 1e18, 0, "time", "beyond what int64"},
		{"unix_ms", math.MaxFloat64, 0, "time", "beyond what int64"},
	}
	for _, tt := range tests {
		d := mustNew(t, s, Options{Format: "json", TimePath: []string{"$t"}, TimeAttribute: 2, TimeFormat: tt.format})
		b := decodeChunk(d, attributed([]string{`{"$t":7}`}, []string{""}, []any{tt.value}))
		if tt.reason == "" {
			if b.N != 1 || b.Time[0] != tt.want {
				t.Errorf("%s %v: %v rows, time %v, want %d; dead %+v", tt.format, tt.value, b.N, b.Time, tt.want, b.Dead)
			}
			continue
		}
		if b.N != 0 || len(b.Dead) != 1 || b.Dead[0].Reason != tt.reason || !strings.Contains(b.Dead[0].Err, tt.text) {
			t.Errorf("%s %v: %d rows, dead %+v, want %s and %q", tt.format, tt.value, b.N, b.Dead, tt.reason, tt.text)
		}
	}
}

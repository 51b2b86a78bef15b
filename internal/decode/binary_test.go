package decode

import (
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

// enveloped is a chunk of payloads with an envelope each, "" for none.
func enveloped(pairs ...[2]string) *source.Chunk {
	c := &source.Chunk{}
	put := func(text string) event.Ref {
		ref := event.Ref{Off: uint32(len(c.Data)), Len: uint32(len(text))}
		c.Data = append(append(c.Data, text...), '\n')
		return ref
	}
	for i, p := range pairs {
		c.Spans, c.Offsets = append(c.Spans, put(p[1])), append(c.Offsets, int64(i))
		if p[0] == "" {
			c.Envelopes = append(c.Envelopes, event.Ref{})
		} else {
			c.Envelopes = append(c.Envelopes, put(p[0]))
		}
	}
	c.Next = int64(len(pairs))
	return c
}

// In binary mode an event is what it would be in structured mode.
func TestBinaryIsAsStructured(t *testing.T) {
	const head = `"specversion":"1.0","id":"e1","time":"2026-09-24T12:00:03Z"`
	paths := []string{"type", "id", "model", "m.a", "data", "data.type", "data.m.a", "timestamp"}
	for _, tt := range []struct{ name, more, payload string }{
		{"object", `,"type":"T"`, `{"type":"P","model":"x","m":{"a":1}}`},
		{"blanks around", ``, " {\"type\":\"P\"}\t"},
		{"escapes", `,"type":"\u0054\""`, `{"model":"\u0078\n","m":{"a":9007199254740993}}`},
		{"null attribute", `,"type":null`, `{"type":"P"}`},
		{"extension hides a member", `,"m":"ext"`, `{"m":{"a":1}}`},
		{"time in the payload", ``, `{"timestamp":"2026-09-24T12:00:04Z"}`},
		{"time as an extension", `,"timestamp":"2026-09-24T12:00:05Z"`, `{"timestamp":"x"}`},
		{"text", ``, `"x"`},
		{"number", ``, `12`},
		{"array", ``, `[{"type":"P"}]`},
		{"null", ``, `null`},
	} {
		for _, opt := range []Options{
			{Format: "auto", TimePath: []string{"timestamp"}, TimeFormat: "rfc3339"},
			{Format: "auto", TimePath: []string{"time"}, TimeFormat: "rfc3339"},
			{Format: "cloudevents", TimePath: []string{"time"}, TimeFormat: "rfc3339"},
		} {
			d := mustNew(t, fields(paths...), opt)
			structured := decodeLines(d, "{"+head+tt.more+`,"data":`+tt.payload+"}")
			b := decodeChunk(d, enveloped(
				[2]string{"{" + head + tt.more + "}", tt.payload},
				[2]string{"", "{" + head + tt.more + `,"data":` + tt.payload + "}"},
				[2]string{"{" + head + tt.more + "}", tt.payload}))
			if structured.N != 1 || b.N != 3 {
				t.Fatalf("%s, %s: %d rows, structured %d; dead %+v", tt.name, opt.Format, b.N, structured.N, b.Dead)
			}
			want := rowValues(structured, 0)
			for row := range 3 {
				if b.Time[row] != structured.Time[0] {
					t.Errorf("%s, %s, row %d: time %d, want %d", tt.name, opt.Format, row, b.Time[row], structured.Time[0])
				}
				for i, got := range rowValues(b, row) {
					if !sameValue(got, want[i]) {
						t.Errorf("%s, %s, row %d: %s = %+v, want %+v", tt.name, opt.Format, row, paths[i], got, want[i])
					}
				}
			}
			if raw := string(b.Bytes(b.Raw[0])); raw != tt.payload {
				t.Errorf("%s: raw is %q", tt.name, raw)
			}
		}
	}
}

func TestBinaryWithoutPayload(t *testing.T) {
	const envelope = `{"specversion":"1.0","type":"T","time":"2026-09-24T12:00:03Z"}`
	d := mustNew(t, fields("type", "data"), Options{Format: "auto", TimePath: []string{"timestamp"}, TimeFormat: "rfc3339"})
	b := decodeChunk(d, enveloped([2]string{envelope, ""}, [2]string{"", ""}, [2]string{envelope, " \r\n"}))
	if b.N != 2 || len(b.Dead) != 0 {
		t.Fatalf("%d rows, dead %+v", b.N, b.Dead)
	}
	for row := range 2 {
		if v := rowValues(b, row); v[0] != event.Text("T") || v[1].Kind != event.Null {
			t.Errorf("row %d is %+v", row, v)
		}
		if raw := string(b.Bytes(b.Raw[row])); raw != envelope {
			t.Errorf("row %d is shown as %q", row, raw)
		}
	}
}

func TestBinaryDead(t *testing.T) {
	const envelope = `{"specversion":"1.0","time":5}`
	for _, tt := range []struct{ name, envelope, payload, reason, text string }{
		{"no JSON", envelope, "\x00\x01avro", "json", `invalid character '\x00' at byte 0`},
		{"cut", envelope, `{"model":1`, "json", "the record ends at byte 10"},
		{"more behind", envelope, `{} x`, "json", "at byte 3, nothing should follow"},
		{"UTF-8", envelope, "\"\xff\"", "utf8", "byte 0xff"},
		{"overflow", envelope, `{"model":1e999}`, "number", "model is a number beyond"},
		{"no time", `{"specversion":"1.0"}`, `{}`, "no_time", "time is missing"},
		{"bad time", `{"specversion":"1.0","time":"x"}`, `{}`, "time", "time is"},
		{"too large", envelope, `"` + strings.Repeat("x", 100) + `"`, "too_large", "longer than the 100 bytes"},
		{"bad envelope", `{"specversion"}`, `{}`, "json", "in the envelope: invalid character"},
	} {
		d := mustNew(t, fields("model"), Options{Format: "cloudevents", TimePath: []string{"time"}, TimeFormat: "unix_ns", MaxRecordBytes: 100})
		b := decodeChunk(d, enveloped([2]string{tt.envelope, tt.payload}, [2]string{envelope, "{}"}))
		if b.N != 1 || len(b.Dead) != 1 || b.Dead[0].Reason != tt.reason || !strings.Contains(b.Dead[0].Err, tt.text) {
			t.Errorf("%s: %d rows, dead %+v", tt.name, b.N, b.Dead)
			continue
		}
		if raw := string(b.Bytes(b.Dead[0].Raw)); raw != tt.payload {
			t.Errorf("%s: the dead letter holds %q", tt.name, raw)
		}
	}
}

// Envelopes mean nothing to the format json, nor after a chunk that had some.
func TestEnvelopesThatDoNotCount(t *testing.T) {
	c := enveloped([2]string{`{"specversion":"1.0","t":1}`, `{"t":5}`})
	if b := decodeChunk(mustNew(t, fields(), unixT), c); b.N != 1 || b.Time[0] != 5 {
		t.Errorf("json: %d rows at %v", b.N, b.Time)
	}
	d := mustNew(t, fields(), Options{Format: "auto", TimePath: []string{"t"}, TimeFormat: "unix_ns"})
	if b := decodeChunk(d, c); b.N != 1 || b.Time[0] != 1 {
		t.Errorf("auto: %d rows at %v", b.N, b.Time)
	}
	if b := decodeLines(d, `{"t":7}`); b.N != 1 || b.Time[0] != 7 {
		t.Errorf("lines: %d rows at %v, dead %+v", b.N, b.Time, b.Dead)
	}
}

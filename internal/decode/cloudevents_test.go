package decode

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestCloudEvents(t *testing.T) {
	null, text := event.Value{}, event.Text
	paths := []string{"type", "model", "m.a", "data", "data.type", "data.m.a"}
	tests := []struct {
		name, record string
		want         []event.Value
	}{
		{"payload", `{"specversion":"1.0","type":"T","time":5,"data":{"model":"x","m":{"a":1}}}`,
			[]event.Value{text("T"), text("x"), num(1), event.JSONValue(`{"model":"x","m":{"a":1}}`), null, num(1)}},
		{"attribute before payload", `{"specversion":"1.0","type":"T","time":5,"data":{"type":"P","model":"x"}}`,
			[]event.Value{text("T"), text("x"), null, event.JSONValue(`{"type":"P","model":"x"}`), text("P"), null}},
		{"attribute after payload", `{"data":{"type":"P","model":"x"},"time":5,"type":"T","specversion":"1.0"}`,
			[]event.Value{text("T"), text("x"), null, event.JSONValue(`{"type":"P","model":"x"}`), text("P"), null}},
		{"null attribute", `{"data":{"type":"P"},"time":5,"type":null,"specversion":"1.0"}`,
			[]event.Value{text("P"), null, null, event.JSONValue(`{"type":"P"}`), text("P"), null}},
		{"duplicate attribute", `{"data":{"type":"P"},"time":5,"type":"T","type":null,"specversion":"1.0"}`,
			[]event.Value{text("P"), null, null, event.JSONValue(`{"type":"P"}`), text("P"), null}},
		{"extension hides a member", `{"specversion":"1.0","time":5,"m":"ext","data":{"m":{"a":1}}}`,
			[]event.Value{null, null, null, event.JSONValue(`{"m":{"a":1}}`), null, num(1)}},
		{"hidden duplicate", `{"specversion":"1.0","time":5,"type":"T","data":{"type":1,"type":2}}`,
			[]event.Value{text("T"), null, null, event.JSONValue(`{"type":1,"type":2}`), num(2), null}},
		{"hidden word", `{"specversion":"1.0","time":5,"type":"T","data":{"type":true}}`,
			[]event.Value{text("T"), null, null, event.JSONValue(`{"type":true}`), event.Bool(true), null}},
		{"hidden array", `{"specversion":"1.0","time":5,"type":"T","data":{"type":[1]}}`,
			[]event.Value{text("T"), null, null, event.JSONValue(`{"type":[1]}`), event.JSONValue(`[1]`), null}},
		{"duplicate in the payload", `{"specversion":"1.0","time":5,"data":{"m":{"a":1},"m":{}}}`,
			[]event.Value{null, null, null, event.JSONValue(`{"m":{"a":1},"m":{}}`), null, null}},
		{"duplicate payload", `{"specversion":"1.0","time":5,"data":{"model":1},"data":{"type":"\u0041"}}`,
			[]event.Value{text("A"), null, null, event.JSONValue(`{"type":"\u0041"}`), text("A"), null}},
		{"no payload", `{"specversion":"1.0","time":5,"model":"x"}`, []event.Value{null, text("x"), null, null, null, null}},
		{"null payload", `{"specversion":"1.0","time":5,"data":{"model":1},"data":null}`, []event.Value{null, null, null, null, null, null}},
		{"scalar payload", `{"specversion":"1.0","time":5,"data":"x"}`, []event.Value{null, null, null, text("x"), null, null}},
		{"base64", `{"specversion":"1.0","type":"T","time":5,"data_base64":"` + b64(` {"type":"P","model":"\u0078yz","m":{"a":7}} `) + `"}`,
			[]event.Value{text("T"), text("xyz"), num(7), event.JSONValue(`{"type":"P","model":"\u0078yz","m":{"a":7}}`), text("P"), num(7)}},
		{"base64 with escapes", `{"specversion":"1.0","time":5,"data_base64":"` + strings.ReplaceAll(b64(`{"model":"???>>>"}`), "/", `\/`) + `"}`,
			[]event.Value{null, text("???>>>"), null, event.JSONValue(`{"model":"???>>>"}`), null, null}},
		{"base64 scalar", `{"specversion":"1.0","time":5,"data_base64":"` + b64(`12`) + `"}`, []event.Value{null, null, null, num(12), null, null}},
		{"empty base64", `{"specversion":"1.0","time":5,"data_base64":""}`, []event.Value{null, null, null, null, null, null}},
		{"data before base64", `{"specversion":"1.0","time":5,"data_base64":"` + b64(`{"model":1}`) + `","data":{"model":2}}`,
			[]event.Value{null, num(2), null, event.JSONValue(`{"model":2}`), null, null}},
		{"big integer", `{"specversion":"1.0","time":5,"data_base64":"` + b64(`{"model":9007199254740993}`) + `"}`,
			[]event.Value{null, integer("9007199254740993", 1<<53), null, event.JSONValue(`{"model":9007199254740993}`), null, null}},
	}
	for _, format := range []string{"cloudevents", "auto"} {
		d := mustNew(t, fields(paths...), Options{Format: format, TimePath: []string{"time"}, TimeFormat: "unix_ns"})
		for _, tt := range tests {
			t.Run(format+"/"+tt.name, func(t *testing.T) {
				b := decodeLines(d, tt.record+"\n"+tt.record)
				if b.N != 2 {
					t.Fatalf("%d rows, dead %+v", b.N, b.Dead)
				}
				for row := range 2 {
					for i, got := range rowValues(b, row) {
						if !sameValue(got, tt.want[i]) {
							t.Errorf("%s = %+v, want %+v", paths[i], got, tt.want[i])
						}
					}
				}
			})
		}
	}
}

func TestCloudEventsDead(t *testing.T) {
	tests := []struct{ name, record, reason, text string }{
		{"base64 text", `{"specversion":"1.0","time":5,"data_base64":"***"}`, "json", "in data_base64: illegal base64"},
		{"base64 number", `{"specversion":"1.0","time":5,"data_base64":5}`, "json", "in data_base64: a string should be there"},
		{"not JSON inside", `{"specversion":"1.0","time":5,"data_base64":"` + b64(`{"model":}`) + `"}`, "json", "in data_base64: invalid character '}' at byte 9, a value"},
		{"cut inside", `{"specversion":"1.0","time":5,"data_base64":"` + b64(`{"model":1`) + `"}`, "json", "in data_base64: the record ends at byte 10"},
		{"garbage inside", `{"specversion":"1.0","time":5,"data_base64":"` + b64(`{} x`) + `"}`, "json", "in data_base64: invalid character 'x' at byte 3, nothing"},
		{"UTF-8 inside", `{"specversion":"1.0","time":5,"data_base64":"` + b64("\"\xff\"") + `"}`, "utf8", "in data_base64: byte 0xff"},
		{"overflow inside", `{"specversion":"1.0","time":5,"data":{"model":1e999}}`, "number", "model is a number beyond"},
		{"no time", `{"specversion":"1.0","data":{}}`, "no_time", "time is missing"},
	}
	d := mustNew(t, fields("model"), Options{Format: "cloudevents", TimePath: []string{"time"}, TimeFormat: "unix_ns"})
	for _, tt := range tests {
		b := decodeLines(d, tt.record+"\n"+`{"time":1}`)
		if b.N != 1 || len(b.Dead) != 1 || b.Dead[0].Reason != tt.reason || !strings.Contains(b.Dead[0].Err, tt.text) {
			t.Errorf("%s: %d rows, dead %+v", tt.name, b.N, b.Dead)
		}
		if len(b.Extra) != 0 {
			t.Errorf("%s: extra %q", tt.name, b.Extra)
		}
	}
}

func TestCloudEventTime(t *testing.T) {
	const at, want = `"2026-09-24T12:00:03Z"`, 1790251203000000000
	tests := []struct {
		name, format, path, record string
		time                       int64
		reason, text               string
	}{
		{"attribute", "cloudevents", "time", `{"specversion":"1.0","time":` + at + `,"data":{"time":"x"}}`, want, "", ""},
		{"in the payload", "cloudevents", "timestamp", `{"specversion":"1.0","data":{"timestamp":` + at + `}}`, want, "", ""},
		{"in the payload by its path", "cloudevents", "data.timestamp", `{"specversion":"1.0","data":{"timestamp":` + at + `}}`, want, "", ""},
		{"in base64", "cloudevents", "timestamp", `{"specversion":"1.0","data_base64":"` + b64(`{"timestamp":`+at+`}`) + `"}`, want, "", ""},
		{"bad in base64", "cloudevents", "timestamp", `{"specversion":"1.0","data_base64":"` + b64(`{"timestamp":"yesterday"}`) + `"}`, 0, "time", `timestamp is "yesterday"`},
		{"envelope first", "cloudevents", "timestamp", `{"specversion":"1.0","data":{"timestamp":"x"},"timestamp":` + at + `}`, want, "", ""},
		{"duplicate in the payload", "cloudevents", "timestamp", `{"specversion":"1.0","data":{"timestamp":"x","timestamp":` + at + `}}`, want, "", ""},
		{"hidden duplicate", "cloudevents", "timestamp", `{"specversion":"1.0","timestamp":` + at + `,"data":{"timestamp":"x","timestamp":"y"}}`, want, "", ""},
		{"no fallback", "cloudevents", "timestamp", `{"specversion":"1.0","time":` + at + `}`, 0, "no_time", "timestamp is missing"},
		{"auto plain", "auto", "timestamp", `{"type":"user_feedback","timestamp":` + at + `}`, want, "", ""},
		{"auto plain with data", "auto", "timestamp", `{"source":"user","event_type":"feedback","timestamp":` + at + `,"data":{"timestamp":"x"}}`, want, "", ""},
		{"auto plain, payload does not count", "auto", "timestamp", `{"source":"user","data":{"timestamp":` + at + `}}`, 0, "no_time", "timestamp is missing"},
		{"auto plain, no fallback", "auto", "timestamp", `{"source":"user","time":` + at + `}`, 0, "no_time", "timestamp is missing"},
		{"auto cloud event", "auto", "timestamp", `{"specversion":"1.0","time":` + at + `}`, want, "", ""},
		{"auto cloud event, payload first", "auto", "timestamp", `{"specversion":"1.0","time":"x","data":{"timestamp":` + at + `}}`, want, "", ""},
		{"auto cloud event, bad time", "auto", "timestamp", `{"specversion":"1.0","time":"x"}`, 0, "time", `time is "x", which is no time in the format rfc3339`},
		{"auto cloud event, bad time beside base64", "auto", "timestamp", `{"specversion":"1.0","data_base64":"` + b64(`{"x":1}`) + `","time":"x"}`, 0, "time", `time is "x", which`},
		{"auto cloud event, odd time", "auto", "timestamp", `{"specversion":"1.0","time":12}`, 0, "time", `time is 12, which`},
		{"auto cloud event, null time", "auto", "timestamp", `{"specversion":"1.0","time":null}`, 0, "no_time", `timestamp is missing`},
		{"auto null specversion", "auto", "timestamp", `{"specversion":null,"time":` + at + `}`, 0, "no_time", `timestamp is missing`},
		{"auto by time", "auto", "time", `{"specversion":"1.0","time":` + at + `}`, want, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := mustNew(t, fields("timestamp", "data.x"), Options{Format: tt.format, TimePath: strings.Split(tt.path, "."), TimeFormat: "rfc3339"})
			b := decodeLines(d, tt.record)
			if tt.reason == "" {
				if b.N != 1 || b.Time[0] != tt.time {
					t.Errorf("times %v, dead %+v", b.Time, b.Dead)
				}
				return
			}
			if len(b.Dead) != 1 || b.Dead[0].Reason != tt.reason || !strings.Contains(b.Dead[0].Err, tt.text) {
				t.Errorf("times %v, dead %+v", b.Time, b.Dead)
			}
		})
	}
}

// The format auto reads records without specversion as plain JSON.
func TestAutoPlain(t *testing.T) {
	d := mustNew(t, fields("model", "data.model", "data"), Options{Format: "auto", TimePath: []string{"timestamp"}, TimeFormat: "unix_ns"})
	b := decodeLines(d, `{"source":"observatory","event_type":"metric","timestamp":1,"data":{"model":"x"},"data_base64":"not base64"}`)
	if b.N != 1 {
		t.Fatalf("dead %+v", b.Dead)
	}
	if v := rowValues(b, 0); v[0].Kind != event.Null || v[1] != event.Text("x") || v[2] != event.JSONValue(`{"model":"x"}`) {
		t.Errorf("%+v", v)
	}
}

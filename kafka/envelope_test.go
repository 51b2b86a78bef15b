package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/source"
)

func headerList(pairs ...string) []kgo.RecordHeader {
	var hs []kgo.RecordHeader
	for p := range slices.Chunk(pairs, 2) {
		hs = append(hs, kgo.RecordHeader{Key: p[0], Value: []byte(p[1])})
	}
	return hs
}

// TestEnvelopes: the headers of CloudEvents in binary mode lie beside their
// records, and nothing lies beside others.
func TestEnvelopes(t *testing.T) {
	checkEnvelopes(t, fakeKafka(t, "events", 1).ListenAddrs(), "events")
}

func checkEnvelopes(t *testing.T, brokers []string, topic string) {
	cl := clientOf(t, brokers)
	records := []struct {
		value    []byte
		headers  []kgo.RecordHeader
		envelope string
	}{
		{[]byte("{}"), nil, ""},
		{[]byte(`{"a":1}`), headerList("event_type", "x", "ce_specversion", "1.0", "ce_type", "T", "ce_id", `a"\`+"\n\xff", "content-type", "application/json; charset=utf-8"),
			`{"specversion":"1.0","type":"T","id":"a\"\\\n` + "\uFFFD" + `","datacontenttype":"application/json; charset=utf-8"}`},
		{[]byte("{}"), headerList("ce_type", "T"), ""},
		{[]byte("{}"), headerList("ce_specversion", "1.0", "content-type", "Application/CloudEvents+json; charset=utf-8"), ""},
		{nil, headerList("ce_type", "first", "ce_type", "second", "ce_data", "x", "ce_data_base64", "x", "ce_specversion", "1.0"), `{"type":"first","specversion":"1.0"}`},
		{[]byte("{}"), append(headerList("ce_specversion", "1.0"), kgo.RecordHeader{Key: "ce_subject"}), `{"specversion":"1.0","subject":null}`},
		{[]byte("{}"), headerList("content-type", "application/json"), ""},
	}
	for _, r := range records {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: r.value, Headers: r.headers}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, asked := range []bool{true, false} {
		s := &Source{Cluster: Cluster{Brokers: brokers}, Topics: []string{topic}, Stop: "latest"}
		if asked {
			s.Envelopes()
		}
		n := 0
		chunk := source.Chunk{}
		p := openAt(t, s, 0)
		for {
			chunk.Reset()
			err := p.Read(t.Context(), &chunk)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(chunk.Envelopes) > 0 && (!asked || len(chunk.Envelopes) != len(chunk.Spans)) {
				t.Fatalf("asked %v: %d envelopes beside %d records", asked, len(chunk.Envelopes), len(chunk.Spans))
			}
			for i, span := range chunk.Spans {
				envelope := ""
				if len(chunk.Envelopes) > 0 {
					ref := chunk.Envelopes[i]
					envelope = string(chunk.Data[ref.Off : ref.Off+ref.Len])
				}
				want := records[n].envelope
				if !asked {
					want = ""
				}
				if envelope != want {
					t.Errorf("asked %v: record %d has the envelope %s, want %s", asked, n, envelope, want)
				}
				if value := string(chunk.Data[span.Off : span.Off+span.Len]); value != string(records[n].value) {
					t.Errorf("record %d is %q", n, value)
				}
				n++
			}
		}
		if n != len(records) {
			t.Errorf("asked %v: %d records", asked, n)
		}
	}
}

// Whoever may write to a topic must not hold up its readers: each header costs
// the same, however many there are.
func TestVeryManyHeaders(t *testing.T) {
	const n = 200_000
	headers := headerList(envelopeMark, "1.0")
	for i := range 2 * n {
		headers = append(headers, headerList(fmt.Sprint("ce_a", i%n), fmt.Sprint(i))...)
	}
	c := &source.Chunk{Spans: make([]event.Ref, 1)}
	began := time.Now()
	putEnvelope(c, headers)
	if took := time.Since(began); took > patient/6 {
		t.Errorf("it took %v", took)
	}
	var members map[string]string
	ref := c.Envelopes[0]
	if err := json.Unmarshal(c.Data[ref.Off:ref.Off+ref.Len], &members); err != nil {
		t.Fatal(err)
	}
	if len(members) != n+1 || members["a0"] != "0" || members["a199999"] != "199999" {
		t.Errorf("there are %d members, a0 is %q and the last %q", len(members), members["a0"], members["a199999"])
	}
}

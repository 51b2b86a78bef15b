package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/result"
)

func TestResultsByKey(t *testing.T) {
	s := start(t, busy(), nil)
	batch := []result.Result{rowOf(keyA, 1), rowOf(keyB, 2), rowOf(keyA, 3)}
	want := [][]byte{}
	for i := range batch {
		want = append(want, batch[i].AppendJSON(nil, true))
	}
	s.cfg.Recent.Results(batch, 4)
	clear(batch) // it may keep no part of it
	for _, c := range []struct {
		parameters string
		want       []int
	}{
		{"", []int{0, 1, 2}},
		{"?limit=2", []int{1, 2}},
		{"?key=" + url.QueryEscape(`{ "tenant": "T1", "model":"\u0061" }`), []int{0, 2}},
		{"?limit=1&key=" + url.QueryEscape(keyA), []int{2}},
		{"?contains=" + url.QueryEscape(`"B"`), []int{1}},
		{"?contains=t1", []int{0, 1, 2}},
		{"?contains=none", nil},
	} {
		status, body := s.get("/api/v1/queries/q/results" + c.parameters)
		var rows []string
		for _, i := range c.want {
			rows = append(rows, string(want[i]))
		}
		if text := `{"results":[` + strings.Join(rows, ",") + `],"dropped":4}` + "\n"; status != 200 || body != text {
			t.Errorf("%q answers %d with\n%swant\n%s", c.parameters, status, body, text)
		}
	}
	if _, body := s.get("/api/v1/queries/all/results"); body != `{"results":[],"dropped":4}`+"\n" {
		t.Errorf("of a query without rows it answers %s", body)
	}
}

func TestKeys(t *testing.T) {
	s := start(t, busy(), nil)
	s.cfg.Recent.Results([]result.Result{rowOf(keyA, 1), rowOf(keyA, 2), rowOf(keyB, 3)}, 0)
	a := `{"key":` + keyA + `,"rows":2,"last":"2026-01-01T12:00:00.000000002Z"}`
	b := `{"key":` + keyB + `,"rows":1,"last":"2026-01-01T12:00:00.000000003Z"}`
	for parameters, want := range map[string]string{
		"":                           `{"keys":[` + b + "," + a + `],"total":2}`,
		"?limit=1":                   `{"keys":[` + b + `],"total":2}`,
		"?contains=%22model%22:%22A": `{"keys":[` + a + `],"total":1}`,
		"?contains=z":                `{"keys":[],"total":0}`,
	} {
		if status, body := s.get("/api/v1/queries/q/keys" + parameters); status != 200 || strings.TrimSpace(body) != want {
			t.Errorf("%q answers %d with\n%swant\n%s", parameters, status, body, want)
		}
	}
}

func TestWindowsAreAskedForByKey(t *testing.T) {
	s := start(t, busy(), nil)
	for _, key := range []string{"", `{"tenant":null,"model":"é\n"}`, `{"model": 1.5, "tenant": {"a":1}}`} {
		if status, body := s.get("/api/v1/queries/q/windows?key=" + url.QueryEscape(key)); status != 200 || !strings.Contains(body, `"tenant":"<t>"`) {
			t.Errorf("key %s answers %d: %s", key, status, body)
		}
	}
	if want := []string{"", `{"model":"é\n","tenant":null}`, `{"model":1.5,"tenant":{"a":1}}`}; !slices.Equal(s.fake.asked, want) {
		t.Errorf("it asked for %q, want %q", s.fake.asked, want)
	}
	if status, body := s.get("/api/v1/queries/all/windows?key={}"); status != 200 {
		t.Errorf("the one group answers %d: %s", status, body)
	}
}

// TestTheRingIsBounded adds rows for minutes, and holds what is kept against
// all that came.
func TestTheRingIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ size, rounds int }{"small": {10, 13}, "large": {5_000, 3}} {
		r, now := NewRecent(), noon
		r.now = func() time.Time { return now }
		query := *queryQ
		query.Values = []string{strings.Repeat("v", c.size)}
		var made []string
		for i := range c.rounds {
			batch := make([]result.Result, rowsASecond)
			for j := range batch {
				batch[j] = rowOf(fmt.Sprintf(`{"model":"%d"}`, j%7), int64(i*len(batch)+j))
				batch[j].Query = &query
				made = append(made, string(batch[j].AppendJSON(nil, true)))
			}
			r.Results(batch, 0)
			now = now.Add(time.Second)
		}
		rows, dropped := r.rows("q", "", "", maxRows+1)
		q := r.queries["q"]
		bytes := 0
		for i, row := range rows {
			bytes += len(row)
			if want := made[len(made)-len(rows)+i]; string(row) != want {
				t.Fatalf("%s: row %d of %d is\n%s\nwant\n%s", name, i, len(rows), row, want)
			}
		}
		if len(rows) > maxRows || bytes > maxBytes || q.bytes > maxBytes || dropped != 0 {
			t.Errorf("%s: it keeps %d rows of %d bytes (by its count %d), and dropped %d", name, len(rows), bytes, q.bytes, dropped)
		}
		if name == "small" && len(rows) != maxRows || name == "large" && bytes < maxBytes*9/10 {
			t.Errorf("%s: it keeps no more than %d rows of %d bytes", name, len(rows), bytes)
		}
		if cap(q.rows) > 3*maxRows {
			t.Errorf("%s: its slice has grown to %d", name, cap(q.rows))
		}
	}
}

func TestRowsASecond(t *testing.T) {
	r, now := NewRecent(), noon
	r.now = func() time.Time { return now }
	batch := make([]result.Result, rowsASecond*2)
	for i := range batch {
		batch[i] = rowOf(keyA, 1)
	}
	r.Results(batch, 0)
	r.Results(batch[:3], 1)
	if rows, dropped := r.rows("q", "", "", maxRows); len(rows) != rowsASecond || dropped != rowsASecond+4 {
		t.Errorf("in one second it took %d rows and dropped %d", len(rows), dropped)
	}
	now = now.Add(time.Second)
	r.Results(batch[:3], 0)
	if rows, _ := r.rows("q", "", "", maxRows); len(rows) != rowsASecond+3 {
		t.Errorf("in the next it has %d", len(rows))
	}
}

// TestHooksFromManyGoroutines is for the race detector.
func TestHooksFromManyGoroutines(t *testing.T) {
	r, s := NewRecent(), NewSamples()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 50 {
				r.Results([]result.Result{rowOf(keyA, int64(i)), rowOf(keyB, int64(i))}, 1)
				s.Late([]result.LateEvent{{Query: "q", Event: []byte("{}")}})
				s.Dead([]result.DeadLetter{{Reason: "r"}})
				sub, err := r.hub.subscribe("q")
				if err == nil {
					r.hub.leave(sub)
				}
				r.rows("q", keyA, "", 5)
				r.keys("q", "")
				s.late.list()
			}
		})
	}
	wg.Wait()
	rows, dropped := r.rows("q", "", "", maxRows)
	if _, late := s.late.list(); len(rows) != 400 || dropped != 200 || late != 200 {
		t.Errorf("it has %d rows, dropped %d, and %d late events", len(rows), dropped, late)
	}
}

func TestSamples(t *testing.T) {
	s := start(t, busy(), nil)
	if _, body := s.get("/api/v1/late"); body != `{"rows":[],"total":0}`+"\n" {
		t.Errorf("nothing is %s", body)
	}
	var late []result.LateEvent
	for i := range sampleRows + 50 {
		late = append(late, result.LateEvent{Query: "q", Timestamp: int64(i), Event: []byte("{}")})
	}
	s.cfg.Samples.Late(late[:20])
	s.cfg.Samples.Late(late[20:])
	var answer struct {
		Rows  []json.RawMessage
		Total int64
	}
	_, body := s.get("/api/v1/late")
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if n := len(answer.Rows); n != sampleRows || answer.Total != int64(len(late)) || string(answer.Rows[n-1]) != string(late[len(late)-1].AppendJSON(nil)) {
		t.Errorf("of %d it has %d, of %d", len(late), n, answer.Total)
	}
	dead := result.DeadLetter{Source: result.Source{Path: "a"}, Reason: "not_json", Err: "no", Raw: []byte("x")}
	s.cfg.Samples.Dead([]result.DeadLetter{dead})
	if _, body := s.get("/api/v1/dead"); body != `{"rows":[`+string(dead.AppendJSON(nil))+`],"total":1}`+"\n" {
		t.Errorf("a dead letter is %s", body)
	}
}

// TestLongRecordsAreCut keeps records that are long, broken, or both.
func TestLongRecordsAreCut(t *testing.T) {
	s := NewSamples()
	long := bytes.Repeat([]byte("é\x01"), 1<<16)
	for range sampleRows / 4 {
		s.Dead([]result.DeadLetter{{Raw: long, Err: string(long)}, {Raw: append([]byte{0xff}, long...)}})
		s.Late([]result.LateEvent{{Event: event.AppendString(nil, long)}, {Event: []byte("no JSON")}})
	}
	for name, of := range map[string]*sample{"late": &s.late, "dead": &s.dead} {
		rows, total := of.list()
		size := 0
		for _, row := range rows {
			size += len(row)
			if !json.Valid(row) {
				t.Fatalf("%s: a row is no JSON: %.200s", name, row)
			}
		}
		if len(rows) == 0 || len(rows) > sampleRows || size > sampleBytes || total != sampleRows/2 {
			t.Errorf("%s: %d rows of %d bytes, of %d", name, len(rows), size, total)
		}
	}
	if text := cut(bytes.Repeat([]byte("é"), sampleRecord)[1:]); !bytes.HasSuffix(text, []byte("é")) {
		t.Errorf("it ends with %q", text[len(text)-3:])
	}
}

func BenchmarkRecent(b *testing.B) {
	r := NewRecent()
	batch := make([]result.Result, 1000)
	for i := range batch {
		batch[i] = rowOf(keyA, int64(i))
	}
	for b.Loop() {
		r.Results(batch, 0)
	}
}

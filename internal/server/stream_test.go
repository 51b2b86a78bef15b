package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/result"
)

// next waits for an event of a name.
func next(t *testing.T, events <-chan sent, name string) sent {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e, more := <-events:
			if !more {
				t.Fatalf("the stream ends before an event %s", name)
			}
			if e.name == name {
				return e
			}
		case <-timeout:
			t.Fatalf("no event %s comes", name)
		}
	}
}

func TestStream(t *testing.T) {
	s := start(t, busy(), func(c *Config) { c.statusEvery, c.heartbeat = 10*time.Millisecond, 20*time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := s.follow(ctx, "?query=q")
	if first := <-events; first.name != "status" || !strings.Contains(first.data, `"phase":"running"`) {
		t.Errorf("the stream begins with %+v", first)
	}
	other := rowOf(keyB, 9)
	other.Query, other.Values = &result.Query{Name: "all"}, nil
	s.cfg.Recent.Results([]result.Result{other, rowOf(keyA, 1), rowOf(keyB, 2)}, 0)
	if one := next(t, events, "result"); !strings.Contains(one.data, `"query":"q","key":`+keyA) || !strings.Contains(one.data, `"values":{"n":1}`) {
		t.Errorf("the first row is %+v", one)
	}
	if two := next(t, events, "result"); !strings.Contains(two.data, `"values":{"n":2}`) {
		t.Errorf("the second row is %+v", two)
	}
	next(t, events, "comment")
	next(t, events, "status")
	cancel()
	for range events { // until its end
	}
	eventually(t, "the reader that went is forgotten", func() bool { return s.cfg.Recent.hub.open.Load() == 0 })
}

// TestASlowReaderIsToldWhatItLost fills a subscriber that nobody reads.
func TestASlowReaderIsToldWhatItLost(t *testing.T) {
	r := NewRecent()
	all, err := r.hub.subscribe("")
	if err != nil {
		t.Fatal(err)
	}
	one, err := r.hub.subscribe("none")
	if err != nil {
		t.Fatal(err)
	}
	now := noon
	r.now = func() time.Time { return now }
	rows := make([]result.Result, rowsASecond+10)
	for i := range rows {
		rows[i] = rowOf(keyA, int64(i))
	}
	r.Results(rows, 5)
	for len(all.rows) < streamQueue {
		now = now.Add(time.Second)
		r.Results(rows, 0)
	}
	now = now.Add(time.Second)
	r.Results(rows, 0)
	lost := func(s *subscriber) (n [causes]int64) {
		for why := range s.lost {
			n[why] = s.lost[why].Load()
		}
		return n
	}
	if got, want := lost(all), [causes]int64{becauseSlow: rowsASecond, becauseLimit: 30, becauseSkipped: 5}; got != want || len(all.rows) != streamQueue {
		t.Errorf("it lost %v rows and has %d, want %v and %d", got, len(all.rows), want, streamQueue)
	}
	if got, want := lost(one), [causes]int64{becauseSkipped: 5}; got != want || len(one.rows) != 0 {
		t.Errorf("the reader of another query lost %v rows and has %d", got, len(one.rows))
	}
	r.hub.leave(all)
	r.hub.leave(one)
	if r.hub.open.Load() != 0 {
		t.Error("somebody is left")
	}
}

func TestStreamTellsWhatIsDropped(t *testing.T) {
	s := start(t, busy(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := s.follow(ctx, "")
	next(t, events, "status")
	s.cfg.Recent.Results(nil, 17)
	if e := next(t, events, "dropped"); e.data != `{"rows":17,"because":"skipped"}` {
		t.Errorf("it is told %s", e.data)
	}
	s.cfg.Recent.hub.mu.Lock()
	sub := s.cfg.Recent.hub.subscribers[0]
	s.cfg.Recent.hub.mu.Unlock()
	for n, why := range []cause{becauseLimit, becauseSlow} {
		sub.lose(n+1, why)
		if e := next(t, events, "dropped"); e.data != fmt.Sprintf(`{"rows":%d,"because":%q}`, n+1, why) {
			t.Errorf("after %s it is told %s", why, e.data)
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	s := start(t, busy(), nil)
	for range maxStreams {
		if _, err := s.cfg.Recent.hub.subscribe(""); err != nil {
			t.Fatal(err)
		}
	}
	if status, body := s.get("/api/v1/stream"); status != http.StatusServiceUnavailable || !strings.Contains(body, "64 streams") {
		t.Errorf("one more is answered %d: %s", status, body)
	}
}

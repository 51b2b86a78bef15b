package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-optimizer/processor/internal/gen"
)

// Paced traffic keeps its rate, comes in chunks of a few milliseconds and
// tells the present. The clock of a synctest bubble makes that exact.
func TestGenerateKeepsItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Generate{EventsPerSecond: 1000, Seed: 1}
		parts, err := s.Open(t.Context())
		must(t, err)
		p := parts[0]
		must(t, p.Open(t.Context(), 0))
		began := time.Now()
		var c Chunk
		events, chunks := 0, 0
		for time.Since(began) < 3*time.Second {
			must(t, p.Read(t.Context(), &c))
			chunks++
			for line := range bytes.Lines(c.Data) {
				events++
				var e struct{ Timestamp time.Time }
				must(t, json.Unmarshal(line, &e))
				behind := time.Since(e.Timestamp)
				if behind < 0 || behind > gen.MaxDisorder+2*chunkEvery+time.Millisecond {
					t.Fatalf("an event is %s behind the clock", behind)
				}
			}
			if due := int(time.Since(began).Seconds()*1000) + 1; events < due-1 || events > due {
				t.Fatalf("%d events after %s", events, time.Since(began))
			}
		}
		if chunks < 600 || chunks > 1050 {
			t.Errorf("%d chunks in 3 s, want one in 3 to 5 ms", chunks)
		}
		must(t, p.Close())
	})
}

// After a pause no more than a second of traffic is made up for.
func TestGenerateForgetsABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parts, err := (&Generate{EventsPerSecond: 100}).Open(t.Context())
		must(t, err)
		p := parts[0]
		must(t, p.Open(t.Context(), 0))
		time.Sleep(time.Hour)
		began := time.Now()
		events := 0
		var c Chunk
		for time.Since(began) < 10*time.Second {
			must(t, p.Read(t.Context(), &c))
			events += bytes.Count(c.Data, []byte("\n"))
		}
		if events < 1000 || events > 1105 {
			t.Errorf("%d events in 10 s after a pause, want 1000 and at most 100 more", events)
		}
	})
}

func TestGenerateHonoursContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parts, err := (&Generate{EventsPerSecond: 1}).Open(t.Context())
		must(t, err)
		p := parts[0]
		must(t, p.Open(t.Context(), 0))
		var c Chunk
		must(t, p.Read(t.Context(), &c)) // the first is due at once
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.Read(ctx, &c); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("read before the next is due: %v", err)
		}
		must(t, p.Read(t.Context(), &c))
		if n := bytes.Count(c.Data, []byte("\n")); n != 1 {
			t.Errorf("%d events after the wait, want 1", n)
		}
	})
}

// Going on at a position gives the same events, whose times are new.
func TestGenerateGoesOnAtAPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Generate{EventsPerSecond: 5000, Seed: 3, Events: 2000}
		parts, err := s.Open(t.Context())
		must(t, err)
		must(t, parts[0].Open(t.Context(), 0))
		var all []string
		var c Chunk
		var middle int64
		for parts[0].Read(t.Context(), &c) == nil {
			all = append(all, requestIDs(t, c.Data)...)
			if len(all) < 1000 {
				middle = c.Next
			}
		}
		if len(all) != 2000 {
			t.Fatalf("%d events, want 2000", len(all))
		}
		parts, err = s.Open(t.Context())
		must(t, err)
		must(t, parts[0].Open(t.Context(), middle))
		var rest []string
		for parts[0].Read(t.Context(), &c) == nil {
			rest = append(rest, requestIDs(t, c.Data)...)
		}
		if n := len(rest); n < 1000 || n >= 2000 || strings.Join(rest, "") != strings.Join(all[2000-n:], "") {
			t.Errorf("the last %d events are not those of the first run", n)
		}
		if err := parts[0].Open(t.Context(), middle+1); err == nil || !strings.Contains(err.Error(), "seed 3") {
			t.Errorf("open within an event: %v", err)
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if err := parts[0].Open(done, middle); !errors.Is(err, context.Canceled) {
			t.Errorf("open with a cancelled context: %v", err)
		}
	})
}

func requestIDs(t *testing.T, data []byte) []string {
	t.Helper()
	var out []string
	for line := range bytes.Lines(data) {
		var e struct {
			RequestID string `json:"request_id"`
		}
		must(t, json.Unmarshal(line, &e))
		out = append(out, e.RequestID)
	}
	return out
}

func TestGenerateDividesEvents(t *testing.T) {
	parts, err := (&Generate{Events: 10, Partitions: 3}).Open(t.Context())
	must(t, err)
	var counts [3]int
	for i, p := range parts {
		if got := p.Origin().Partition; got != int32(i) {
			t.Errorf("partition %d calls itself %d", i, got)
		}
		must(t, p.Open(t.Context(), 0))
		var c Chunk
		for p.Read(t.Context(), &c) == nil {
			counts[i] += bytes.Count(c.Data, []byte("\n"))
		}
		if err := p.Read(t.Context(), &c); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
	}
	if counts != [3]int{4, 3, 3} {
		t.Errorf("10 events are divided as %v", counts)
	}
}

func TestGenerateRefusesNegatives(t *testing.T) {
	for _, s := range []*Generate{{EventsPerSecond: -1}, {Events: -1}, {Partitions: -1}} {
		if _, err := s.Open(t.Context()); err == nil {
			t.Errorf("%+v opened", s)
		}
	}
}

// BenchmarkGenerate shows what the source costs as fast as it can.
func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	parts, err := (&Generate{}).Open(b.Context())
	must(b, err)
	must(b, parts[0].Open(b.Context(), 0))
	var c Chunk
	bytesRead := 0
	for b.Loop() {
		must(b, parts[0].Read(b.Context(), &c))
		bytesRead = len(c.Data)
	}
	b.SetBytes(int64(bytesRead))
}

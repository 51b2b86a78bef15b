package pipeline_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/source"
)

// letters is a source whose records have a key and a time beside them, and that
// wants to know what is durable.
type letters struct {
	*tape
	since int64
	asked [][]string

	mu    sync.Mutex
	known []source.Saved
}

func (s *letters) Traits() source.Traits { return source.Traits{Kind: "letters", Since: s.since} }

func (s *letters) Open(context.Context) ([]source.Partition, error) {
	return []source.Partition{letterPartition{tapePartition{s.tape}, s}}, nil
}

func (s *letters) Attribute(path []string) bool {
	if !slices.Contains([]string{"$key", "$timestamp"}, path[0]) {
		return false
	}
	s.asked = append(s.asked, path)
	return true
}

func (s *letters) Acknowledge(saved []source.Saved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = append(s.known, saved...)
}

type letterPartition struct {
	tapePartition
	s *letters
}

// Read gives one record, whose key is "odd" or missing, in turn.
func (p letterPartition) Read(ctx context.Context, c *source.Chunk) error {
	from := p.at
	if err := p.tapePartition.Read(ctx, c); err != nil {
		return err
	}
	c.Spans = append(c.Spans, event.Ref{Len: uint32(len(c.Data) - 1)})
	c.Offsets = append(c.Offsets, int64(from))
	for len(c.Attributes) < len(p.s.asked) {
		c.Attributes = append(c.Attributes, event.Column{})
	}
	n := strings.Count(p.text[:from], "\n")
	for i, path := range p.s.asked {
		a := &c.Attributes[i]
		kind, num, ref := event.Null, 0.0, event.Ref{}
		switch {
		case path[0] == "$timestamp":
			kind, num = event.Number, float64(1000+10*n)
		case n%2 == 1:
			kind, ref = event.String, event.Ref{Off: uint32(len(c.Data)), Len: 3}
			c.Data = append(c.Data, "odd"...)
		}
		a.Kind, a.Num, a.Str = append(a.Kind, kind), append(a.Num, num), append(a.Str, ref)
	}
	return nil
}

func TestFieldsBesideTheEvent(t *testing.T) {
	k := keep(t)
	src, out := &letters{tape: events(1, 2, 3, 4)}, &rows{}
	_, err := k.runFor(t.Context(), src, func(s *pipeline.Spec) {
		s.Event.TimeField = "$timestamp"
		s.Queries[0].Key = []query.KeyField{{Name: "who", Expr: `coalesce($key, "none")`}}
	}, only(out)...)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(out.got, "\n")
	for _, want := range []string{`"none"} [1000,`, `"odd"} [1010,`, `"odd"} [1030,`} {
		if !strings.Contains(got, want) {
			t.Errorf("the rows lack %s:\n%s", want, got)
		}
	}
	if n := len(src.known); n == 0 || src.known[n-1].Position != int64(len(src.text)) {
		t.Errorf("the source was told %v", src.known)
	}
}

func TestFieldsThatTheSourceDoesNotHave(t *testing.T) {
	spec := keep(t).spec
	spec.Source, spec.Sinks = &letters{tape: events()}, only(&rows{})
	spec.Queries[0].Where = `$kee == "x"`
	spec.Event.TimeField = "$timestamp"
	spec.Event.TimeFormat = event.RFC3339
	_, err := pipeline.Build(spec)
	var said []string
	for _, p := range pipeline.Problems(err) {
		said = append(said, p.Error())
	}
	if len(said) != 2 || !strings.Contains(said[0], "no $kee") || !strings.Contains(said[1], "use unix_ms") {
		t.Errorf("building says %q", said)
	}
	// Of a source that has none, a dollar sign is a letter like others.
	spec.Source, spec.Event.TimeField = events(1), "t"
	spec.Event.TimeFormat = event.UnixMilli
	if _, err := pipeline.Build(spec); err != nil {
		t.Error(err)
	}
}

// A source that begins late marks the windows that began before.
func TestWindowsBeforeTheSourceBegan(t *testing.T) {
	for name, durable := range map[string]bool{"in memory": false, "durable": true} {
		t.Run(name, func(t *testing.T) {
			k := keep(t)
			src, out := &letters{tape: events(5, 12, 25), since: 10 * int64(time.Millisecond)}, &partials{}
			change := func(s *pipeline.Spec) {
				if !durable {
					s.State.Store = nil
				}
			}
			if _, err := k.runFor(t.Context(), src, change, only(out)...); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(out.marks, []bool{true, false, false}) {
				t.Errorf("partial are %v", out.marks)
			}
		})
	}
}

// partials is a sink that notes which results are marked partial.
type partials struct {
	rows
	marks []bool
}

func (s *partials) Write(_ context.Context, b *result.Batch) error {
	for _, r := range b.Results {
		s.marks = append(s.marks, r.Partial)
	}
	return nil
}

// unsure is a partition that may be without records for reasons of its own.
type unsure struct {
	source.Partition
	mu    sync.Mutex
	quiet time.Time
}

func (p *unsure) Quiet() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.quiet
}

func (p *unsure) Read(ctx context.Context, _ *source.Chunk) error {
	<-ctx.Done()
	return ctx.Err()
}

func (p *unsure) Origin() event.Origin              { return event.Origin{Path: "unsure"} }
func (p *unsure) Open(context.Context, int64) error { return nil }
func (p *unsure) Close() error                      { return nil }

// pair is a source of a tape and a partition that is unsure.
type pair struct {
	*tape
	other *unsure
}

func (s *pair) Open(context.Context) ([]source.Partition, error) {
	return []source.Partition{tapePartition{s.tape}, s.other}, nil
}

func (s *pair) Discover(context.Context) ([]source.Partition, error) { return nil, io.EOF }

// A partition of which nobody knows whether there is something to read holds
// the others back; it is idle when it is known for long enough.
func TestQuietIsMoreThanNothingRead(t *testing.T) {
	k := keep(t)
	src, out := &pair{tape: events(5, 12, 25), other: &unsure{}}, &rows{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := k.runFor(ctx, src, func(s *pipeline.Spec) {
			s.Watermark.IdleTimeout, s.Watermark.WhenIdle = 20*time.Millisecond, pipeline.Hold
		}, only(out)...)
		done <- err
	}()
	time.Sleep(200 * time.Millisecond)
	if n := out.count(); n > 0 {
		t.Errorf("%d results although nobody knows what the other partition has", n)
	}
	src.other.mu.Lock()
	src.other.quiet = time.Now()
	src.other.mu.Unlock()
	eventually(t, "results", func() bool { return out.count() == 2 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

package source

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/gen"
)

const (
	// chunkEvery is the least time between two chunks of paced traffic.
	chunkEvery = 3 * time.Millisecond
	// maxBacklog is how much paced traffic is made up for after a pause, such
	// as backpressure; what is older was never sent.
	maxBacklog = time.Second
	// unpacedRate is how many events a second of event time has when they
	// come as fast as they can.
	unpacedRate = 1000
)

// unpacedStart is the time of the first event of unpaced traffic.
var unpacedStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Generate is a source of synthetic LLM traffic: performance_metrics events of
// five models with tenant, user, session and prompt version in metadata, and
// some user_feedback. Every two minutes one model has an incident of errors
// and another one of latency. Timestamps lie up to two seconds behind their
// order. A Generate belongs to one pipeline; use it by pointer.
type Generate struct {
	// EventsPerSecond is the rate of all partitions together, by the wall
	// clock, and timestamps are the present. With 0 events come as fast as
	// they are taken, in 1000 a second of event time from 2026-01-01 on: the
	// same bytes in every run.
	EventsPerSecond int
	// Seed decides everything but the times.
	Seed uint64
	// Events ends the source after so many; 0 is never.
	Events int64
	// Partitions is how many partitions share the events; 0 means 1.
	Partitions int
}

// Traits says that the source is live.
func (s *Generate) Traits() Traits { return Traits{Kind: "generate", Live: true} }

// Open returns the partitions.
func (s *Generate) Open(context.Context) ([]Partition, error) {
	if s.EventsPerSecond < 0 || s.Events < 0 || s.Partitions < 0 {
		return nil, fmt.Errorf("generate %d events per second, %d events in %d partitions: none of these can be negative",
			s.EventsPerSecond, s.Events, s.Partitions)
	}
	n := max(1, s.Partitions)
	parts := make([]Partition, n)
	for i := range parts {
		events := s.Events / int64(n)
		if int64(i) < s.Events%int64(n) {
			events++
		}
		parts[i] = newGenerated(s, i, n, events)
	}
	return parts, nil
}

// Discover returns io.EOF: the partitions are fixed.
func (s *Generate) Discover(context.Context) ([]Partition, error) { return Fixed() }

// Close has nothing to release.
func (s *Generate) Close() error { return nil }

// generated is one partition of synthetic traffic.
type generated struct {
	part    int
	seed    uint64
	endless bool
	events  int64 // how many there are, unless endless
	paced   bool
	rate    float64 // events per second of this partition

	traffic *gen.Traffic
	n       int64 // the index of the next event
	pos     int64 // its position in bytes
	// Of paced traffic: event first was due at began. last is the time of the
	// last chunk.
	began time.Time
	first int64
	last  time.Time
	timer *time.Timer
}

func newGenerated(s *Generate, part, parts int, events int64) *generated {
	rate := float64(s.EventsPerSecond)
	if rate == 0 {
		rate = unpacedRate
	}
	return &generated{
		part: part, seed: s.Seed, endless: s.Events == 0, events: events,
		paced: s.EventsPerSecond > 0, rate: rate / float64(parts),
	}
}

// Origin is "generate" and the partition's number.
func (p *generated) Origin() event.Origin {
	return event.Origin{Path: "generate", Partition: int32(p.part)}
}

// Open goes to a position by generating what is before it.
func (p *generated) Open(ctx context.Context, position int64) error {
	p.traffic, p.n, p.pos = gen.NewTraffic(p.seed, p.part), 0, 0
	var line []byte
	for p.pos < position {
		if err := ctx.Err(); err != nil {
			return err
		}
		line = p.append(line[:0], 0)
		p.pos += int64(len(line))
	}
	if p.pos != position {
		return fmt.Errorf("go on generating at byte %d: no event begins there with seed %d: restore the seed or start over", position, p.seed)
	}
	p.began, p.first = time.Now(), p.n
	return nil
}

// append appends the next event, whose place in time is at.
func (p *generated) append(dst []byte, at int64) []byte {
	dst = p.traffic.Append(dst, at, p.after(p.n))
	p.n++
	return dst
}

// after is how long after the first event the n-th one comes.
func (p *generated) after(n int64) time.Duration {
	return time.Duration(float64(n) / p.rate * float64(time.Second))
}

// Read hands over the events that are due.
func (p *generated) Read(ctx context.Context, c *Chunk) error {
	c.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	if !p.endless && p.n >= p.events {
		return io.EOF
	}
	base, due := unpacedStart.UnixNano(), int64(blockBytes) // more than a chunk holds
	if p.paced {
		var err error
		if due, err = p.wait(ctx); err != nil {
			return err
		}
		base = p.began.Add(-p.after(p.first)).UnixNano()
	}
	if !p.endless {
		due = min(due, p.events-p.n)
	}
	const longest = 1 << 10
	data := slices.Grow(c.Data, blockBytes)
	for ; due > 0 && len(data) < blockBytes-longest; due-- {
		data = p.append(data, base+int64(p.after(p.n)))
	}
	c.Data, c.Offset = data, p.pos
	p.pos += int64(len(data))
	c.Next = p.pos
	return nil
}

// wait returns how many events are due, at least one.
func (p *generated) wait(ctx context.Context) (int64, error) {
	for {
		now := time.Now()
		if behind := now.Sub(p.began) - p.after(p.n-p.first); behind > maxBacklog {
			p.began = p.began.Add(behind - maxBacklog)
		}
		next := p.began.Add(p.after(p.n - p.first))
		if soonest := p.last.Add(chunkEvery); soonest.After(next) {
			next = soonest
		}
		if !next.After(now) {
			p.last = now
			due := int64(now.Sub(p.began).Seconds()*p.rate) - (p.n - p.first) + 1
			return max(1, due), nil
		}
		if err := p.sleep(ctx, next.Sub(now)); err != nil {
			return 0, err
		}
	}
}

func (p *generated) sleep(ctx context.Context, d time.Duration) error {
	if p.timer == nil {
		p.timer = time.NewTimer(d)
	} else {
		p.timer.Reset(d)
	}
	select {
	case <-ctx.Done():
		p.timer.Stop()
		return ctx.Err()
	case <-p.timer.C:
		return nil
	}
}

// Close has nothing to release.
func (p *generated) Close() error { return nil }

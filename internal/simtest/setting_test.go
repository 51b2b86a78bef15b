package simtest

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/llm-optimizer/processor/internal/refmodel"
	"github.com/llm-optimizer/processor/pipeline"
)

// setting is what must not change a result.
type setting struct {
	emit     pipeline.Emit
	workers  int
	sizes    []int
	topic    bool
	unended  bool
	maxOpen  int
	drift    time.Duration
	interval time.Duration
	pause    time.Duration
}

func drawSetting(t *rapid.T, emit pipeline.Emit) setting {
	return setting{
		emit:     emit,
		workers:  rapid.IntRange(1, 4).Draw(t, "workers"),
		sizes:    rapid.SliceOfN(rapid.SampledFrom([]int{1, 1, 2, 3, 5, 17, 100}), 1, 4).Draw(t, "chunks"),
		topic:    rapid.Bool().Draw(t, "topic"),
		unended:  rapid.Bool().Draw(t, "unended"),
		drift:    time.Duration(rapid.SampledFrom([]int64{0, 0, 1, 1e3, 1e7, 1e11}).Draw(t, "drift")),
		interval: rapid.SampledFrom([]time.Duration{time.Millisecond, 5 * time.Millisecond}).Draw(t, "interval"),
		pause:    rapid.SampledFrom([]time.Duration{0, 0, 0, 0, 0, 0, 2 * time.Millisecond}).Draw(t, "pause"),
	}
}

func (s setting) String() string {
	return fmt.Sprintf("emit %s, workers %d, chunks %v, topic %v, max_drift %v, interval %v, pause %v, open %d",
		s.emit, s.workers, s.sizes, s.topic, s.drift, s.interval, s.pause, s.maxOpen)
}

func (p *program) source(s setting) *Source {
	src := &Source{MaxOpen: s.maxOpen}
	if p.topic != nil {
		s.topic = *p.topic
	}
	for i := range p.feeds {
		f := p.feed(i, s.topic)
		f.Sizes, f.Unended, f.Pause = s.sizes, s.unended, s.pause
		src.Feeds = append(src.Feeds, f)
	}
	return src
}

// feed is a partition's records; topics have no blank ones.
func (p *program) feed(i int, topic bool) *Feed {
	var records [][]byte
	for _, r := range p.feeds[i] {
		if !(topic && r.blank) {
			records = append(records, []byte(r.raw))
		}
	}
	if topic {
		return NewTopicFeed("t", int32(i), records)
	}
	return NewFeed(fmt.Sprintf("p%d", i), records)
}

// steps are the events of a partition as the model takes them.
func (p *program) steps(i int, topic bool) []refmodel.Step {
	feed := p.feed(i, topic)
	var all []refmodel.Step
	at := 0
	for _, r := range p.feeds[i] {
		if topic && r.blank {
			continue
		}
		e := r.event
		e.Offset = feed.Positions[at]
		at++
		if !r.blank {
			all = append(all, refmodel.Step{Partition: i, Event: e})
		}
	}
	return all
}

// model runs the reference model over the partitions one after the other.
func (p *program) model(t fataler, topic bool) *refmodel.Outcome {
	t.Helper()
	var all []refmodel.Step
	for i := range p.feeds {
		all = append(all, p.steps(i, topic)...)
	}
	return p.modelOf(t, all)
}

// interleaved runs it over a random interleaving.
func (p *program) interleaved(t *rapid.T) *refmodel.Outcome {
	var rest [][]refmodel.Step
	for i := range p.feeds {
		rest = append(rest, p.steps(i, false))
	}
	var all []refmodel.Step
	for {
		rest = slices.DeleteFunc(rest, func(s []refmodel.Step) bool { return len(s) == 0 })
		if len(rest) == 0 {
			return p.modelOf(t, all)
		}
		i := rapid.IntRange(0, len(rest)-1).Draw(t, "next")
		all, rest[i] = append(all, rest[i][0]), rest[i][1:]
	}
}

func (p *program) modelOf(t fataler, steps []refmodel.Step) *refmodel.Outcome {
	t.Helper()
	out, err := refmodel.Run(refmodel.Program{
		Queries: p.queries, Ends: p.ends, OutOfOrderness: int64(p.bound), DedupField: p.dedup.ID, Horizon: int64(p.dedup.Horizon),
		MaxKeys: p.limits.Keys, MaxWindows: p.limits.Windows,
	}, steps)
	if err != nil {
		t.Fatalf("reference model: %v", err)
	}
	return out
}

// run runs the pipeline.
func (p *program) run(t fataler, s setting) *Run {
	t.Helper()
	return execute(t, p.spec(s), p, s)
}

func (p *program) spec(s setting) pipeline.Spec {
	spec := pipeline.DefaultSpec()
	spec.Name = "sim"
	spec.Workers = s.workers
	spec.Source = p.source(s)
	spec.Event = p.eventSpec()
	spec.Watermark.MaxOutOfOrderness = p.bound
	spec.Watermark.Emit = s.emit
	spec.Watermark.Interval = s.interval
	spec.Watermark.MaxDrift = s.drift
	spec.Queries = p.queries
	spec.Limits.Keys, spec.Limits.Windows = p.limits.Keys, p.limits.Windows
	return spec
}

package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/internal/engine"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/watermark"
)

// ErrNotRunning is why a pipeline that is not between its start and its end
// cannot show or do something.
var ErrNotRunning = errors.New("the pipeline is not running")

// ErrNoQuery is why there is nothing to show of a query.
var ErrNoQuery = errors.New("there is no such query")

// ErrNoCheckpoints is why there are none: the state's backend makes none.
var ErrNoCheckpoints = errors.New("this state makes no checkpoints")

// at is the parts of a run, as far as it has come.
func (p *Pipeline) at() (r *engine.Runner, out *delivery.Delivery, d *durable) {
	p.run.mu.Lock()
	defer p.run.mu.Unlock()
	return p.runner, p.run.out, p.run.state
}

// Status is a snapshot; any goroutine may ask for it, before, during and after
// Run. It does not wait for the stream.
func (p *Pipeline) Status() Status {
	now := time.Now()
	s := Status{
		Name: p.spec.Name, Phase: p.phase(), Now: now.UTC(), Started: p.run.calledAt(),
		Refused: p.run.refused.Load(), DeadByReason: p.run.reasons.counts(),
		Source: p.sourceTrouble(), Queries: []QueryStatus{}, Partitions: []PartitionStatus{}, Sinks: []SinkStatus{},
	}
	r, out, d := p.at()
	for i, q := range p.plan.Queries {
		s.Queries = append(s.Queries, p.queryStatus(r, d, i, q))
	}
	if r == nil {
		for _, l := range p.lanes {
			s.Sinks = append(s.Sinks, p.sinkStatus(delivery.Status{Lane: l}))
		}
		s.Waited = map[string]float64{"workers": 0, "alignment": 0, "outbox": 0}
		return s
	}
	s.Events, s.Dead = r.Events(), r.Dead()
	workers, alignment := r.Waited()
	s.Waited = map[string]float64{"workers": workers.Seconds(), "alignment": alignment.Seconds(), "outbox": out.Waited().Seconds()}
	s.Watermark = instant(r.Watermark())
	s.WatermarkSince = moment(r.WatermarkSince())
	s.Partitions, s.HeldBy = p.partitions(r)
	for _, l := range out.Status() {
		s.Sinks = append(s.Sinks, p.sinkStatus(l))
	}
	if d != nil {
		s.State = d.status(out)
	}
	return s
}

func (p *Pipeline) phase() Phase {
	r, _, _ := p.at()
	switch {
	case p.run.over.Load():
		return Ended
	case p.run.draining.Load():
		return Draining
	case r == nil:
		return Starting
	case r.Paused():
		return Paused
	default:
		return Running
	}
}

func (p *Pipeline) queryStatus(r *engine.Runner, d *durable, i int, q *plan.Query) QueryStatus {
	s := QueryStatus{
		Name: q.Info.Name, Window: q.Window(), Keys: q.Info.Keys, Values: q.Info.Values, Functions: []string{},
		Ledger: Ledger{Query: q.Info.Name}, Run: Ledger{Query: q.Info.Name}, Results: map[string]int64{},
	}
	if s.Keys == nil {
		s.Keys = []string{}
	}
	for _, a := range q.Def.Aggregates {
		s.Functions = append(s.Functions, a.String())
	}
	if r == nil {
		return s
	}
	s.Ledger, s.Run = ledgerOf(r, d, i, q), ledgerOf(r, nil, i, q)
	for t, n := range r.Timings(i) {
		s.Results[result.Timing(t).String()] = n
	}
	s.OpenWindows, s.LiveKeys, s.StateBytes = r.Size(i)
	return s
}

// ledgerOf is a query's ledger, with that of the runs before this one if there
// is a state.
func ledgerOf(r *engine.Runner, d *durable, i int, q *plan.Query) Ledger {
	c := r.Counts(i)
	if d != nil {
		c.Add(d.base[i])
	}
	return Ledger{
		Query: q.Info.Name, Read: c.Read, InWindows: c.InWindows, Late: c.Late, Dead: c.Dead,
		Filtered: c.Filtered, Unwindowed: c.Unwindowed, Duplicate: c.Duplicate, Overflow: c.Overflow, Results: c.Results,
	}
}

// sourceTrouble says whether the source's servers answer.
func (p *Pipeline) sourceTrouble() TroubleStatus {
	if rep, ok := p.spec.Source.(source.Reporter); ok {
		return troubleOf(rep.Trouble())
	}
	return TroubleStatus{}
}

// partitions says how far each has got, and which holds the watermark.
func (p *Pipeline) partitions(r *engine.Runner) (out []PartitionStatus, heldBy string) {
	lags := map[event.Origin]source.Lag{}
	if rep, ok := p.spec.Source.(source.Reporter); ok {
		for _, l := range rep.Lags() {
			lags[l.Origin] = l
		}
	}
	all := r.Partitions()
	holder := engine.Holder(all)
	out = make([]PartitionStatus, 0, len(all))
	for i := range all {
		s := p.partitionStatus(&all[i])
		if l, ok := lags[all[i].Origin]; ok {
			if l.Records >= 0 {
				s.LagRecords = &l.Records
			}
			if l.Seconds >= 0 {
				s.LagSeconds = &l.Seconds
			}
		}
		if s.Holds = i == holder; s.Holds {
			heldBy = s.Name
		}
		out = append(out, s)
	}
	return out, heldBy
}

func (p *Pipeline) partitionStatus(g *engine.PartitionStatus) PartitionStatus {
	s := PartitionStatus{
		Name: g.Origin.Path, Topic: g.Origin.Topic, Path: g.Origin.Path, Partition: g.Origin.Partition,
		Watermark: instant(g.Watermark), NewestEvent: instant(g.Newest), LastRead: moment(g.LastRead),
		Position: g.Position, Events: g.Events,
	}
	switch {
	case s.Topic != "":
		s.Name = s.Topic + "/" + strconv.Itoa(int(s.Partition))
	case s.Name == "":
		s.Name = p.spec.Source.Traits().Kind
	}
	switch {
	case g.Status == watermark.Active && g.Ahead:
		s.Status = "ahead"
	default:
		s.Status = [...]string{"waiting", "active", "idle", "ended"}[g.Status]
	}
	return s
}

func (p *Pipeline) sinkStatus(l delivery.Status) SinkStatus {
	s := SinkStatus{
		Name: l.Name, Kind: sinkKind(l.Sink), Takes: []string{}, Queries: []string{}, Rows: l.Rows, Epoch: l.Epoch, Behind: l.Behind, Queued: l.Queued, Failed: l.Failed,
	}
	for _, k := range []struct {
		kind delivery.Kind
		name string
	}{{delivery.Results, "results"}, {delivery.Late, "late_events"}, {delivery.Dead, "dead_letters"}} {
		if l.Kind&k.kind != 0 {
			s.Takes = append(s.Takes, k.name)
		}
	}
	for _, q := range p.plan.Queries {
		if l.Kind&delivery.Results != 0 && l.Takes(q.Info.Name) {
			s.Queries = append(s.Queries, q.Info.Name)
		}
	}
	if rep, ok := l.Sink.(sink.Reporter); ok {
		s.Retries, s.Trouble = rep.Retries(), troubleOf(rep.Trouble())
	}
	if rej, ok := l.Sink.(sink.Rejecter); ok {
		s.Rejected = rej.Rejected()
	}
	return s
}

// sinkKind is the kind of a sink as in the config: *kafka.Sink is kafka,
// *sink.File is file, and what writes to a stream is stdout.
func sinkKind(s sink.Sink) string {
	if _, ok := s.(*sink.Writer); ok {
		return "stdout"
	}
	room, name, _ := strings.Cut(strings.TrimPrefix(fmt.Sprintf("%T", s), "*"), ".")
	if room == "sink" {
		return strings.ToLower(name)
	}
	return room
}

func troubleOf(since time.Time, err error) TroubleStatus {
	if err == nil {
		return TroubleStatus{}
	}
	return TroubleStatus{Since: moment(since), Error: err.Error()}
}

// instant is an event time; nil for the ends of time.
func instant(t int64) *time.Time {
	if t == event.MinTime || t == event.MaxTime {
		return nil
	}
	at := time.Unix(0, t).UTC()
	return &at
}

// moment is a time of the clock; nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// query finds a query by its name.
func (p *Pipeline) query(name string) (int, error) {
	for i, q := range p.plan.Queries {
		if q.Info.Name == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("query %q: %w", name, ErrNoQuery)
}

// Windows returns open windows of a query as they are now, those that end first,
// at most limit of them. key, if it is not empty, is the JSON of the key that is
// wanted, as results have it. total is how many there are, of sliding windows
// that share panes at least. It waits for the stream to come to it, until ctx
// ends.
func (p *Pipeline) Windows(ctx context.Context, query, key string, limit int) (windows []OpenWindow, total int, err error) {
	i, err := p.query(query)
	if err != nil {
		return nil, 0, err
	}
	r, _, _ := p.at()
	if r == nil || p.run.over.Load() {
		return nil, 0, ErrNotRunning
	}
	found, total, err := r.Windows(ctx, i, key, limit)
	if err != nil {
		return nil, 0, err
	}
	windows = make([]OpenWindow, len(found))
	for n, w := range found {
		windows[n] = OpenWindow{
			Query: query, Start: instant(w.Start), End: instant(w.End), Key: json.RawMessage(w.Key), Values: json.RawMessage(w.Values),
			Events: w.Events, Fired: int64(w.Fired), Closed: w.Closed,
		}
	}
	return windows, total, nil
}

// Pause stops reading until Resume. What was read is processed and delivered.
func (p *Pipeline) Pause() error { return p.setPaused((*engine.Runner).Pause) }

// Resume ends a Pause.
func (p *Pipeline) Resume() error { return p.setPaused((*engine.Runner).Resume) }

func (p *Pipeline) setPaused(set func(*engine.Runner)) error {
	r, _, _ := p.at()
	if r == nil || p.run.over.Load() || p.run.draining.Load() {
		return ErrNotRunning
	}
	set(r)
	return nil
}

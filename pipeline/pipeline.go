// Package pipeline assembles source, queries and sinks, and runs them: from a
// Spec (plain data, as the YAML config makes it) or with the fluent Builder.
package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/delivery"
	"github.com/llm-optimizer/processor/internal/engine"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/sink"
)

// ErrLimit is why a pipeline stops whose limits say so: errors.Is finds it in
// the error of Run.
var ErrLimit = engine.ErrLimit

// Problem is one thing wrong with a Spec.
type Problem struct {
	// Path is the place as in the config: "queries.0.where".
	Path string
	// Column is the place inside an expression, from 1; 0 means all of it.
	Column  int
	Message string
}

// Error is the problem as one line.
func (p Problem) Error() string {
	if p.Column > 1 {
		return fmt.Sprintf("%s (column %d): %s", p.Path, p.Column, p.Message)
	}
	return p.Path + ": " + p.Message
}

// Pipeline is a validated pipeline, ready to run once.
type Pipeline struct {
	spec Spec
	plan *plan.Plan
	// timeAttribute is decode.Options.TimeAttribute.
	timeAttribute int
	lanes         []delivery.Lane
	trace         tracing
	runner        *engine.Runner
	run           run
}

// Build validates the whole spec and plans it. The error joins a Problem for
// each thing that is wrong.
func Build(spec Spec) (*Pipeline, error) {
	if spec.Workers == 0 {
		spec.Workers = runtime.GOMAXPROCS(0)
	}
	v := &validator{}
	v.check(&spec)
	p := v.plan(&spec)
	if len(v.problems) > 0 {
		return nil, errors.Join(v.problems...)
	}
	v.settleTracer(&spec)
	built := &Pipeline{spec: spec, plan: p, timeAttribute: v.timeAttribute, trace: v.trace, lanes: makeLanes(&spec)}
	if _, err := built.bindOperators(); err != nil {
		return nil, errors.Join(err)
	}
	return built, nil
}

// Problems lists the problems in an error of Build, in the order in which they
// were found.
func Problems(err error) []Problem {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	var out []Problem
	for _, e := range joined.Unwrap() {
		var p Problem
		if errors.As(e, &p) {
			out = append(out, p)
		}
	}
	return out
}

// validator collects everything that is wrong with a spec.
type validator struct {
	problems      []error
	timeAttribute int
	trace         tracing
}

func (v *validator) add(path, format string, args ...any) {
	v.problems = append(v.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

var pipelineName = regexp.MustCompile(`^[a-z0-9-]+$`)

func (v *validator) check(s *Spec) {
	if !pipelineName.MatchString(s.Name) {
		v.add("name", "%q is not a name: use lower-case letters, digits and hyphens", s.Name)
	}
	if s.Workers < 0 {
		v.add("workers", "%d workers are not possible: give a number, or 0 for all processors", s.Workers)
	}
	if s.Source == nil {
		v.add("source", "no source is given")
	}
	if t, ok := s.Source.(typedSource); ok {
		v.checkTyped(s, t)
	} else {
		v.checkTimeField(&s.Event)
	}
	v.checkEvent(&s.Event)
	v.checkWatermark(s)
	v.checkSinks(s)
	l := s.Limits
	if l.Keys < 0 || l.Windows < 0 || l.Memory < 0 || l.Outbox < 0 {
		v.add("limits", "limits must not be negative: 0 is no limit")
	}
	if l.OnExceed != Overflow && l.OnExceed != Stop {
		v.add("limits.on_exceed", "%q is unknown: use overflow or stop", l.OnExceed)
	}
	if !(s.TraceBatches >= 0 && s.TraceBatches <= 1) { // NaN is not
		v.add("telemetry.sample", "must be from 0 to 1")
	}
	if s.ShutdownTimeout <= 0 {
		v.add("shutdown_timeout", "must be positive")
	}
	v.checkState(s)
}

func (v *validator) checkState(s *Spec) {
	if s.Delivery != ExactlyOnce && s.Delivery != AtLeastOnce {
		v.add("delivery", "%q is unknown: use exactly_once or at_least_once", s.Delivery)
	}
	st := &s.State
	if st.OnCorruption != FailOnCorruption && st.OnCorruption != RestoreOnCorruption {
		v.add("state.on_corruption", "%q is unknown: use fail or restore", st.OnCorruption)
	}
	if st.Epoch <= 0 {
		v.add("state.epoch", "must be positive")
	}
	if st.CheckpointEvery < 0 || st.Retain < 0 {
		v.add("state.checkpoint", "every and retain must not be negative: 0 makes no checkpoints")
	}
	if st.Store != nil && s.Source != nil && s.Source.Traits().Once {
		v.add("state.backend", "a %s source cannot go on where it was: keep its state in memory, or read from a file", s.Source.Traits().Kind)
	}
}

func (v *validator) checkEvent(e *EventSpec) {
	switch e.Format {
	case JSON, CloudEvents, Auto:
	default:
		v.add("event.format", "%q is unknown: use json, cloudevents or auto", e.Format)
	}
	if e.TimeField == "" {
		v.add("event.time.field", "name the field that holds the event time")
	}
	switch e.TimeFormat {
	case event.RFC3339, event.UnixSec, event.UnixMilli, event.UnixMicro, event.UnixNano:
	default:
		v.add("event.time.format", "%q is unknown: use rfc3339, unix_s, unix_ms, unix_us or unix_ns", e.TimeFormat)
	}
	switch e.OnError {
	case ToDeadLetter, Skip, Fail:
	default:
		v.add("event.on_error", "%q is unknown: use dead_letter, skip or fail", e.OnError)
	}
	if e.MaxRecordBytes <= 0 {
		v.add("event.max_record_bytes", "must be positive")
	}
	if e.MaxFuture < 0 {
		v.add("event.max_future", "must not be negative: 0 is off")
	}
	if d := e.Dedup; d.ID != "" && d.Horizon <= 0 {
		v.add("event.dedup.horizon", "must be positive: it says for how long an id is remembered")
	} else if d.ID == "" && d.Horizon != 0 {
		v.add("event.dedup.id", "name the field that repeated events have in common")
	}
	seen := map[string]bool{}
	for _, f := range e.Fields {
		if f.Name == "" || seen[f.Name] {
			v.add("event.fields."+f.Name, "computed fields need names of their own")
		}
		seen[f.Name] = true
	}
}

// checkTimeField refuses to look for the time in what is only there later.
func (v *validator) checkTimeField(e *EventSpec) {
	path := pathOf(e.TimeField)
	for _, f := range e.Fields {
		if len(path) == 1 && path[0] == f.Name {
			v.add("event.time.field", "%s is a computed field, and the time is read before fields are computed: name a field of the event, or call the computed one something else", f.Name)
			return
		}
	}
}

func (v *validator) checkWatermark(s *Spec) {
	w := &s.Watermark
	if w.MaxOutOfOrderness < 0 {
		v.add("watermark.max_out_of_orderness", "must not be negative")
	}
	if w.Emit != Periodic && w.Emit != EveryEvent {
		v.add("watermark.emit", "%q is unknown: use periodic or every_event", w.Emit)
	}
	if w.Interval <= 0 {
		v.add("watermark.interval", "must be positive")
	}
	if w.IdleTimeout < 0 || w.MaxDrift < 0 {
		v.add("watermark", "idle_timeout and max_drift must not be negative: 0 is off")
	}
	switch w.WhenIdle {
	case Close, Hold:
	case "":
		w.WhenIdle = Hold
		if s.Source != nil && s.Source.Traits().Live {
			w.WhenIdle = Close
		}
	default:
		v.add("watermark.when_idle", "%q is unknown: use close or hold", w.WhenIdle)
	}
}

func (v *validator) checkSinks(s *Spec) {
	if len(s.Sinks) == 0 {
		v.add("sinks", "no sink is given: results would go nowhere")
	}
	queries := map[string]bool{}
	for _, q := range s.Queries {
		queries[q.Name] = true
	}
	names, targets := map[string]bool{}, map[string]string{}
	for i := range s.Sinks {
		c := &s.Sinks[i]
		at := fmt.Sprintf("sinks.%d", i)
		v.checkSink(at, c, names)
		v.checkTarget(at, c.Sink, targets)
		for j, q := range c.Queries {
			if !queries[q] {
				v.add(fmt.Sprintf("%s.queries.%d", at, j), "there is no query %q", q)
			}
		}
	}
	v.checkSide(lateName, s.LateEvents, names, targets)
	v.checkSide(deadName, s.DeadLetters, names, targets)
}

func (v *validator) checkSide(at string, c *sink.Config, names map[string]bool, targets map[string]string) {
	switch {
	case c == nil:
	case c.Sink == nil:
		v.add(at, "no sink is given")
	default:
		v.checkName(at, cmp.Or(c.Name, at), names)
		v.checkTarget(at, c.Sink, targets)
	}
}

func (v *validator) checkSink(at string, c *sink.Config, names map[string]bool) {
	if c.Sink == nil {
		v.add(at, "no sink is given")
		return
	}
	if c.Name == "" {
		c.Name = kindOf(c.Sink)
	}
	v.checkName(at, c.Name, names)
}

// checkName refuses a second sink of one name: the state knows sinks by it.
func (v *validator) checkName(at, name string, names map[string]bool) {
	if names[name] {
		v.add(at+".name", "there is a sink %q already: give each a name of its own", name)
	}
	names[name] = true
}

// kindOf names a sink after its type: *sink.File is a file.
func kindOf(s sink.Sink) string {
	name := strings.ToLower(fmt.Sprintf("%T", s))
	return name[strings.LastIndexByte(name, '.')+1:]
}

// plan validates and plans the queries.
func (v *validator) plan(s *Spec) *plan.Plan {
	if len(s.Queries) == 0 {
		v.add("queries", "no query is given")
	}
	reads, names := v.operatorPaths(s), map[string]bool{}
	var sound []int
	for i := range s.Queries {
		q := &s.Queries[i]
		at := fmt.Sprintf("queries.%d", i)
		if names[q.Name] {
			v.add(at+".name", "there is a query %q already", q.Name)
		}
		names[q.Name] = true
		problems := q.Validate()
		for _, p := range problems {
			v.problems = append(v.problems, Problem{Path: at + "." + p.Path, Column: p.Column, Message: p.Message})
		}
		if len(problems) == 0 {
			sound = append(sound, i)
		}
	}
	p := v.planSound(s, sound, reads)
	v.describe(s, p)
	return p
}

// planSound plans the queries with the numbers given: what is wrong with the
// others must not hide what is wrong with these, or with their sinks.
func (v *validator) planSound(s *Spec, sound []int, reads [][]string) *plan.Plan {
	in := plan.Input{
		Pipeline: s.Name, Time: s.Event.TimeField + " " + string(s.Event.TimeFormat), Reads: reads,
		DedupID: s.Event.Dedup.ID, DedupHorizon: int64(s.Event.Dedup.Horizon),
	}
	for _, i := range sound {
		in.Queries = append(in.Queries, s.Queries[i])
	}
	for _, f := range s.Event.Fields {
		in.Fields = append(in.Fields, plan.Field{Name: f.Name, Expr: f.Expr})
	}
	p, problems := plan.Build(in)
	for _, pr := range problems {
		path := pr.Path
		if rest, ok := strings.CutPrefix(path, "queries."); ok {
			number, rest, _ := strings.Cut(rest, ".")
			if n, err := strconv.Atoi(number); err == nil {
				path = strings.TrimSuffix(fmt.Sprintf("queries.%d.%s", sound[n], rest), ".")
			}
		}
		v.problems = append(v.problems, Problem{Path: path, Column: pr.Column, Message: pr.Message})
	}
	if p != nil {
		v.bindAttributes(s, p)
	}
	return p
}

// Explain is the plan as text: columns read, panes, accumulators shared, state
// per key, windows open at once.
func (p *Pipeline) Explain() string {
	return p.plan.Explain(p.spec.Watermark.MaxOutOfOrderness)
}

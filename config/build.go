package config

import (
	"log/slog"
	"path/filepath"
	"regexp"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/source"
)

// spec makes the pipeline of a checked tree.
func (l *loader) spec(root view) pipeline.Spec {
	s := pipeline.DefaultSpec()
	s.Name = root.text("name")
	s.Workers = int(root.integer("workers"))
	s.Event = l.event(root.at("event"))
	s.Source = l.source(root.at("source"), &s)
	s.Watermark = watermark(root.at("watermark"))
	s.Queries = l.queries(root.at("queries"))
	l.sinks(&s, root)
	s.Limits = limits(root.at("limits"))
	s.State = l.state(root.at("state"), s.Name, s.Source)
	s.Delivery = pipeline.Delivery(root.text("delivery"))
	introduce(&s)
	s.ShutdownTimeout = root.duration("shutdown_timeout")
	return s
}

func (l *loader) source(v view, spec *pipeline.Spec) source.Source {
	maxRecordBytes := spec.Event.MaxRecordBytes
	switch kind := v.kind(); kind {
	case "kafka":
		return l.kafkaSource(v.at(kind), spec.Name)
	case "file":
		v := v.at(kind)
		l.checkPattern(v.at("path"))
		return &source.File{
			Path: v.text("path"), Follow: v.flag("follow"), MaxOpen: int(v.integer("open")),
			MaxRecordBytes: maxRecordBytes,
		}
	case "stdin":
		return &source.Stdin{In: l.stdin, MaxRecordBytes: maxRecordBytes}
	case "generate":
		v := v.at(kind)
		return &source.Generate{
			EventsPerSecond: int(v.integer("events_per_second")),
			Seed:            uint64(v.integer("seed")),
			Events:          v.integer("events"),
		}
	default:
		return nil
	}
}

func (l *loader) checkPattern(v view) {
	path, _ := v.value().(string)
	if _, err := filepath.Match(path, ""); err != nil {
		l.add(v.path, v.place(), `%s is no pattern of file names: a [ is not closed; write \[ for the character itself`, v.n.quote())
	}
}

// fieldName is what an expression can call a field without quotes.
var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (l *loader) event(v view) pipeline.EventSpec {
	e := pipeline.EventSpec{
		Format:         pipeline.Format(v.text("format")),
		TimeField:      v.at("time").text("field"),
		TimeFormat:     event.TimeFormat(v.at("time").text("format")),
		OnError:        pipeline.OnError(v.text("on_error")),
		MaxRecordBytes: int(v.integer("max_record_bytes")),
		MaxFuture:      v.duration("max_future"),
	}
	if d := v.at("dedup"); d.given() {
		e.Dedup = pipeline.Dedup{ID: d.text("id"), Horizon: d.duration("horizon")}
	}
	v.pairs("fields", func(name, text string, n *node) {
		if !fieldName.MatchString(name) {
			l.add(v.path+".fields."+name, n.at, "is no name for a field; use letters, digits and _, not beginning with a digit")
			return
		}
		e.Fields = append(e.Fields, pipeline.Field{Name: name, Expr: text})
	})
	return e
}

func watermark(v view) pipeline.WatermarkSpec {
	w := pipeline.WatermarkSpec{
		MaxOutOfOrderness: v.duration("max_out_of_orderness"),
		Emit:              pipeline.Emit(v.text("emit")),
		Interval:          v.duration("interval"),
		IdleTimeout:       v.duration("idle_timeout"),
		MaxDrift:          v.duration("max_drift"),
	}
	// The default depends on the source, which the pipeline knows.
	if v.at("when_idle").given() {
		w.WhenIdle = pipeline.WhenIdle(v.text("when_idle"))
	}
	return w
}

func limits(v view) pipeline.LimitSpec {
	return pipeline.LimitSpec{
		Keys: int(v.integer("keys")), Windows: int(v.integer("windows")),
		Memory: v.integer("memory"), Outbox: v.integer("outbox"), OnExceed: pipeline.OnExceed(v.text("on_exceed")),
	}
}

// problem places a problem that was found in the assembled pipeline, unless it
// follows from one of those that were found before.
func (l *loader) problem(before []Problem, path string, column int, message string) {
	if l.follows(before, path) {
		return
	}
	n, exact := lookup(l.root, path)
	if !exact {
		column = 0
	}
	l.add(path, n.column(column), "%s", n.redact(message))
}

// judge adds what Build of the pipeline has found, and reports whether there was
// anything.
func (l *loader) judge(err error) bool {
	before, problems := l.problems, pipeline.Problems(err)
	for _, p := range problems {
		l.problem(before, p.Path, p.Column, p.Message)
	}
	return len(problems) > 0
}

// logLevels are the levels by their names in the config.
var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

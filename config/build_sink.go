package config

import (
	"github.com/llm-optimizer/processor/kafka"
	"github.com/llm-optimizer/processor/otlp"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/postgres"
	"github.com/llm-optimizer/processor/prometheus"
	"github.com/llm-optimizer/processor/query"
	"github.com/llm-optimizer/processor/sink"
)

func (l *loader) sinks(s *pipeline.Spec, root view) {
	v := root.at("sinks")
	names := map[string]int{}
	for i := range v.items() {
		item := v.item(i)
		c := sink.Config{Name: item.text("name"), Sink: l.sink(item, item.flag("meta"))}
		if line, taken := names[c.Name]; taken && c.Name != "" {
			l.add(item.path+".name", item.at("name").place(), "%q is the name of the sink in line %d too; choose another", c.Name, line)
		}
		names[c.Name] = item.place().line
		c.Queries = l.sinkQueries(item.at("queries"), s.Queries)
		s.Sinks = append(s.Sinks, c)
	}
	for i := range s.Sinks {
		if s.Sinks[i].Name == "" {
			s.Sinks[i].Name = unused(names, v.item(i).kind())
		}
	}
	l.checkServed(root)
	s.LateEvents = l.sideOutput(root.at("late_events"))
	s.DeadLetters = l.sideOutput(root.at("dead_letters"))
}

// introduce tells sinks that keep marks what they are known by, and makes those
// deliver without them whose rows leave before their epoch is durable.
func introduce(s *pipeline.Spec) {
	early := s.Delivery == pipeline.AtLeastOnce
	configs := []*sink.Config{s.LateEvents, s.DeadLetters}
	for i := range s.Sinks {
		configs = append(configs, &s.Sinks[i])
	}
	for _, c := range configs {
		if c == nil {
			continue
		}
		switch to := c.Sink.(type) {
		case *kafka.Sink:
			to.Pipeline, to.Name = s.Name, c.Name
			if early {
				c.Sink = to.Plain()
			}
		case *postgres.Sink:
			to.Pipeline, to.Name, to.AtOnce = s.Name, c.Name, early
		case *prometheus.Sink:
			to.Name = c.Name
		case *otlp.Sink:
			to.Pipeline, to.Name = s.Name, c.Name
		}
	}
}

// unused makes a name that no other sink has: file, file-2, file-3.
func unused(names map[string]int, kind string) string {
	name := kind
	for i := 2; ; i++ {
		if _, taken := names[name]; !taken {
			names[name] = 0
			return name
		}
		name = kind + "-" + itoa(i)
	}
}

func (l *loader) sinkQueries(v view, queries []query.Query) []string {
	known := make([]string, 0, len(queries))
	var out []string
	for _, q := range queries {
		known = append(known, q.Name)
	}
	for i := range v.items() {
		n := v.n.items[i]
		name, _ := n.value.(string)
		out = append(out, name) // a wrong one too: none would mean all
		if name == "" {
			continue
		}
		if !has(queries, name) {
			l.add(join(v.path, itoa(i)), n.at, "there is no query %s; %s", n.quote(), didYouMean(name, known))
		}
	}
	return out
}

func has(queries []query.Query, name string) bool {
	for _, q := range queries {
		if q.Name == name {
			return true
		}
	}
	return false
}

func (l *loader) sideOutput(v view) *sink.Config {
	if !v.given() {
		return nil
	}
	name := v.text("name")
	if name == "" {
		name = v.s.name()
	}
	return &sink.Config{Name: name, Sink: l.sink(v, false)}
}

func (l *loader) sink(v view, meta bool) sink.Sink {
	switch kind := v.kind(); kind {
	case "stdout":
		return l.stdoutSink(v.at(kind).text("format"), meta)
	case "file":
		v := v.at(kind)
		f := &sink.File{Path: v.text("path"), Meta: meta}
		// The default depends on the state, which the sink is told of.
		if v.at("on_existing").given() {
			f.OnExisting = v.text("on_existing")
		}
		return f
	case "kafka":
		return l.kafkaSink(v.at(kind), meta)
	case "postgres":
		return l.postgresSink(v.at(kind), meta)
	case "prometheus":
		return l.prometheusSink(v.at(kind), meta)
	case "otlp":
		return l.otlpSink(v.at(kind), meta)
	default:
		return nil
	}
}

package pipeline

import (
	"slices"
	"strings"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/plan"
	"github.com/llm-optimizer/processor/source"
)

// bindAttributes asks the source for the fields that it hands over beside the
// events: those whose names begin with a dollar sign. Of other sources these
// are fields of the event like any.
func (v *validator) bindAttributes(s *Spec, p *plan.Plan) {
	if src, ok := s.Source.(source.Enveloper); ok && s.Event.Format != JSON {
		src.Envelopes()
	}
	src, ok := s.Source.(source.Attributer)
	if !ok {
		return
	}
	asked := 0
	ask := func(at string, path []string) bool {
		if !strings.HasPrefix(path[0], "$") {
			return false
		}
		if !src.Attribute(path) {
			v.add(at, "a %s source has no %s: fields that begin with $ are those that it hands over beside the event", s.Source.Traits().Kind, strings.Join(path, "."))
			return false
		}
		asked++
		if slices.Equal(path, traceParent) {
			v.trace.parents = asked
		}
		return true
	}
	timePath, err := fieldPath(s.Event.TimeField)
	if err != nil {
		v.add("event.time.field", "%v", err)
		return
	}
	for i := range p.Schema.Fields {
		f := &p.Schema.Fields[i]
		if f.Attribute = ask("queries", f.Path); f.Attribute && slices.Equal(f.Path, timePath) {
			v.timeAttribute = asked
		}
	}
	if v.timeAttribute == 0 && ask("event.time.field", timePath) {
		v.timeAttribute = asked
	}
	if v.timeAttribute > 0 && timePath[0] == "$timestamp" && s.Event.TimeFormat != event.UnixMilli {
		v.add("event.time.format", "$timestamp is in milliseconds: use unix_ms")
	}
	v.bindTracing(s, src, asked)
}

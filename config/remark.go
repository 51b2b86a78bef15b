package config

import (
	"fmt"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/source"
	"github.com/llm-optimizer/processor/window"
)

// remark warns of what is allowed and yet hardly meant.
func (l *loader) remark(s *pipeline.Spec) {
	for _, q := range s.Queries {
		silent := q.Trigger.Count == 0 && q.Trigger.Every == 0
		if q.Window.Kind == window.KindGlobal && silent && endless(s.Source) {
			l.warnings = append(l.warnings, fmt.Sprintf("query %s: a global window fires at the end of the input, and this source has none; add a trigger such as {every: 10s}", q.Name))
		}
	}
}

// endless reports whether a source ends only when it is told to.
func endless(s source.Source) bool {
	switch s := s.(type) {
	case *source.File:
		return s.Follow
	case *source.Generate:
		return s.Events == 0
	default:
		return false
	}
}

package config

import "github.com/llm-optimizer/processor/sink"

func (l *loader) stdoutSink(format string, meta bool) sink.Sink {
	s := sink.NewStdout(l.stdout, sink.Format(format))
	if s != nil {
		s.Meta = meta
	}
	return s
}

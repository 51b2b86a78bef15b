package kafka

import "github.com/llm-optimizer/processor/sink"

// Join takes over the late events or dead letters of another Sink on the same
// cluster: they go to that sink's topic, in the transactions of this one. Both
// must compress, mark and time out alike.
func (s *Sink) Join(rows sink.Rows, other sink.Sink) bool {
	o, ok := other.(*Sink)
	if !ok || o == s || o.late != nil || o.dead != nil {
		return false
	}
	if !s.Cluster.same(&o.Cluster) || s.Compression != o.Compression ||
		s.markerTopic() != o.markerTopic() || s.transactionTimeout() != o.transactionTimeout() {
		return false
	}
	switch rows {
	case sink.LateEvents:
		s.late = o
	case sink.DeadLetters:
		s.dead = o
	default:
		return false
	}
	return true
}

// parts are the sink and those that it has joined.
func (s *Sink) parts() []*Sink {
	parts := []*Sink{s}
	for _, o := range []*Sink{s.late, s.dead} {
		if o != nil {
			parts = append(parts, o)
		}
	}
	return parts
}

// lateTo and deadTo are the sinks that say where such rows go.
func (s *Sink) lateTo() *Sink {
	if s.late != nil {
		return s.late
	}
	return s
}

func (s *Sink) deadTo() *Sink {
	if s.dead != nil {
		return s.dead
	}
	return s
}

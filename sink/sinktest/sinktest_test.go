package sinktest

import (
	"context"
	"io"
	"testing"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake keeps lines in memory, with one fault.
type fake struct {
	fault string
	text  []byte
	kept  []*result.Batch
	n     int
}

func (s *fake) Open(context.Context) error {
	if s.fault == "open" {
		return io.ErrClosedPipe
	}
	return nil
}

func (s *fake) Write(_ context.Context, b *result.Batch) error {
	s.n++
	switch s.fault {
	case "write":
		return io.ErrClosedPipe
	case "keeps the batch":
		s.kept = append(s.kept, b)
		return nil
	case "twice":
		s.text = b.AppendNDJSON(s.text, false)
	case "drops results":
		b = &result.Batch{Late: b.Late, Dead: b.Dead}
	case "drops late":
		b = &result.Batch{Results: b.Results, Dead: b.Dead}
	case "drops dead":
		b = &result.Batch{Results: b.Results, Late: b.Late}
	case "other order":
		s.text = append(b.AppendNDJSON(nil, false), s.text...)
		return nil
	}
	s.text = b.AppendNDJSON(s.text, false)
	return nil
}

func (s *fake) Close(context.Context) error {
	for _, b := range s.kept {
		s.text = b.AppendNDJSON(s.text, false)
	}
	if s.fault == "close" {
		return io.ErrClosedPipe
	}
	return nil
}

func (s *fake) held() Held {
	h, _ := Lines(s.text) // a fault may leave what is no row
	return h
}

func TestRunPassesAGoodSink(t *testing.T) {
	Run(t, func(*testing.T) (sink.Sink, func() Held) {
		s := &fake{}
		return s, s.held
	})
}

func TestChecksFindFaults(t *testing.T) {
	for fault, names := range map[string][]string{
		"open":            {"nothing written", "every row once", "the batch is used again"},
		"write":           {"every row once", "a large batch", "the batch is used again"},
		"close":           {"nothing written", "every row once", "the batch is used again"},
		"keeps the batch": {"the batch is used again"},
		"twice":           {"every row once", "a large batch"},
		"drops results":   {"every row once", "a large batch"},
		"drops late":      {"every row once"},
		"drops dead":      {"every row once"},
		"other order":     {"every row once"},
	} {
		for _, name := range names {
			for _, c := range checks {
				s := &fake{fault: fault}
				if c.name == name && c.check(t.Context(), s, s.held) == nil {
					t.Errorf("check %q passes a sink with the fault %q", name, fault)
				}
			}
		}
	}
}

func TestLines(t *testing.T) {
	for _, bad := range []string{"{", "{}\n", "[]\n"} {
		if _, err := Lines([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a row", bad)
		}
	}
}

package sinktest

import (
	"context"
	"io"
	"testing"

	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/sink"
)

// disk is where fakes that mark write to.
type disk struct {
	fault string
	text  []byte
	// synced is how much of the text a crash leaves.
	synced int
	marks  int
}

func (d *disk) place() Place {
	return Place{
		Sink:  func() sink.Marker { return &marker{disk: d} },
		Crash: func() { d.text = d.text[:d.synced] },
		Held: func() Held {
			h, _ := Lines(d.text) // a fault may leave what is no row
			return h
		},
	}
}

// marker keeps lines on a disk, with one fault.
type marker struct {
	disk *disk
	cut  int
}

func (s *marker) Open(context.Context) error { return nil }

func (s *marker) Resume(_ context.Context, m sink.Mark, newest uint64, _ bool) (uint64, error) {
	s.cut = len(s.disk.text)
	if m.Token != nil {
		s.cut = int(m.Token[0])<<24 | int(m.Token[1])<<16 | int(m.Token[2])<<8 | int(m.Token[3])
	}
	switch s.disk.fault {
	case "resume":
		return 0, io.ErrClosedPipe
	case "does not cut":
		s.cut = len(s.disk.text)
	case "cuts all":
		s.cut = 0
	case "claims the newest":
		return newest, nil
	case "claims more":
		return newest + 1, nil
	case "claims less":
		if m.Epoch > 0 {
			return 0, nil
		}
	}
	return m.Epoch, nil
}

func (s *marker) Start(context.Context) error {
	if s.disk.fault == "start" {
		return io.ErrClosedPipe
	}
	s.disk.text = s.disk.text[:min(s.cut, len(s.disk.text))]
	s.disk.synced = min(s.disk.synced, len(s.disk.text))
	return nil
}

func (s *marker) Write(_ context.Context, b *result.Batch) error {
	s.disk.text = b.AppendNDJSON(s.disk.text, false)
	return nil
}

func (s *marker) Commit(context.Context, sink.Mark) ([]byte, error) {
	n := len(s.disk.text)
	s.disk.marks++
	switch {
	case s.disk.fault == "commit":
		return nil, io.ErrClosedPipe
	case s.disk.fault == "no token":
		return nil, nil
	case s.disk.fault == "old token" && s.disk.marks > 3:
		n = 0
	case s.disk.fault != "does not sync":
		s.disk.synced = n
	}
	return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, nil
}

func (s *marker) Close(context.Context) error {
	if s.disk.fault == "close" {
		return io.ErrClosedPipe
	}
	return nil
}

func TestRunMarkerPassesAGoodSink(t *testing.T) {
	RunMarker(t, func(*testing.T) Place { return new(disk).place() })
}

func TestMarkerChecksFindFaults(t *testing.T) {
	for fault, names := range map[string][]string{
		"resume":            {"one run", "runs without rows"},
		"start":             {"one run"},
		"commit":            {"one run"},
		"close":             {"one run"},
		"no token":          {"one run"},
		"does not cut":      {"a crash at each call", "a crash at each call of a recovery", "marks that state does not know"},
		"cuts all":          {"a crash at each call", "runs without rows"},
		"does not sync":     {"a crash at each call", "a crash at each call of a recovery"},
		"claims the newest": {"a crash at each call", "a crash at each call of a recovery"},
		"claims more":       {"one run"},
		"claims less":       {"runs without rows"},
		"old token":         {"a crash at each call", "runs without rows"},
	} {
		for _, name := range names {
			for _, c := range markerChecks {
				if c.name == name && c.check(t.Context(), func() Place { return (&disk{fault: fault}).place() }) == nil {
					t.Errorf("check %q passes a sink with the fault %q", name, fault)
				}
			}
		}
	}
}

package pipeline

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/llm-optimizer/processor/sink"
	"github.com/llm-optimizer/processor/source"
)

// target is where a sink writes; empty for sinks without a place of their own.
func target(s sink.Sink) string {
	if t, ok := s.(sink.Targeter); ok && t.Target() != "" {
		return filepath.Clean(t.Target())
	}
	return ""
}

// checkTarget refuses a second sink that writes to one place.
func (v *validator) checkTarget(at string, s sink.Sink, targets map[string]string) {
	t := target(s)
	if t == "" {
		return
	}
	place := t
	if abs, err := filepath.Abs(t); err == nil {
		place = abs
	}
	if other, taken := targets[place]; taken {
		v.add(at, "writes to %s, as %s does: give each a file of its own", t, other)
	}
	targets[place] = at
}

// checkTargets refuses sinks that would write to what the source reads, or to
// one file by way of links.
func (p *Pipeline) checkTargets(parts []source.Partition) error {
	outs := map[string]os.FileInfo{} // by the sink's name
	for _, l := range p.lanes {
		t := target(l.Sink)
		if t == "" {
			continue
		}
		if w, ok := p.spec.Source.(source.Watcher); ok && w.Watches(t) {
			return fmt.Errorf("sink %s writes to %s, which the source would find and follow: choose another file or pattern", l.Name, t)
		}
		out, err := os.Stat(t)
		if err != nil {
			continue // not there yet, so nobody reads it
		}
		for other, info := range outs {
			if out.Mode().IsRegular() && os.SameFile(info, out) {
				return fmt.Errorf("sink %s writes to %s, which is the file of sink %s too: give each a file of its own", l.Name, t, other)
			}
		}
		outs[l.Name] = out
		for _, part := range parts {
			in, err := os.Stat(part.Origin().Path)
			if err == nil && in.Mode().IsRegular() && os.SameFile(in, out) {
				return fmt.Errorf("sink %s writes to %s, which the source reads: choose another file", l.Name, t)
			}
		}
	}
	return nil
}

package simtest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/internal/refmodel"
	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/result"
)

var rewrite = flag.Bool("rewrite", false, "write what the engine says into the transcripts")

// transcript is a file of sections: a line that ends with ":" at the margin,
// then its lines, indented by two spaces. Lines that begin with "#" are for
// the reader.
type transcript struct {
	text     []byte
	sections map[string][]string
	order    []string
}

// said are the sections that the engine fills.
var said = []string{"rows", "late", "ledger"}

func readTranscript(t *testing.T, file string) *transcript {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tr := &transcript{text: text, sections: map[string][]string{}}
	name := ""
	for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		if section, ok := strings.CutSuffix(line, ":"); ok && !strings.HasPrefix(line, " ") {
			name = section
			tr.order = append(tr.order, name)
			continue
		}
		tr.sections[name] = append(tr.sections[name], strings.TrimPrefix(line, "  "))
	}
	return tr
}

// with returns the text with other lines in the sections that the engine fills.
func (tr *transcript) with(lines map[string][]string) []byte {
	var b bytes.Buffer
	for _, line := range trimmed(tr.sections[""]) {
		fmt.Fprintln(&b, line)
	}
	order := slices.DeleteFunc(slices.Clone(tr.order), func(name string) bool { return slices.Contains(said, name) })
	for _, name := range append(order, said...) {
		content, ok := lines[name]
		if !ok {
			content = tr.sections[name]
		}
		if content = trimmed(content); len(content) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n  %s\n", name, strings.Join(content, "\n  "))
	}
	return b.Bytes()
}

// trimmed leaves out the empty lines at the end.
func trimmed(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// The transcripts say what a pipeline gives, for people and for the engine.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			playTranscript(t, file)
		})
	}
}

func playTranscript(t *testing.T, file string) {
	tr := readTranscript(t, file)
	spec, _, err := parseSpec([]byte(strings.Join(tr.sections["config"], "\n")))
	if err != nil {
		t.Fatal(err)
	}
	spec.Watermark.Emit = pipeline.EveryEvent
	records := Lines([]byte(strings.Join(tr.sections["events"], "\n")))
	for _, size := range []int{1, 3, 100} {
		spec.Source = &Source{Feeds: []*Feed{NewFeed("p0", records, size)}}
		run := execute(t, spec)
		got := tr.with(say(spec.Event.TimeFormat, run))
		if *rewrite {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		} else if !bytes.Equal(got, tr.text) {
			t.Errorf("with chunks of %d it says\n%s\nnot\n%s", size, got, tr.text)
		}
		out := modelTranscript(t, spec, records)
		d := compareRows(out.Rows, run.Rows)
		d = append(d, compareLateEvents(out.Late, run.Late)...)
		d = append(d, compareLedgers(out.Ledgers, run)...)
		d.report(t)
	}
}

func modelTranscript(t *testing.T, spec pipeline.Spec, records [][]byte) *refmodel.Outcome {
	t.Helper()
	feed := NewFeed("p0", records)
	var steps []refmodel.Step
	for i, line := range records {
		e, err := decode(line, spec.Event)
		if err != nil {
			e = refmodel.Event{Bad: true, Raw: line}
		}
		e.Offset = feed.Positions[i]
		steps = append(steps, refmodel.Step{Event: e})
	}
	out, err := refmodel.Run(refmodel.Program{
		Queries: spec.Queries, OutOfOrderness: int64(spec.Watermark.MaxOutOfOrderness),
		DedupField: spec.Event.Dedup.ID, Horizon: int64(spec.Event.Dedup.Horizon),
	}, steps)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// say writes down what a run gave, with event times in the input's unit.
func say(format event.TimeFormat, run *Run) map[string][]string {
	at := func(t int64) string {
		switch {
		case t == event.MinTime || t == event.MaxTime:
			return "null"
		case format == event.RFC3339:
			return string(event.AppendTime(nil, t))
		default:
			return string(event.AppendFloat(nil, float64(t)/float64(unitOf(format))))
		}
	}
	lines := map[string][]string{"rows": nil, "late": nil, "ledger": nil}
	for _, r := range run.Rows {
		lines["rows"] = append(lines["rows"], fmt.Sprintf("%s %s [%s, %s) %v %d: %s",
			r.Query.Name, r.KeyJSON, at(r.Start), at(r.End), r.Timing, r.Firing, valuesText(r)))
	}
	for _, l := range run.Late {
		lines["late"] = append(lines["late"], fmt.Sprintf("%s watermark %s: %s", l.Query, at(l.Watermark), l.Event))
	}
	for _, l := range run.Summary.Queries {
		lines["ledger"] = append(lines["ledger"], ledgerText(l))
	}
	return lines
}

func ledgerText(l pipeline.Ledger) string {
	text := fmt.Sprintf("%s: read %d, in windows %d", l.Query, l.Read, l.InWindows)
	for _, part := range []struct {
		n    int64
		name string
	}{{l.Late, "late"}, {l.Dead, "dead"}, {l.Filtered, "filtered"}, {l.Unwindowed, "unwindowed"}, {l.Duplicate, "duplicate"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %s %d", part.name, part.n)
		}
	}
	return text
}

func valuesText(r result.Result) string {
	if r.Values == nil {
		return "null"
	}
	var parts []string
	for i, v := range r.Values {
		parts = append(parts, fmt.Sprintf("%s %s", r.Query.Values[i], v.AppendJSON(nil)))
	}
	return strings.Join(parts, ", ")
}
